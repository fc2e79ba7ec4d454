"""The part of the import Job that models which generate take: load, build each precision, measure it, refuse or push it.

Must not: fetch weights, or commit a version.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmos.artifacts import MODEL_ARTIFACT, MODEL_CONFIG, Payload, Registry
from llmos.errors import PermanentError
from llmos.models.config import ModelSpec, OnnxSpec
from llmos.models.decimal_text import bound_text
from llmos.models.folder import build_model_config, folder_layers
from llmos.models.generation.building import build_generator
from llmos.models.generation.loading import load_generator
from llmos.models.generation.measuring import Reference, compare_logits, measure_speed, run_reference
from llmos.models.generation.prompts import choose_prompt
from llmos.models.generation.runner import GenerationRunner
from llmos.models.serving_files import MADE_FROM, TASK, build_card, write_preprocessing
from llmos.workload import JobConfig, Reporter

__all__ = ["import_generator", "measure_generator"]


def import_generator(
    config: JobConfig, spec: ModelSpec, registry: Registry, reporter: Reporter, *, folder: Path, weights: Payload
) -> tuple[list[Payload], Mapping[str, Any], str]:
    """Build and push every precision.

    Returns: the payloads of role `onnx`, measurements as in the contract, and one line for people.
    Raises: as `load_generator` and `build_generator`; PermanentError (ExportDiffers).
    """
    reporter.progress("Import", 0, "loading the weights")
    model, tokenizer = load_generator(folder, spec.task)
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    architecture = type(model).__name__
    reporter.progress("Import", 50, "what the original answers")
    reference = run_reference(model, tokenizer, maximum_tokens=spec.onnx.maximum_tokens)
    del model  # the builder needs the memory
    facts = {
        TASK: str(spec.task),
        "Architecture": architecture,
        MADE_FROM: weights.digest,
        **({"Weights converted": f"from {spec.format.type}: {weights.attributes['changes']}"} if spec.format else {}),
        "Longest prompt and answer": f"{spec.onnx.maximum_tokens} tokens",
        "Runs on": "ONNX Runtime GenAI",
    }
    payloads, measured = [], {}
    for precision in spec.onnx.precisions:
        reporter.progress("Export", 0, f"ONNX Runtime GenAI, {precision}")
        built = build_generator(folder, config.scratch / "onnx" / precision, precision=precision, maximum_tokens=spec.onnx.maximum_tokens)
        reporter.progress("Compare", 0, f"torch beside ONNX Runtime GenAI, {precision}")
        measured[precision] = measure_generator(built, reference, tokenizer, precision=precision, spec=spec.onnx)
        prompt = choose_prompt(spec.task, has_chat_template=bool(tokenizer.chat_template))
        _write_files(built, spec, prompt=prompt.to_document(), facts={**facts, "Precision": precision})
        reporter.progress("Push", 50, f"ONNX {precision}")
        pushed = registry.push_payload(
            config.target.repository,
            folder_layers(built),
            artifact_type=MODEL_ARTIFACT,
            config_type=MODEL_CONFIG,
            config=build_model_config("onnx", precision=precision),
        )
        payloads.append(pushed.payload("onnx", precision=precision))
    bits = ", ".join(f"{precision} {values['bitsPerByte']}" for precision, values in measured.items())
    measurements = {"parameters": num_parameters, "bitsPerByte": f"{reference.bits_per_byte:.4f}", "onnx": measured}
    return payloads, measurements, f"{num_parameters:,} parameters imported; bits per byte {measurements['bitsPerByte']}, as ONNX {bits}"


def measure_generator(built: Path, reference: Reference, tokenizer: Any, *, precision: str, spec: OnnxSpec) -> Mapping[str, Any]:
    """Measure one precision against the original, and refuse what is broken.

    Float32 must give the original's logits within the spec's bound. Int4 rounds weights, and how far its logits move says little; whether
    it still expects text is what `bitsPerByte` says.

    Raises: PermanentError (ExportDiffers) with the number and its bound.
    """
    runner = GenerationRunner(built)
    text = tokenizer.decode(reference.held_out)
    if runner.encode(text)[1:-1] != list(tokenizer(text, add_special_tokens=False).input_ids)[1:-1]:
        raise PermanentError(
            "ONNX Runtime GenAI cuts a text into other tokens than the tokenizer of the weights; such a model would be asked other "
            "questions than it was measured with",
            reason="ExportDiffers",
        )
    compared = compare_logits(reference, runner, tokenizer)
    difference, bits = compared["maximumDifference"], compared["bitsPerByte"]
    if not math.isfinite(bits) or (precision == "Float32" and not difference <= float(spec.maximum_difference)):
        raise PermanentError(
            f"the {precision} export differs from torch by {bound_text(difference)} (bits per byte {bits:.4f}, and "
            f"{reference.bits_per_byte:.4f} in torch), and spec.onnx.maximumDifference allows {spec.maximum_difference}",
            reason="ExportDiffers",
        )
    speed = measure_speed(runner, reference)
    return {
        "maximumDifference": bound_text(difference),
        "differences": {shape: bound_text(value) for shape, value in compared["differences"].items()},
        "topTokenAgreement": f"{compared['topTokenAgreement']:.4f}",
        "bitsPerByte": f"{bits:.4f}",
        "tokensPerSecond": f"{speed['tokensPerSecond']:.1f}",
        "firstTokenMilliseconds": f"{speed['firstTokenMilliseconds']:.1f}",
        "sizeBytes": sum(file.stat().st_size for file in built.iterdir()),
    }


def _write_files(built: Path, spec: ModelSpec, *, prompt: Mapping[str, Any], facts: Mapping[str, str]) -> None:
    runtime = json.loads((built / "genai_config.json").read_text(encoding="utf-8"))
    document = {
        "task": str(spec.task),
        "runtime": "onnxruntime-genai",
        "type": runtime["model"]["type"],
        "maximumTokens": spec.onnx.maximum_tokens,
        "prompt": prompt,
    }
    write_preprocessing(built, document)
    card = build_card(title="A generator made by LLMOS", facts=facts, library="onnx")
    (built / "README.md").write_text(card, encoding="utf-8")
