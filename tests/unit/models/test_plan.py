"""What an import will take, from the headers of the weights alone."""

import json
from pathlib import Path

import pytest

from llmos.errors import EXIT_PERMANENT, PermanentError
from llmos.models import import_job
from llmos.models.plan import Available, check_plan, plan_import
from tests.unit.artifacts.memory_registry import MemoryRegistry
from tests.unit.models.http_registry import serve_folder, serve_registry
from tests.unit.models.jobs import Pods, http_source

GIB = 1 << 30
PLENTY = Available(memory_bytes=64 * GIB, scratch_bytes=64 * GIB)


def fake_weights(folder: Path, *shapes: tuple[int, ...]) -> Path:
    """Safetensors files that have a header and nothing behind it."""
    for number, shape in enumerate(shapes):
        header = json.dumps({"__metadata__": {"format": "pt"}, "weight": {"dtype": "F16", "shape": shape, "data_offsets": [0, 0]}}).encode()
        (folder / f"model-{number}.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    return folder


def test_every_number_of_every_file_counts_once(tmp_path: Path) -> None:
    plan = plan_import(fake_weights(tmp_path, (10, 20), (3,), ()), precisions=["Float32"], available=PLENTY)
    assert plan.parameters == 204
    assert plan.missing == ()


def test_a_larger_model_and_more_precisions_never_take_less(tmp_path: Path) -> None:
    plans = []
    for size in (1, 20, 90, 110, 400):
        (tmp_path / str(size)).mkdir()
        weights = fake_weights(tmp_path / str(size), (size, 1_000_000))
        plans += [plan_import(weights, precisions=some, available=PLENTY) for some in (["Float32"], ["Float32", "Float16"])]
    for one, two in zip(plans[::2], plans[1::2], strict=True):
        assert one.scratch_bytes < two.scratch_bytes
        assert one.seconds < two.seconds
    assert [plan.scratch_bytes for plan in plans[::2]] == sorted(plan.scratch_bytes for plan in plans[::2])


@pytest.mark.parametrize(
    ("available", "sentence"),
    [
        (Available(GIB // 2, 64 * GIB), r"the pod may use 0\.5 GiB of memory: raise spec\.workload\.resources\.limits\.memory"),
        (Available(64 * GIB, GIB // 4), r"there are 0\.2 GiB of scratch space: raise spec\.workload\.scratch\.sizeLimit"),
    ],
)
def test_too_little_of_something_is_refused_with_both_figures(tmp_path: Path, available: Available, sentence: str) -> None:
    plan = plan_import(fake_weights(tmp_path, (100, 1_000_000)), precisions=["Float32"], available=available)
    with pytest.raises(PermanentError, match=rf"100,000,000 parameters: about 1\.4 GiB of memory, .*; {sentence}") as caught:
        check_plan(plan)
    assert caught.value.reason == "ResourcesTooSmall"
    assert len(plan.to_document()["missing"]) == 1


def test_what_is_available_is_the_volume_s_limit_where_that_is_less_than_the_disk(tmp_path: Path) -> None:
    assert Available.here(tmp_path, scratch_limit=1000).scratch_bytes == 1000
    assert Available.here(tmp_path).scratch_bytes > 1000


def test_an_import_that_cannot_be_done_stops_before_the_weights_are_loaded(
    encoder_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmos.models.loading.load_network", lambda *_: pytest.fail("the weights were loaded"))
    # Enough to fetch it, and not to make anything of it.
    room = sum(path.stat().st_size for path in encoder_folder.iterdir()) + 1000
    with serve_folder(encoder_folder) as address, serve_registry(MemoryRegistry()) as host:
        pods = Pods(host, tmp_path)
        spec = {"task": "FeatureExtraction", "source": http_source(encoder_folder, address), "onnx": {"maximumTokens": 16}}
        assert pods.run(import_job.main, "Model/large", spec, scratch_bytes=room) == EXIT_PERMANENT
    assert pods.termination["reason"] == "ResourcesTooSmall"
    assert "raise spec.workload.scratch.sizeLimit" in pods.termination["message"]
