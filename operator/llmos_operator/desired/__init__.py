"""Pure builders: a parsed spec and what was resolved in, Kubernetes objects out. No client, no clock, no chance."""

from llmos_operator.desired.context import Installation, Source
from llmos_operator.desired.difference import Tolerated, differences, fingerprint
from llmos_operator.desired.inference_service import ServiceInputs, build_children
from llmos_operator.desired.job import JobInputs, build_job

__all__ = [
    "Installation",
    "JobInputs",
    "ServiceInputs",
    "Source",
    "Tolerated",
    "build_children",
    "build_job",
    "differences",
    "fingerprint",
]
