"""The shape of the tree: what must not exist, what a package exports, what importing it costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import llmos

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = sorted(
    path.relative_to(ROOT).parent.as_posix().replace("/", ".") for path in (ROOT / "llmos").rglob("__init__.py") if path.stat().st_size > 0
)


def test_operator_is_a_plain_folder() -> None:
    """With an `__init__.py` it would shadow the standard library's `operator`, and Python itself would not start at the root."""
    assert (ROOT / "operator").is_dir()
    assert not (ROOT / "operator/__init__.py").exists()


@pytest.mark.parametrize("name", PACKAGES)
def test_all_names_exactly_what_a_package_exports(name: str) -> None:
    """Read from the source, because some packages import heavy modules only when a name is used."""
    tree = ast.parse((ROOT / name.replace(".", "/") / "__init__.py").read_text())
    exported = [name for name in _listed(tree) if not name.startswith("__")]
    assert len(set(exported)) == len(exported), "a name stands twice"
    assert set(exported) == _public_names(tree)


def _listed(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def _public_names(tree: ast.Module) -> set[str]:
    """What a package takes from our own modules, or defines."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("llmos")):
            names |= {alias.asname or alias.name for alias in node.names}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return {name for name in names if not name.startswith("_")}


def test_no_module_is_named_after_the_standard_library() -> None:
    names = {path.stem for tree in ("llmos", "operator/llmos_operator") for path in (ROOT / tree).rglob("*.py")}
    assert names & set(sys.stdlib_module_names) == {"__init__"} & set(sys.stdlib_module_names)


def test_importing_the_library_imports_neither_torch_nor_a_cluster_client() -> None:
    heavy = ("torch", "transformers", "kubernetes", "kopf")
    code = f"import sys, {', '.join(PACKAGES)}\nprint([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_the_version_is_the_projects() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{llmos.__version__}"' in text
