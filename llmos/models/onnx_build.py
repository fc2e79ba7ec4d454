"""One precision of a model: export, compare, measure, and lay out the files that a server needs.

This is where a bad export is refused, with the number and the bound it broke. Must not: talk to a registry.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from llmos.errors import PermanentError
from llmos.models.config import OnnxSpec
from llmos.models.decimal_text import bound_text
from llmos.models.labels import Label
from llmos.models.network import Network
from llmos.models.onnx_compare import compare, measure_invariance, measure_latency, open_session
from llmos.models.precisions import build_precision
from llmos.models.serving_files import build_card, build_triton_config, write_serving_files

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
    network: Network,
    exported: Path,
    folder: Path,
    *,
    precision: str,
    spec: OnnxSpec,
    labels: Sequence[Label],
    facts: Mapping[str, str],
    on_progress: Progress = lambda _phase, _percent, _message: None,
) -> BuiltOnnx:
    """Make the files of one precision in a new folder.

    Args:
        exported: the Float32 graph, of `export_onnx`; it is read and stays.
        spec: bounds; its `precisions` are not read here.
        labels: in the order of the output; none where the task has none.
        facts: rows of the model card.

    Raises: PermanentError (ExportDiffers) if the export is further from torch than the spec allows; otherwise as `build_precision`.
    """
    folder.mkdir(parents=True)
    path = build_precision(precision, exported, folder / "model.onnx", network=network)
    on_progress("Compare", 0, f"torch beside ONNX Runtime, {precision}")
    session = open_session(path)
    bound = float(spec.maximum_difference)
    comparison = compare(network, session, network.choose_shapes(spec.maximum_tokens))
    if not comparison.is_within(bound):
        raise PermanentError(
            f"the {precision} export differs from torch by {bound_text(comparison.maximum)}, and spec.onnx.maximumDifference allows "
            f"{spec.maximum_difference}; raise it only if answers that far apart are the same to you",
            reason="ExportDiffers",
        )
    on_progress("Compare", 50, "batches, padding and time")
    batch_difference, padding_difference = measure_invariance(network, session, maximum_tokens=spec.maximum_tokens)
    tokens = min(_LATENCY_TOKENS, spec.maximum_tokens)
    measurements = {
        "maximumDifference": bound_text(comparison.maximum),
        "differences": {f"{batch}x{length}": bound_text(value) for (batch, length), value in comparison.differences.items()},
        "batchDifference": bound_text(batch_difference),
        "paddingDifference": bound_text(padding_difference),
        "latencyTokens": tokens,
        "p50MillisecondsBatch1": f"{measure_latency(network, session, batch=1, tokens=tokens):.2f}",
        "p50MillisecondsBatch8": f"{measure_latency(network, session, batch=8, tokens=tokens):.2f}",
        "sizeBytes": sum(file.stat().st_size for file in folder.iterdir()),
    }
    # An answer that moves with its neighbours would not be an answer: such an export is served one request at a time.
    is_batched = batch_difference <= bound
    write_serving_files(
        folder,
        config_pbtxt=build_triton_config(inputs=network.inputs, outputs=network.outputs, is_batched=is_batched),
        labels=labels,
        card=build_card(title="An ONNX export made by LLMOS", facts=facts),
    )
    network.write_assets(folder, maximum_length=spec.maximum_tokens)
    return BuiltOnnx(folder, measurements)
