"""docs/operator.md is what `kubectl explain` sends people to: it must know every reason and every metric."""

import re
from pathlib import Path

from llmos_operator.metrics import Metrics
from llmos_operator.status import Reason

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "operator.md").read_text()


def test_every_reason_is_explained_and_none_besides() -> None:
    table = PAGE.partition("## Reasons")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    assert sorted(name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])) == sorted(Reason)


def test_every_metric_is_named() -> None:
    names = {family.name for family in Metrics().registry.collect() if family.name.startswith("llmos_")}
    assert {name for name in names if name.removeprefix("llmos_operator") not in PAGE} == set()
