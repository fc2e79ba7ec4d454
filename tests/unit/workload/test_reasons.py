"""The operator's list of reasons is closed: one that a workload gives and that is not on it never reaches the user."""

import ast
from pathlib import Path

import llmos
from llmos_operator.status.reasons import Reason

PACKAGES = ("artifacts", "workload", "models", "adaptation", "knowledge", "runtime")
NEVER_SHOWN = {"Fetched"}
"""The init container's word for success: nothing failed, so no condition says it."""


def given_reasons() -> dict[str, str]:
    """Every reason that stands in the code of a workload, and where."""
    root = Path(llmos.__file__).parent
    found: dict[str, str] = {}
    for path in (file for package in PACKAGES for file in (root / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "reason" and isinstance(node.value, ast.Constant):
                found[str(node.value.value)] = f"{path.relative_to(root)}:{node.value.lineno}"
    return found


def test_every_reason_a_workload_gives_is_on_the_operators_list() -> None:
    reasons = given_reasons()
    assert {"TrainingDiverged", "InvalidSource"} <= set(reasons)
    assert {reason: where for reason, where in reasons.items() if reason not in {*Reason, *NEVER_SHOWN}} == {}
