"""A checkpoint as ONNX files with a key-value cache, by ONNX Runtime GenAI's own builder, which knows some thirty architectures.

torch's exporter could write the graph, but not one in which attention reads the cache in place and weights are in four bits. Must not: run
code of the model's own (the builder's `hf_remote` stays off), or reach a network.
"""

import contextlib
import io
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from llmos.errors import ConfigError, PermanentError

__all__ = ["GENERATION_PRECISIONS", "build_generator"]

GENERATION_PRECISIONS: Final[Mapping[str, str]] = {"Float32": "fp32", "Int4": "int4"}
"""Precision → the builder's name. Int4: weights of matrices in blocks of 32, each with a scale; activations are computed in Float32."""

CONFIG_FILE: Final = "genai_config.json"
_KEPT: Final = (".onnx", ".data", ".json", ".jinja", ".txt")


def build_generator(folder: Path, into: Path, *, precision: str, maximum_tokens: int) -> Path:
    """Write graph, configuration and tokenizer into a new folder.

    Args:
        folder: as transformers loads it.
        into: a folder that does not exist yet.
        precision: of `GENERATION_PRECISIONS`.
        maximum_tokens: prompt and answer together; the cache takes memory for as many.

    Raises: ConfigError (InvalidSpec) if the model has fewer positions; PermanentError (ExportFailed) if the builder does not know the
        architecture.
    """
    into.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=into.parent) as cache, _quiet_and_offline():
        # Imported here: the builder brings torch and transformers along.
        from onnxruntime_genai.models.builder import create_model, parse_extra_options

        where = ("", str(folder), str(into), GENERATION_PRECISIONS[precision], "cpu", cache)
        try:
            options = parse_extra_options(*where, ["hf_token=false", "hf_remote=false"])
            create_model(*where, **options)
        except Exception as error:
            # The builder raises whatever its passes meet; the last line says what.
            line = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise PermanentError(f"ONNX Runtime GenAI cannot build this architecture: {line:.300}", reason="ExportFailed") from error
    _set_length(into / CONFIG_FILE, maximum_tokens)
    for path in into.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.suffix not in _KEPT:
            path.unlink()
    return into


def _set_length(path: Path, maximum_tokens: int) -> None:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    positions = int(document["model"]["context_length"])
    if maximum_tokens > positions:
        raise ConfigError(
            f"spec.onnx.maximumTokens is {maximum_tokens}, and the model has {positions} positions; lower it", reason="InvalidSpec"
        )
    document["search"]["max_length"] = maximum_tokens
    path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")


@contextlib.contextmanager
def _quiet_and_offline() -> Iterator[None]:
    """Keep the builder's progress out of our log, and the Hub out of its reach."""
    logger = logging.getLogger("onnxruntime.quantization.matmul_nbits_quantizer")
    before, level = os.environ.get("HF_HUB_OFFLINE"), logger.level
    os.environ["HF_HUB_OFFLINE"] = "1"
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
        if before is None:
            del os.environ["HF_HUB_OFFLINE"]
        else:
            os.environ["HF_HUB_OFFLINE"] = before
