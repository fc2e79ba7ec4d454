"""One precision of a model: export, compare, measure, and lay out the files that a server needs.

This is where a bad export is refused, with the number and the bound it broke. Must not: talk to a registry.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from pathlib import Path
from typing import Any, Final

from llmos.errors import PermanentError
from llmos.models.config import OnnxSpec
from llmos.models.labels import Label
from llmos.models.network import TextNetwork
from llmos.models.onnx_compare import choose_shapes, compare, measure_invariance, measure_latency, open_session
from llmos.models.onnx_export import export_onnx
from llmos.models.serving_files import build_card, build_preprocessing, build_triton_config, write_serving_files

__all__ = ["BuiltOnnx", "build_onnx"]

_LATENCY_TOKENS: Final = 32
"""About a long sentence; shorter where the model takes less."""

Progress = Callable[[str, int, str], None]
"""Called with the phase, its percent, and a message."""


@dataclass(frozen=True, slots=True)
class BuiltOnnx:
    """An export that passed."""

    folder: Path
    measurements: Mapping[str, Any]
    """As in the contract: decimals as text."""


def build_onnx(
    network: TextNetwork,
    folder: Path,
    *,
    spec: OnnxSpec,
    labels: Sequence[Label],
    facts: Mapping[str, str],
    on_progress: Progress = lambda _phase, _percent, _message: None,
) -> BuiltOnnx:
    """Make the files of one Float32 export in a new folder.

    Args:
        spec: bounds; only its `precisions` are not read here.
        labels: in the order of the output; none for FeatureExtraction.
        facts: rows of the model card.

    Raises: PermanentError (ExportDiffers) if the export is further from torch than the spec allows; otherwise as `export_onnx`.
    """
    folder.mkdir(parents=True)
    on_progress("Export", 0, "torch to ONNX")
    path = export_onnx(network, folder / "model.onnx", maximum_tokens=spec.maximum_tokens)
    on_progress("Compare", 0, "torch beside ONNX Runtime")
    session = open_session(path)
    bound = float(spec.maximum_difference)
    comparison = compare(network, session, choose_shapes(spec.maximum_tokens))
    if not comparison.is_within(bound):
        raise PermanentError(
            f"the Float32 export differs from torch by {_text(comparison.maximum)}, and spec.onnx.maximumDifference allows "
            f"{spec.maximum_difference}; raise it only if answers that far apart are the same to you",
            reason="ExportDiffers",
        )
    on_progress("Compare", 50, "batches, padding and time")
    batch_difference, padding_difference = measure_invariance(network, session, maximum_tokens=spec.maximum_tokens)
    tokens = min(_LATENCY_TOKENS, spec.maximum_tokens)
    measurements = {
        "maximumDifference": _text(comparison.maximum),
        "differences": {f"{batch}x{length}": _text(value) for (batch, length), value in comparison.differences.items()},
        "batchDifference": _text(batch_difference),
        "paddingDifference": _text(padding_difference),
        "latencyTokens": tokens,
        "p50MillisecondsBatch1": f"{measure_latency(network, session, batch=1, tokens=tokens):.2f}",
        "p50MillisecondsBatch8": f"{measure_latency(network, session, batch=8, tokens=tokens):.2f}",
        "sizeBytes": sum(file.stat().st_size for file in folder.iterdir()),
    }
    # An answer that moves with its neighbours would not be an answer: such an export is served one request at a time.
    _write_files(network, folder, spec=spec, labels=labels, facts=facts, is_batched=batch_difference <= bound)
    return BuiltOnnx(folder, measurements)


def _write_files(
    network: TextNetwork, folder: Path, *, spec: OnnxSpec, labels: Sequence[Label], facts: Mapping[str, str], is_batched: bool
) -> None:
    names = {"input_names": network.input_names, "output_name": network.output_name}
    write_serving_files(
        folder,
        config_pbtxt=build_triton_config(**names, output_size=network.output_size, is_batched=is_batched),  # type: ignore[arg-type]
        preprocessing=build_preprocessing(
            **names,  # type: ignore[arg-type]
            pad_id=network.pad_id,
            pooling=network.pooling,
            maximum_tokens=spec.maximum_tokens,
        ),
        tokenizer_json=_tokenizer_json(network.tokenizer, spec.maximum_tokens),
        labels=labels,
        card=build_card(title="An ONNX export made by LLMOS", facts=facts),
    )


def _tokenizer_json(tokenizer: Any, maximum_tokens: int) -> str:
    """Return the tokenizer as it must be used here: cut at our length, and no padding (publishers leave theirs inside)."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise PermanentError(
            "the tokenizer has no tokenizer.json form, which serving needs; choose a model with one", reason="InvalidSource"
        )
    document = json.loads(backend.to_str())
    document["truncation"] = {"direction": "Right", "max_length": maximum_tokens, "strategy": "LongestFirst", "stride": 0}
    document["padding"] = None
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _text(value: float) -> str:
    """Write a measured bound with two significant digits, without an exponent and never below the value itself."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    exact = Decimal(value)
    return format(exact.quantize(Decimal(1).scaleb(exact.adjusted() - 1), rounding=ROUND_UP), "f")
