"""The report endpoint: pods say how far they are and what they serve. In memory, authenticated, bounded; never a gate, never a digest."""

from llmos_operator.report.authenticate import Authenticator, Sender
from llmos_operator.report.server import ReportServer
from llmos_operator.report.store import ReportStore

__all__ = ["Authenticator", "ReportServer", "ReportStore", "Sender"]
