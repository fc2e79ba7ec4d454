"""Pure status: reasons, conditions, what is wrong with a pod, and the status document of each kind."""

from llmos_operator.status.conditions import Condition, merge_conditions, status_patch, summary
from llmos_operator.status.reasons import Reason
from llmos_operator.status.troubles import Failure, Trouble, pod_failure, pod_trouble
from llmos_operator.status.verdict import Verdict

__all__ = [
    "Condition",
    "Failure",
    "Reason",
    "Trouble",
    "Verdict",
    "merge_conditions",
    "pod_failure",
    "pod_trouble",
    "status_patch",
    "summary",
]
