"""Running a notebook's cells in a fresh process, without Jupyter: plain Python whose results are printed needs no kernel.

`python -m tests.real_models.notebooks examples/notebooks/models.ipynb` runs it and writes its outputs anew. Must not: know what a notebook
is about.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["code_cells", "output_of", "run", "write_outputs"]

_RUN = """
import contextlib, io, json, sys
names, printed = {"__name__": "__main__"}, []
for source in json.load(open(sys.argv[1])):
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(compile(source, f"cell {len(printed) + 1}", "exec"), names)
    printed.append(output.getvalue())
    json.dump(printed, open(sys.argv[2], "w"))
"""


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def output_of(cell: dict[str, Any]) -> str:
    """Return what a cell has printed, as the file has it."""
    return "".join("".join(output["text"]) for output in cell["outputs"] if output.get("name") == "stdout")


def run(notebook: dict[str, Any], folder: Path) -> list[str]:
    """Run all cells in one process whose working directory is `folder`, and return what each has printed; raises with the traceback."""
    cells, printed = folder / "cells.json", folder / "printed.json"
    cells.write_text(json.dumps(["".join(cell["source"]) for cell in code_cells(notebook)]))
    ended = subprocess.run(
        [sys.executable, "-c", _RUN, cells.name, printed.name], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    if ended.returncode:
        raise RuntimeError(ended.stderr[-4000:])
    found: list[str] = json.loads(printed.read_text())
    return found


def write_outputs(notebook: dict[str, Any], printed: list[str]) -> None:
    for number, (cell, text) in enumerate(zip(code_cells(notebook), printed, strict=True), start=1):
        cell["execution_count"] = number
        cell["outputs"] = [{"name": "stdout", "output_type": "stream", "text": text.splitlines(keepends=True)}] if text else []


def main(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        write_outputs(notebook, run(notebook, Path(folder)))
    path.write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
