import json
import shutil
from pathlib import Path

import pytest

from llmos.artifacts import MODEL_DOC, MODEL_WEIGHT, MODEL_WEIGHT_CONFIG, digest_file
from llmos.errors import ConfigError
from llmos.models import copy_model_folder, folder_layers


@pytest.fixture
def source(encoder_folder: Path, tmp_path: Path) -> Path:
    folder = shutil.copytree(encoder_folder, tmp_path / "source")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text("{}")
    (folder / "LICENSE").write_text("Apache-2.0")
    for name in ("code.py", ".gitattributes", "old.h5", "model.onnx"):
        (folder / name).write_bytes(b"x")
    (folder / "link.json").symlink_to("/etc/passwd")
    return folder


def test_only_what_makes_up_a_model_is_taken_and_byte_for_byte(source: Path, tmp_path: Path) -> None:
    taken = copy_model_folder(source, tmp_path / "taken")
    names = {path.relative_to(taken).as_posix() for path in taken.rglob("*") if path.is_file()}
    assert names == {"1_Pooling/config.json", "LICENSE", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert digest_file(taken / "model.safetensors") == digest_file(source / "model.safetensors")


def test_layers_have_the_media_types_of_modelpack(source: Path, tmp_path: Path) -> None:
    layers = {layer.path: layer.media_type for layer in folder_layers(copy_model_folder(source, tmp_path / "taken"))}
    assert layers["model.safetensors"] == MODEL_WEIGHT
    assert layers["1_Pooling/config.json"] == MODEL_WEIGHT_CONFIG
    assert layers["LICENSE"] == MODEL_DOC


def test_a_folder_with_anything_else_is_not_pushed(source: Path) -> None:
    with pytest.raises(ValueError, match=r"\.gitattributes is no file of a model"):
        folder_layers(source)


def test_a_model_that_is_only_a_pickle_is_refused(source: Path, tmp_path: Path) -> None:
    (source / "model.safetensors").rename(source / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"no \*\.safetensors: old\.h5 is not taken, only safetensors are") as caught:
        copy_model_folder(source, tmp_path / "taken")
    assert caught.value.reason == "InvalidSource"


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data + b"x", lambda data: b"\xff" * 8 + data, lambda _: b""])
def test_weights_that_are_not_whole_are_refused(source: Path, tmp_path: Path, damage: object) -> None:
    path = source / "model.safetensors"
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(ConfigError, match=r"model\.safetensors is not a whole safetensors file"):
        copy_model_folder(source, tmp_path / "taken")


def test_a_folder_without_a_model_is_refused_by_what_is_missing(source: Path, tmp_path: Path) -> None:
    (source / "config.json").write_text(json.dumps({"hidden_size": 3}))
    with pytest.raises(ConfigError, match="names no model_type"):
        copy_model_folder(source, tmp_path / "taken")
    (source / "config.json").unlink()
    with pytest.raises(ConfigError, match=r"has no config\.json; `path` must name the folder"):
        copy_model_folder(source, tmp_path / "taken")
