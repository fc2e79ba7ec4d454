"""CTranslate2: Whisper as faster-whisper reads it. A file of named tensors, which become those of transformers one by one.

    D width, F width of the feed-forward layers, V vocabulary, M mel bins, P positions.

Must not: take anything but Whisper in floating point; an int8 file has lost what it had.
"""

import json
import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import GenerationConfig, PreTrainedTokenizerFast, WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

from llmos.errors import ConfigError
from llmos.models.config import FormatSpec
from llmos.models.formats.safety import choose_file

__all__ = ["convert_ctranslate2", "read_tensors"]

_TYPES: Final = (np.float32, np.int8, np.int16, np.int32, np.float16)
_MAX_TENSORS: Final = 100_000
_MAX_DIMS: Final = 8
_MULTILINGUAL_TOKENS: Final = 51_865

START: Final = "<|startoftranscript|>"
END: Final = "<|endoftext|>"

Tensors = Mapping[str, NDArray[Any]]


def convert_ctranslate2(source: Path, into: Path, spec: FormatSpec) -> str:
    """Write the folder of a Whisper model, in float32, and return what was changed.

    Raises: ConfigError (InvalidSource) if the file is damaged, of another model, or quantized.
    """
    path = choose_file(source, spec.file, (".bin",), format_name="CTranslate2")
    tensors = read_tensors(path)
    weights = {name: array for name, array in tensors.items() if array.ndim > 0 and name != "decoder/alignment_heads"}
    if integers := sorted(name for name, array in weights.items() if array.dtype.kind != "f"):
        raise ConfigError(
            f"{path.name} is quantized ({integers[0]} is {weights[integers[0]].dtype}); take a float16 one", reason="InvalidSource"
        )
    tokenizer = _read_tokenizer(source)
    try:
        config = _config(tensors, tokenizer)
        state = {name: torch.from_numpy(array.astype(np.float32)) for name, array in _rename(weights, config)}
    except KeyError as error:
        raise ConfigError(f"{path.name} is no Whisper model: it has no tensor {error.args[0]}", reason="InvalidSource") from error
    with torch.device("meta"):
        model = WhisperForConditionalGeneration(config)
    try:
        model.load_state_dict(state, strict=True, assign=True)
    except RuntimeError as error:
        raise ConfigError(f"{path.name} does not fit Whisper: {' '.join(str(error).split()):.300}", reason="InvalidSource") from error
    model.tie_weights()
    model.generation_config = _generation(source, config)
    model.save_pretrained(into)
    WhisperFeatureExtractor(feature_size=config.num_mel_bins).save_pretrained(into)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=END, eos_token=END, pad_token=END, unk_token=END).save_pretrained(into)
    dtypes = sorted({str(array.dtype) for array in weights.values()})
    renamed = f"{len(weights)} tensors of {path.name} renamed to those of WhisperForConditionalGeneration, all matched"
    return f"{renamed}; {', '.join(dtypes)} to float32"


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Read the named tensors of a `model.bin` of version 6.

    Raises: ConfigError (InvalidSource) if it is cut, or no such file.
    """
    try:
        with path.open("rb") as stream:
            version, specification = _number(stream, "I"), _text(stream)
            if version != 6 or specification != "WhisperSpec":
                raise ValueError(f"it is a {specification!r:.40} of version {version}, and only WhisperSpec of version 6 is taken")
            _number(stream, "I")
            count = _number(stream, "I")
            if count > _MAX_TENSORS:
                raise ValueError(f"it claims {count} tensors")
            return dict(_tensor(stream) for _ in range(count))
    except (OSError, ValueError, struct.error, IndexError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} is no whole CTranslate2 file: {error}", reason="InvalidSource") from error


def _tensor(stream: BinaryIO) -> tuple[str, NDArray[Any]]:
    name, num_dims = _text(stream), _number(stream, "B")
    if num_dims > _MAX_DIMS:
        raise ValueError(f"{name} has {num_dims} dimensions")
    shape = [_number(stream, "I") for _ in range(num_dims)]
    data_type = np.dtype(_TYPES[_number(stream, "B")])
    size = _number(stream, "I")
    if size != data_type.itemsize * int(np.prod(shape, dtype=np.int64)):
        raise ValueError(f"{name} has {size} bytes, which is not its shape {shape}")
    data = stream.read(size)
    if len(data) != size:
        raise ValueError(f"it ends within {name}")
    return name, np.frombuffer(data, data_type).reshape(shape)


def _number(stream: BinaryIO, code: str) -> int:
    return int(struct.unpack(f"<{code}", stream.read(struct.calcsize(f"<{code}")))[0])


def _text(stream: BinaryIO) -> str:
    return stream.read(_number(stream, "H")).removesuffix(b"\0").decode()


def _config(tensors: Tensors, tokenizer: Tokenizer) -> WhisperConfig:
    vocabulary, width = tensors["decoder/embeddings/weight"].shape
    end = _token(tokenizer, END)
    return WhisperConfig(
        vocab_size=vocabulary,
        num_mel_bins=tensors["encoder/conv1/weight"].shape[1],
        d_model=width,
        encoder_layers=_count_layers(tensors, "encoder"),
        decoder_layers=_count_layers(tensors, "decoder"),
        encoder_attention_heads=int(tensors["encoder/num_heads"]),
        decoder_attention_heads=int(tensors["decoder/num_heads"]),
        encoder_ffn_dim=tensors["encoder/layer_0/ffn/linear_0/weight"].shape[0],
        decoder_ffn_dim=tensors["decoder/layer_0/ffn/linear_0/weight"].shape[0],
        max_source_positions=tensors["encoder/position_encodings/encodings"].shape[0],
        max_target_positions=tensors["decoder/position_encodings/encodings"].shape[0],
        decoder_start_token_id=_token(tokenizer, START),
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
    )


def _count_layers(tensors: Tensors, side: str) -> int:
    return len({found[1] for name in tensors if (found := re.match(rf"{side}/layer_(\d+)/", name))})


def _rename(tensors: Tensors, config: WhisperConfig) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield transformers' name and the array of every weight; KeyError for one that is missing."""
    for number in (1, 2):
        yield from _linear(f"model.encoder.conv{number}", tensors, f"encoder/conv{number}")
    for side, num_layers in (("encoder", config.encoder_layers), ("decoder", config.decoder_layers)):
        yield from _norm(f"model.{side}.layer_norm", tensors, f"{side}/layer_norm")
        yield f"model.{side}.embed_positions.weight", tensors[f"{side}/position_encodings/encodings"]
        for layer in range(num_layers):
            yield from _layer(
                f"model.{side}.layers.{layer}", tensors, f"{side}/layer_{layer}", config.d_model, is_decoder=side == "decoder"
            )
    yield "model.decoder.embed_tokens.weight", tensors["decoder/embeddings/weight"]
    # One matrix, used twice: for what goes in and for what comes out.
    yield "proj_out.weight", tensors["decoder/embeddings/weight"]


