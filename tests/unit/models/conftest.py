"""Tiny models are made once for the session; tests that change a folder copy it."""

from pathlib import Path

import pytest

from llmos.models import Task, TextNetwork, export_onnx, load_network
from tests.unit.models.tiny import make_folder


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="session")
def classifier_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("classifier"), labels=["organ:heart", "organ:lung", "organ:skin"])


@pytest.fixture(scope="session")
def encoder(encoder_folder: Path) -> TextNetwork:
    return load_network(encoder_folder, Task.FEATURE_EXTRACTION)


@pytest.fixture(scope="session")
def classifier(classifier_folder: Path) -> TextNetwork:
    return load_network(classifier_folder, Task.TEXT_CLASSIFICATION)


@pytest.fixture(scope="session")
def exported(classifier: TextNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The classifier as Float32; an export takes seconds whatever the size."""
    return export_onnx(classifier, tmp_path_factory.mktemp("exported") / "model.onnx", maximum_tokens=16)
