"""examples/notebooks/models.ipynb: every cell runs, and prints what the file says it prints, but for the numbers of a machine."""

import json
import re
from pathlib import Path

import pytest

from tests.real_models.notebooks import code_cells, output_of, run

pytestmark = pytest.mark.soak

NOTEBOOK = Path(__file__).parents[2] / "examples" / "notebooks" / "models.ipynb"


def without_numbers(text: str) -> str:
    """Return a text with every number as `#`: times, sizes and last digits are the machine's, and so is what is the fastest; words, rows
    and decisions are not."""
    return re.sub(r"\d[\d,.]*", "#", re.sub(r"chosen: \w+", "chosen: #", re.sub(r" +", " ", text)))


def test_every_cell_runs_and_prints_what_the_file_shows(tmp_path: Path) -> None:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    shown = [output_of(cell) for cell in code_cells(notebook)]
    printed = run(notebook, tmp_path)
    for number, (now, then) in enumerate(zip(printed, shown, strict=True), start=1):
        assert without_numbers(now) == without_numbers(then), f"cell {number} prints {now!r}"
