"""ImageClassification on a one-layer ViT: how pictures are prepared, what is exported, what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import TimmWrapperConfig, ViTConfig, ViTForImageClassification
from transformers.models.timm_wrapper.image_processing_timm_wrapper import TimmWrapperImageProcessor

from llmos.errors import ConfigError
from llmos.models import OnnxSpec, Task, TensorSpec, export_onnx, load_network, read_labels
from llmos.models.image_spec import ImageSpec, read_image_spec
from llmos.models.onnx_build import build_onnx

LABELS = {0: "cat", 1: "dog", 2: "horse"}
PROCESSOR: dict[str, Any] = {
    "image_processor_type": "ViTImageProcessor", "do_resize": True, "size": {"height": 32, "width": 32}, "resample": 2,
    "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.5, 0.6, 0.7],
}  # fmt: skip


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    def make_folder(**changes: Any) -> Path:
        folder = tmp_path_factory.mktemp("vit")
        torch.manual_seed(0)
        config = ViTConfig(
            hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48, image_size=32, patch_size=16, id2label=LABELS,
            label2id={name: column for column, name in LABELS.items()}, initializer_range=0.1,
        )  # fmt: skip
        ViTForImageClassification(config).save_pretrained(folder)
        processor = {name: value for name, value in (PROCESSOR | changes).items() if value is not None}
        (folder / "preprocessor_config.json").write_text(json.dumps(processor))
        return folder

    return make_folder


def picture(width: int = 61, height: int = 47) -> Image.Image:
    generator = np.random.default_rng(0)
    return Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_a_classifier_of_pictures_is_exported_with_its_labels_and_how_to_prepare_a_picture(
    make: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make()
    network = load_network(folder, Task.IMAGE_CLASSIFICATION)
    assert (network.inputs, network.outputs) == ((TensorSpec("pixel_values", "FP32", (3, 32, 32)),), (TensorSpec("logits", "FP32", (3,)),))
    exported = export_onnx(network, tmp_path / "model.onnx", maximum_tokens=256)
    built = build_onnx(network, exported, tmp_path / "onnx", precision="Float32", spec=OnnxSpec(), labels=read_labels(folder), facts={})
    # Float32: kernels that add up in another order differ in the seventh digit.
    assert 0 < float(built.measurements["maximumDifference"]) < 1e-5
    assert set(built.measurements["differences"]) == {"1x32", "3x32"}
    assert 'name: "pixel_values" data_type: TYPE_FP32 dims: [ 3, 32, 32 ]' in (built.folder / "config.pbtxt").read_text()
    assert {path.name for path in built.folder.iterdir()} == {
        "README.md", "config.pbtxt", "labels.json", "model.onnx", "preprocessing.json",
    }  # fmt: skip
    assert json.loads((built.folder / "preprocessing.json").read_text()) == {
        "inputs": ["pixel_values"],
        "outputs": ["logits"],
        "image": {
            "channels": "RGB", "layout": "CHW", "resize": {"mode": "Stretch", "interpolation": "Bilinear"}, "height": 32, "width": 32,
            "pixelRange": [0, 1], "mean": [0.5, 0.4, 0.3], "std": [0.5, 0.6, 0.7],
        },
    }  # fmt: skip


def test_a_picture_is_stretched_scaled_and_normalised(make: Callable[..., Path]) -> None:
    spec = read_image_spec(make())
    prepared = spec.prepare(Image.new("L", (10, 20), 255))
    assert (prepared.shape, prepared.dtype) == ((3, 32, 32), np.float32)
    # White, whatever its size: (1 - mean) / std of each channel.
    np.testing.assert_allclose(prepared[:, 5, 7], [(1 - 0.5) / 0.5, (1 - 0.4) / 0.6, (1 - 0.3) / 0.7], rtol=1e-6)


@pytest.mark.parametrize("size", [(61, 47), (47, 61), (40, 40), (300, 33)])
def test_a_picture_is_prepared_for_timm_s_models_exactly_as_timm_does(size: tuple[int, int], tmp_path: Path) -> None:
    data = {
        "input_size": [3, 32, 32], "crop_pct": 0.875, "interpolation": "bicubic", "crop_mode": "center",
        "mean": [0.5, 0.4, 0.3], "std": [0.5, 0.6, 0.7],
    }  # fmt: skip
    TimmWrapperConfig(architecture="tf_efficientnet_lite0", pretrained_cfg=data).save_pretrained(tmp_path)
    theirs = TimmWrapperImageProcessor(pretrained_cfg=data)(picture(*size))["pixel_values"][0].numpy()
    np.testing.assert_array_equal(read_image_spec(tmp_path).prepare(picture(*size)), theirs)


def test_a_spec_of_shortest_edge_and_crop_is_read() -> None:
    spec = ImageSpec(36, 32, 32, "Bicubic", (0.0,) * 3, (1.0,) * 3)
    assert spec.to_document()["resize"] == {"mode": "ShortestEdge", "pixels": 36, "interpolation": "Bicubic"}
    assert spec.prepare(picture()).shape == (3, 32, 32)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": {"shortest_edge": 32}}, "`size` fixes one side, and nothing cuts the other"),
        ({"rescale_factor": 1 / 127.5}, "rescale_factor is 0.0078.*only 1/255 is known"),
        ({"do_center_crop": True, "crop_size": {"height": 30, "width": 30}}, "stretching and then cutting is not known"),
        ({"size": None}, "KeyError 'size'"),
        ({"resample": 9}, "KeyError 9"),
    ],
)
def test_a_preparation_that_is_not_understood_is_refused(make: Callable[..., Path], changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        load_network(make(**changes), Task.IMAGE_CLASSIFICATION)
    assert caught.value.reason == "InvalidSource"


def test_a_folder_that_says_nothing_about_pictures_is_refused(make: Callable[..., Path]) -> None:
    folder = make()
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(ConfigError, match="nothing says how a picture is prepared"):
        load_network(folder, Task.IMAGE_CLASSIFICATION)


def test_a_model_of_texts_classifies_no_pictures(classifier_folder: Path) -> None:
    with pytest.raises(ConfigError, match="transformers cannot load"):
        load_network(classifier_folder, Task.IMAGE_CLASSIFICATION)
