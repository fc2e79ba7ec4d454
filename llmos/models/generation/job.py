"""The part of the import Job that models which write token by token take: build each precision, measure it, refuse or push it.

Must not: fetch weights, or commit a version.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from llmos.artifacts import Payload, Registry
from llmos.models.config import ModelSpec, Task
from llmos.models.exports import Exports, push_export
from llmos.models.formats import tools_of
from llmos.models.generation.building import build_generator
from llmos.models.generation.original import Original
from llmos.models.serving_files import MADE_FROM, TASK, build_card, write_preprocessing
from llmos.workload import JobConfig, Reporter

__all__ = ["import_generator", "open_original"]

_TOOLS: Final = ("torch", "transformers", "onnxruntime-genai", "onnxruntime", "onnx")


def import_generator(
    config: JobConfig, spec: ModelSpec, registry: Registry, reporter: Reporter, *, folder: Path, weights: Payload
) -> Exports:
    """Build and push every precision.

    Raises: as `open_original` and `build_generator`; PermanentError (ExportDiffers).
    """
    reporter.progress("Import", 0, "loading the weights, and what the original answers")
    original = open_original(folder, spec)
    payloads: list[Payload] = []
    measured: dict[str, Mapping[str, Any]] = {}
    for precision in spec.onnx.precisions:
        reporter.progress("Export", 0, f"ONNX Runtime GenAI, {precision}")
        built = build_generator(folder, config.scratch / "onnx" / precision, precision=precision, maximum_tokens=spec.onnx.maximum_tokens)
        reporter.progress("Compare", 0, f"torch beside ONNX Runtime GenAI, {precision}")
        measured[precision] = {
            **original.measure(built, precision=precision),
            "sizeBytes": sum(file.stat().st_size for file in built.iterdir()),
        }
        write_preprocessing(built, original.describe(built))
        card = build_card(title="A generator made by LLMOS", facts=_facts(original, spec, precision, weights), library="onnxruntime-genai")
        (built / "README.md").write_text(card, encoding="utf-8")
        payloads.append(push_export(config, registry, reporter, built, precision))
    measurements = {"parameters": original.num_parameters, **original.measurements, "onnx": measured}
    message = f"{original.num_parameters:,} parameters imported; {original.summarise(measured)}"
    return Exports(payloads, measurements, message, (*_TOOLS, *tools_of(spec.format)))


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
