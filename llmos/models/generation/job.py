"""The part of the import Job that models which write token by token take: build each precision, measure it, refuse or push it.

Must not: fetch weights, or commit a version.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from llmos.artifacts import Payload, Registry
from llmos.models.config import ModelSpec, Task
from llmos.models.evaluation.prepare import EvaluationSet
from llmos.models.exports import Exports, push_export
from llmos.models.formats import tools_of
from llmos.models.generation.building import build_generator
from llmos.models.generation.judging import GenerationJudge, open_judge
from llmos.models.generation.original import Original
from llmos.models.precisions.rules import choose_precision
from llmos.models.serving_files import MADE_FROM, TASK, build_card, write_preprocessing
from llmos.workload import JobConfig, Reporter

__all__ = ["import_generator", "open_original"]

_log = logging.getLogger(__name__)

_TOOLS: Final = ("torch", "transformers", "onnxruntime-genai", "onnxruntime", "onnx")


def import_generator(
    config: JobConfig,
    spec: ModelSpec,
    registry: Registry,
    reporter: Reporter,
    *,
    folder: Path,
    weights: Payload,
    evaluated: EvaluationSet | None,
) -> Exports:
    """Build every precision, and push those that the gate lets through.

    Raises: as `open_original`, `open_judge` and `build_generator`; PermanentError (ExportDiffers, GateFailed, GateUndecided).
    """
    reporter.progress("Import", 0, "loading the weights, and what the original answers")
    original = open_original(folder, spec)
    judge = None
    if evaluated is not None:
        judge = open_judge(folder, spec, evaluated, scratch=config.scratch / "evaluation", on_progress=reporter.progress)
    payloads: list[Payload] = []
    measured: dict[str, dict[str, Any]] = {}
    for precision in spec.onnx.precisions:
        built = _build(config, spec, reporter, original, folder=folder, precision=precision)
        measured[precision] = dict(built.measurements)
        if judge:
            judged = judge.judge(precision, built.folder, built.measurements)
            measured[precision]["evaluation"] = judged.document
            if not judged.has_passed:
                _log.warning("%s is refused: %s", precision, judged.decision)
                continue
        card = build_card(title="A generator made by LLMOS", facts=_facts(original, spec, precision, weights), library="onnxruntime-genai")
        (built.folder / "README.md").write_text(card, encoding="utf-8")
        payloads.append(push_export(config, registry, reporter, built.folder, precision))
    measurements = {"parameters": original.num_parameters, **original.measurements, "onnx": measured}
    if judge:
        measurements |= _conclude(config, spec, registry, judge, original, measured=measured, payloads=payloads)
    else:
        chosen = choose_precision(measured)
        assert chosen is not None, "at least one precision was asked for"
        measurements |= {"precision": str(chosen.precision), "precisionReason": chosen.reason}
    message = f"{original.num_parameters:,} parameters imported; {original.summarise(measured)}"
    return Exports(payloads, measurements, message, (*_TOOLS, *tools_of(spec.format)))


@dataclass(frozen=True, slots=True)
class _Built:
    folder: Path
    measurements: Mapping[str, Any]


def _build(config: JobConfig, spec: ModelSpec, reporter: Reporter, original: Original, *, folder: Path, precision: str) -> _Built:
    """Make one precision and measure it beside the original; raises PermanentError (ExportFailed, ExportDiffers)."""
    reporter.progress("Export", 0, f"ONNX Runtime GenAI, {precision}")
    built = build_generator(folder, config.scratch / "onnx" / precision, precision=precision, maximum_tokens=spec.onnx.maximum_tokens)
    reporter.progress("Compare", 0, f"torch beside ONNX Runtime GenAI, {precision}")
    measured = original.measure(built, precision=precision)
    size_bytes = sum(file.stat().st_size for file in built.iterdir())
    write_preprocessing(built, original.describe(built))
    return _Built(built, {**measured, "sizeBytes": size_bytes})


def _conclude(
    config: JobConfig,
    spec: ModelSpec,
    registry: Registry,
    judge: GenerationJudge,
    original: Original,
    *,
    measured: Mapping[str, Mapping[str, Any]],
    payloads: Sequence[Payload],
) -> Mapping[str, Any]:
    """Return what the gate adds to the measurements; raises PermanentError where nothing passed."""
    judge.check()
    is_gated = spec.evaluation is not None and spec.evaluation.bounds_answers
    pushed = [payload.attributes["precision"] for payload in payloads]
    chosen = choose_precision(measured, passed=pushed if is_gated else None)
    assert chosen is not None, "an import ends before this where nothing passed"
    # At the top stands what the original expects of LLMOS's own text; of the set it stands in `evaluation`.
    taken = tuple(original.measurements)
    found = {name: value for name, value in judge.describe(chosen.precision).items() if not taken or not name.startswith(taken)}
    found["evaluation"]["report"] = judge.push_report(registry, config.target.repository)
    return {"precision": str(chosen.precision), "precisionReason": chosen.reason, **found}


def open_original(folder: Path, spec: ModelSpec) -> Original:
    """Load the model of a folder and keep its answers.

    Raises: ConfigError: InvalidSource if transformers cannot load it, TaskMismatch if its weights are for another task.
    """
    # Imported when needed: each brings libraries that the other has no use for.
    if spec.task is Task.SPEECH_RECOGNITION:
        from llmos.models.generation.speech import OriginalSpeech

        return OriginalSpeech(folder, spec)
    from llmos.models.generation.text import OriginalText

    return OriginalText(folder, spec)


def _facts(original: Original, spec: ModelSpec, precision: str, weights: Payload) -> Mapping[str, str]:
    return {
        TASK: str(spec.task),
        "Precision": precision,
        "Architecture": original.architecture,
        MADE_FROM: weights.digest,
        **({"Weights converted": f"from {spec.format.type}: {weights.attributes['changes']}"} if spec.format else {}),
        "Longest prompt and answer": f"{spec.onnx.maximum_tokens} tokens",
        "Runs on": "ONNX Runtime GenAI",
    }
