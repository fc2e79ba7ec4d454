"""One precision of a model: built, compared, measured, and laid out with the files that a server needs.

This is where a bad export is refused, with the number and the bound it broke. Must not: talk to a registry.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from llmos.errors import PermanentError
from llmos.models.config import OnnxSpec, Precision
from llmos.models.decimal_text import bound_text
from llmos.models.labels import Label
from llmos.models.measure.comparison import Comparison, compare
from llmos.models.measure.invariance import Invariance, measure_invariance
from llmos.models.measure.latency import measure_latency
from llmos.models.measure.memory import measure_memory
from llmos.models.measure.processor import cpu_features
from llmos.models.measure.session import open_session
from llmos.models.network import Network
from llmos.models.precisions import build_precision
from llmos.models.precisions.rules import Batching, decide_batching, difference_bound
from llmos.models.serving_files import build_card, build_triton_config, write_serving_files
from llmos.models.tensors import Inputs

__all__ = ["BuiltOnnx", "build_onnx"]

_LATENCY_TOKENS: Final = 32
"""About a long sentence; shorter where the model takes less."""

_BATCH: Final = 8

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
    precision: Precision | str,
    spec: OnnxSpec,
    labels: Sequence[Label],
    facts: Mapping[str, str],
    calibration: Iterable[Inputs] | None = None,
    on_progress: Progress = lambda _phase, _percent, _message: None,
) -> BuiltOnnx:
    """Make the files of one precision in a new folder.

    Args:
        exported: the Float32 graph, of `export_onnx`; it is read and stays.
        spec: bounds; its `precisions` are not read here.
        labels: in the order of the output; none where the task has none.
        facts: rows of the model card.
        calibration: real inputs, for the precisions that need some.

    Raises: PermanentError: InvalidSource if the model itself answers with numbers that are none, ExportDiffers if the export is further
        from torch than allowed, PrecisionUnsupported if it cannot be run here; otherwise as `build_precision`.
    """
    precision = Precision(precision)
    folder.mkdir(parents=True)
    path = build_precision(precision, exported, folder / "model.onnx", network=network, calibration=calibration)
    on_progress("Compare", 0, f"torch beside ONNX Runtime, {precision}")
    session = _open(path, precision)
    comparison = compare(network, session, network.choose_shapes(spec.maximum_tokens))
    _check_difference(precision, comparison, spec)
    on_progress("Compare", 50, f"batches, padding, time and memory, {precision}")
    invariance = measure_invariance(network, session, maximum_tokens=spec.maximum_tokens)
    batching = decide_batching(
        difference=invariance.batch.difference, flips=invariance.batch.flips, maximum_difference=spec.maximum_difference
    )
    measurements = {
        **_describe_answers(comparison, invariance, batching),
        **_measure_cost(network, session, path, tokens=min(_LATENCY_TOKENS, spec.maximum_tokens)),
        "sizeBytes": sum(file.stat().st_size for file in folder.iterdir()),
    }
    write_serving_files(
        folder,
        config_pbtxt=build_triton_config(inputs=network.inputs, outputs=network.outputs, is_batched=batching.is_joined),
        labels=labels,
        card=build_card(title="An ONNX export made by LLMOS", facts={**facts, "Batching": batching.reason}, library="onnx"),
    )
    network.write_assets(folder, maximum_length=spec.maximum_tokens)
    return BuiltOnnx(folder, measurements)


def _open(path: Path, precision: Precision) -> Any:
    try:
        return open_session(path)
    except PermanentError as error:
        raise PermanentError(
            f"{precision} was made and tried: {error}; remove it from spec.onnx.precisions", reason=error.reason
        ) from error


def _check_difference(precision: Precision, comparison: Comparison, spec: OnnxSpec) -> None:
    if not math.isfinite(comparison.largest):
        raise PermanentError(
            "the model itself, run by torch, answers with numbers that are none (NaN or infinite); its weights are damaged: train or fetch "
            "it again",
            reason="InvalidSource",
        )
    bound = difference_bound(precision, maximum_difference=spec.maximum_difference, largest=comparison.largest)
    if comparison.is_within(bound):
        return
    if not math.isfinite(comparison.maximum):
        raise PermanentError(
            f"the {precision} export answers with numbers that are none, or with tensors of another shape, where torch's answers are "
            "finite; remove it from spec.onnx.precisions",
            reason="ExportDiffers",
        )
    allowed = (
        f"spec.onnx.maximumDifference allows {spec.maximum_difference}"
        if bound == float(spec.maximum_difference)
        else f"for {precision} {bound_text(bound)} is allowed beside outputs of up to {bound_text(comparison.largest)}"
    )
    raise PermanentError(
        f"the {precision} export differs from torch by {bound_text(comparison.maximum)}, and {allowed}; "
        "raise it only if answers that far apart are the same to you",
        reason="ExportDiffers",
    )


def _describe_answers(comparison: Comparison, invariance: Invariance, batching: Batching) -> dict[str, Any]:
    """Return what was measured of the answers, in the contract's names."""
    found: dict[str, Any] = {
        "maximumDifference": bound_text(comparison.maximum),
        "differences": {f"{batch}x{length}": bound_text(value) for (batch, length), value in comparison.differences.items()},
        "batching": "Joined" if batching.is_joined else "Alone",
        "batchingReason": batching.reason,
    }
    for name, dependence in (("batch", invariance.batch), ("padding", invariance.padding)):
        if dependence is not None:
            found[f"{name}Difference"] = bound_text(dependence.difference)
            found |= {f"{name}FlipsPercent": bound_text(100 * dependence.flips)} if dependence.flips is not None else {}
    return found


def _measure_cost(network: Network, session: Any, path: Path, *, tokens: int) -> dict[str, Any]:
    """Return time and memory here, and what here is."""
    found: dict[str, Any] = {"latencyTokens": tokens}
    for batch in (1, _BATCH):
        latency = measure_latency(network, session, batch=batch, tokens=tokens)
        found |= {f"p50MillisecondsBatch{batch}": f"{latency.p50:.2f}", f"p95MillisecondsBatch{batch}": f"{latency.p95:.2f}"}
    inputs = network.make_inputs((_BATCH, tokens), np.random.default_rng(0), full=True)
    return {**found, "peakMemoryBytes": measure_memory(path, inputs), "cpuFeatures": list(cpu_features())}
