"""What one look at an object concludes: the value that becomes conditions.

Pure. Checks return a Verdict or None; the first one wins and gives reason and message.
"""

from dataclasses import dataclass

from llmos_operator.status.reasons import Reason

__all__ = ["Verdict"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The summary of a pass."""

    reason: Reason
    message: str
    """What, which object, next step."""

    is_ready: bool = False
    is_known: bool = True
    """False: the condition is Unknown."""

    is_stalled: bool = False
    """Only a person can mend it."""

    is_progressing: bool = False
    """Something is under way, or waited for."""

    retry_s: float | None = None
    """Look again after so many seconds even if nothing happens."""
