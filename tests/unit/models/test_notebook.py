"""The code in docs/models.md and in the notebook is code: its names exist, and every call fits what it calls."""

import ast
import inspect
import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import llmos

ROOT = Path(llmos.__file__).parents[1]
PAGE = (ROOT / "docs" / "models.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def imported(tree: ast.Module) -> dict[str, Any]:
    """Names that a block imports from us, with what they stand for."""
    return {
        alias.name: getattr(import_module(str(node.module)), alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("llmos")
        for alias in node.names
    }


def problems(code: str) -> list[str]:
    tree = ast.parse(code)
    names = imported(tree)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            target = names[node.func.id]
            fields = getattr(target, "model_fields", None)
            given = {str(keyword.arg): None for keyword in node.keywords}
            try:
                if fields is not None:
                    assert given.keys() <= fields.keys(), given
                else:
                    inspect.signature(target).bind(*node.args, **given)
            except (TypeError, AssertionError) as error:
                found.append(f"{node.func.id}, line {node.lineno}: {error}")
    return found


@pytest.mark.parametrize("code", BLOCKS, ids=lambda code: code.splitlines()[-1][:40])
def test_the_code_of_the_page_calls_what_there_is(code: str) -> None:
    assert problems(code) == []


def test_the_page_shows_import_export_measuring_and_the_gate() -> None:
    used = {name for code in BLOCKS for name in imported(ast.parse(code))}
    assert {"import_from_package", "export_onnx", "build_onnx", "compare", "NetworkJudge"} <= used


def test_a_call_that_does_not_fit_is_found() -> None:
    assert problems("from llmos.models import read_labels\nread_labels(1, 2)") != []
    assert problems("from llmos.models import OnnxSpec\nOnnxSpec(colour=1)") != []


def test_a_notebook_shows_the_same_with_its_outputs() -> None:
    notebook = json.loads((ROOT / "examples" / "notebooks" / "models.ipynb").read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert {output["name"] for output in outputs} == {"stdout"}, "no warnings, and no errors"
    assert "/tmp" not in json.dumps(outputs), "no path of the machine that ran it"
    code = ["".join(cell["source"]) for cell in cells]
    assert [problem for source in code for problem in problems(source)] == []
    used = {name for source in code for name in imported(ast.parse(source))}
    assert {"import_from_package", "export_onnx", "build_onnx", "compare", "NetworkJudge", "choose_precision"} <= used
