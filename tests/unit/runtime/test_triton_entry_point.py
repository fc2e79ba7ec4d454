"""The `tritonserver` command: what it lays out and what it hands to the real server."""

import ast
import os
import sys
from pathlib import Path

import pytest

from llmos.runtime import triton

STUB = f"python_backend_stubs/{sys.version_info.major}.{sys.version_info.minor}/triton_python_backend_stub"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder laid out like the wheel's."""
    package = tmp_path / "site-packages" / "pytriton"
    for name in ("backends/python/libtriton_python.so", "backends/python/triton_python_backend_utils.py", STUB, "bin/tritonserver"):
        path = package / "tritonserver" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return package


def test_it_imports_nothing_but_the_standard_library():
    tree = ast.parse(Path(triton.__file__).read_text())
    imported = {alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    assert imported <= sys.stdlib_module_names


def test_the_python_backend_gets_this_pythons_stub_and_ours_stands_beside_it(package: Path, tmp_path: Path):
    backends = tmp_path / "backends"
    triton.prepare_backends(package, backends)
    triton.prepare_backends(package, backends)
    found = sorted(path.relative_to(backends).as_posix() for path in backends.rglob("*") if path.is_file())
    assert found == [
        "onnxruntime/model.py",
        "python/libtriton_python.so",
        "python/triton_python_backend_stub",
        "python/triton_python_backend_utils.py",
    ]
    assert os.access(backends / "python" / "triton_python_backend_stub", os.X_OK)
    assert "class TritonPythonModel" in (backends / "onnxruntime" / "model.py").read_text()


def test_the_server_is_started_with_the_given_options_and_our_backends(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    started = []
    monkeypatch.setattr(triton, "find_package", lambda: package)
    monkeypatch.setattr(os, "execve", lambda *arguments: started.append(arguments))
    monkeypatch.setenv("LLMOS_BACKEND_DIRECTORY", str(tmp_path / "backends"))
    monkeypatch.setenv("PYTHONPATH", "/mine")
    triton.main(["--model-repository=/models/repository", "--http-address=127.0.0.1"])
    ((binary, arguments, environment),) = started
    assert binary == package / "tritonserver" / "bin" / "tritonserver"
    assert arguments == [
        "tritonserver",
        f"--backend-directory={tmp_path / 'backends'}",
        "--model-repository=/models/repository",
        "--http-address=127.0.0.1",
    ]
    assert environment["PYTHONPATH"] == f"{package.parent}:/mine"
    assert str(package.parent / "nvidia_pytriton.libs") in environment["LD_LIBRARY_PATH"].split(":")


def test_an_option_beats_the_environment(tmp_path: Path):
    environment = {"LLMOS_BACKEND_DIRECTORY": "/a"}
    assert triton.choose_backend_directory(["--x", "--backend-directory=/b"], environment) == Path("/b")
    assert triton.choose_backend_directory([], environment) == Path("/a")
    assert triton.choose_backend_directory([], {}) == Path("/backends")


def test_a_missing_server_or_stub_is_said_in_one_sentence(package: Path, tmp_path: Path, monkeypatch, capsys):
    assert triton.main(["--backend-directory=/nowhere"]) == 1
    assert capsys.readouterr().err == "tritonserver cannot be started: the package nvidia-pytriton is not installed in this Python\n"
    (package / "tritonserver" / STUB).unlink()
    monkeypatch.setattr(triton, "find_package", lambda: package)
    assert triton.main([f"--backend-directory={tmp_path / 'backends'}"]) == 1
    assert "triton_python_backend_stub" in capsys.readouterr().err
