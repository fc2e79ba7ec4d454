"""AudioClassification with real weights: a head on Whisper's encoder hears whether the caller is asked to do something."""

import logging
import time
from pathlib import Path

import numpy as np
import pytest

from llmos.models import import_from_package
from llmos.models.config import FormatSpec, PythonPackageSource
from tests.real_models import packages
from tests.real_models.conftest import Import
from tests.real_models.recordings import fetch_recordings
from tests.real_models.sounds import FLOOR, Listener, train_listener
from tests.unit.models.jobs import Pods

pytestmark = pytest.mark.soak


def test_a_listener_hears_what_is_asked_and_its_export_hears_the_same(import_folder: Import, pods: Pods, tmp_path: Path) -> None:
    source = PythonPackageSource.model_validate(packages.WHISPER_TINY_EN)
    whisper = import_from_package(source, tmp_path / "whisper", form=FormatSpec(type="CTranslate2"))
    recordings = fetch_recordings(tmp_path / "recordings")
    started = time.monotonic()
    trained = train_listener(whisper, recordings, tmp_path / "listener")
    seconds = time.monotonic() - started
    measured = import_folder("listener", trained.folder, task="AudioClassification")
    listener = Listener(pods.fetch("Model/listener", "onnx"))
    reached = float(np.mean([listener.tell(path) == kind for path, kind in trained.held_out]))
    logging.getLogger(__name__).info(
        f"trained in {seconds:.0f} s; {trained.accuracy:.3f} over all, {reached:.3f} of {len(trained.held_out)} by the export; by length "
        f"{trained.length_accuracy:.3f}"
    )
    assert float(measured["onnx"]["Float32"]["maximumDifference"]) < 0.001
    assert trained.length_accuracy < 0.75 < FLOOR <= trained.accuracy
    # Of about fifty, chance alone moves an accuracy of 0.94 by seven points.
    assert reached >= FLOOR - 0.07
