"""Text that goes on from text: a causal language model beside what was built from it."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmos.errors import PermanentError
from llmos.models.config import ModelSpec
from llmos.models.decimal_text import bound_text
from llmos.models.generation.loading import load_generator
from llmos.models.generation.measuring import compare_logits, measure_speed, run_reference
from llmos.models.generation.original import Original
from llmos.models.generation.prompts import choose_prompt
from llmos.models.generation.runner import GenerationRunner

__all__ = ["OriginalText"]


class OriginalText(Original):
    """What a causal language model expects of the held-out text."""

    def __init__(self, folder: Path, spec: ModelSpec) -> None:
        super().__init__(folder, spec)
        model, self.tokenizer = load_generator(folder, spec.task)
        self.num_parameters = sum(parameter.numel() for parameter in model.parameters())
        self.architecture = type(model).__name__
        reference = run_reference(model, self.tokenizer, maximum_tokens=spec.onnx.maximum_tokens)
        if not math.isfinite(reference.bits_per_byte):
            raise PermanentError(
                "the model itself, run by torch, answers with numbers that are none (NaN or infinite); its weights are damaged: train or "
                "fetch it again",
                reason="InvalidSource",
            )
        self.reference = reference

    @property
    def measurements(self) -> Mapping[str, Any]:
        """Its bits per byte."""
        return {"bitsPerByte": f"{self.reference.bits_per_byte:.4f}"}

    def measure(self, built: Path, *, precision: str) -> Mapping[str, Any]:
        """Float32 must give the original's logits within the spec's bound.

        Int4 rounds weights, and how far its logits move says little; whether it still expects text is what `bitsPerByte` says.
        """
        runner = GenerationRunner(built)
        self._check_tokens(runner)
        compared = compare_logits(self.reference, runner, self.tokenizer)
        difference, bits, bound = compared["maximumDifference"], compared["bitsPerByte"], self.spec.onnx.maximum_difference
        if not math.isfinite(bits) or (precision == "Float32" and not difference <= float(bound)):
            raise PermanentError(
                f"the {precision} export differs from torch by {bound_text(difference)} (bits per byte {bits:.4f}, and "
                f"{self.reference.bits_per_byte:.4f} in torch), and spec.onnx.maximumDifference allows {bound}",
                reason="ExportDiffers",
            )
        speed = measure_speed(runner, self.reference)
        return {
            "maximumDifference": bound_text(difference),
            "differences": {shape: bound_text(value) for shape, value in compared["differences"].items()},
            "topTokenAgreement": f"{compared['topTokenAgreement']:.4f}",
            "bitsPerByte": f"{bits:.4f}",
            "tokensPerSecond": f"{speed['tokensPerSecond']:.1f}",
            "firstTokenMilliseconds": f"{speed['firstTokenMilliseconds']:.1f}",
        }

    def _check_tokens(self, runner: GenerationRunner) -> None:
        text = self.tokenizer.decode(self.reference.held_out)
        # The ends are left out: what is added there is the caller's choice.
        if runner.encode(text)[1:-1] != list(self.tokenizer(text, add_special_tokens=False).input_ids)[1:-1]:
            raise PermanentError(
                "ONNX Runtime GenAI cuts a text into other tokens than the tokenizer of the weights; such a model would be asked other "
                "questions than it was measured with",
                reason="ExportDiffers",
            )

    def describe_request(self) -> Mapping[str, Any]:
        """Say how a text becomes a prompt."""
        return {
            "prompt": choose_prompt(self.spec.task, has_chat_template=bool(self.tokenizer.chat_template)).to_document(),
        }

    def summarise(self, measured: Mapping[str, Mapping[str, Any]]) -> str:
        """Return the bits per byte of all."""
        bits = ", ".join(f"{precision} {values['bitsPerByte']}" for precision, values in measured.items())
        return f"bits per byte {self.measurements['bitsPerByte']}, as ONNX {bits}"
