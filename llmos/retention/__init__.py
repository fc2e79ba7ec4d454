"""Retention: which payloads in the registry nobody uses any more, and removing them so that every chain still verifies.

`marks` reads what a cluster uses, `contents` what the registry holds, `plan` decides (pure), `sweep` carries out. Versions, their history
and measurements are never removed; only payloads are.
"""

from llmos.retention.contents import RepositoryContents, read_contents
from llmos.retention.marks import Marks, mark
from llmos.retention.plan import Fate, PayloadFate, RepositoryPlan, SweepPlan, plan_sweep
from llmos.retention.sweep import carry_out, survey

__all__ = [
    "Fate",
    "Marks",
    "PayloadFate",
    "RepositoryContents",
    "RepositoryPlan",
    "SweepPlan",
    "carry_out",
    "mark",
    "plan_sweep",
    "read_contents",
    "survey",
]