def _layer(ours: str, tensors: Tensors, theirs: str, width: int, *, is_decoder: bool) -> Iterator[tuple[str, NDArray[Any]]]:
    attention = f"{theirs}/self_attention"
    # Their queries, keys and values are one matrix; keys have no bias.
    for index, (name, has_bias) in enumerate((("q_proj", True), ("k_proj", False), ("v_proj", True))):
        rows = slice(index * width, (index + 1) * width)
        yield from _linear(f"{ours}.self_attn.{name}", tensors, f"{attention}/linear_0", rows, has_bias=has_bias)
    yield from _linear(f"{ours}.self_attn.out_proj", tensors, f"{attention}/linear_1")
    yield from _norm(f"{ours}.self_attn_layer_norm", tensors, f"{attention}/layer_norm")
    if is_decoder:
        attention = f"{theirs}/attention"
        yield from _linear(f"{ours}.encoder_attn.q_proj", tensors, f"{attention}/linear_0")
        yield from _linear(f"{ours}.encoder_attn.k_proj", tensors, f"{attention}/linear_1", slice(0, width), has_bias=False)
        yield from _linear(f"{ours}.encoder_attn.v_proj", tensors, f"{attention}/linear_1", slice(width, 2 * width))
        yield from _linear(f"{ours}.encoder_attn.out_proj", tensors, f"{attention}/linear_2")
        yield from _norm(f"{ours}.encoder_attn_layer_norm", tensors, f"{attention}/layer_norm")
    for number in (1, 2):
        yield from _linear(f"{ours}.fc{number}", tensors, f"{theirs}/ffn/linear_{number - 1}")
    yield from _norm(f"{ours}.final_layer_norm", tensors, f"{theirs}/ffn/layer_norm")


def _linear(
    ours: str, tensors: Tensors, theirs: str, rows: slice = slice(None), *, has_bias: bool = True
) -> Iterator[tuple[str, NDArray[Any]]]:
    yield f"{ours}.weight", tensors[f"{theirs}/weight"][rows]
    if has_bias:
        yield f"{ours}.bias", tensors[f"{theirs}/bias"][rows]


def _norm(ours: str, tensors: Tensors, theirs: str) -> Iterator[tuple[str, NDArray[Any]]]:
    yield f"{ours}.weight", tensors[f"{theirs}/gamma"]
    yield f"{ours}.bias", tensors[f"{theirs}/beta"]


def _generation(source: Path, config: WhisperConfig) -> GenerationConfig:
    """Return what the converter kept of Whisper's own rules for decoding: tokens that are never said."""
    path = source / "config.json"
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return GenerationConfig(
        decoder_start_token_id=config.decoder_start_token_id,
        bos_token_id=config.bos_token_id,
        eos_token_id=config.eos_token_id,
        pad_token_id=config.pad_token_id,
        suppress_tokens=kept.get("suppress_ids"),
        begin_suppress_tokens=kept.get("suppress_ids_begin"),
        max_length=config.max_target_positions,
        # The English models have one token less than the smallest that knows languages.
        is_multilingual=config.vocab_size >= _MULTILINGUAL_TOKENS,
    )


def _read_tokenizer(source: Path) -> Tokenizer:
    path = source / "tokenizer.json"
    try:
        return Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as error:  # the library raises nothing more precise
        raise ConfigError(
            f"{source.name} has no usable tokenizer.json, which turns tokens into text: {error}", reason="InvalidSource"
        ) from error


def _token(tokenizer: Tokenizer, name: str) -> int:
    found = tokenizer.token_to_id(name)
    if found is None:
        raise ConfigError(f"tokenizer.json has no token {name}; it is not Whisper's", reason="InvalidSource")
    return int(found)
