"""Speech to text: Whisper beside what was built from it, an encoder of sound and a decoder that writes.

    F frames, M mel bins, T tokens, D width, V vocabulary.

Must not: know where recordings come from.
"""

import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime_genai
import soundfile
import torch
from numpy.typing import NDArray
from transformers import AutoModelForSpeechSeq2Seq

from llmos.errors import PermanentError
from llmos.models.config import ModelSpec, Task
from llmos.models.decimal_text import bound_text
from llmos.models.generation.original import Original
from llmos.models.measure.session import open_session
from llmos.models.pretrained import check_vocabulary, load_pretrained, load_tokenizer

__all__ = ["SAMPLING_RATE", "OriginalSpeech", "SpeechRunner", "Transcript", "is_multilingual", "load_speech", "make_prompt"]

SAMPLING_RATE: Final = 16_000
MAXIMUM_SECONDS: Final = 30
"""Whisper listens to windows of this length; a shorter recording is filled up with silence."""

_SEED: Final = 20261123
_LENGTHS: Final = (2, 12)
_SPEED_TOKENS: Final = 24


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was heard."""

    text: str
    num_tokens: int
    first_token_s: float
    """From the sound's start to the first token: decoding, mel, encoder, prompt."""

    rest_s: float


class SpeechRunner:
    """Opens an artifact folder and transcribes, with the runtime and the artifact's own files alone."""

    def __init__(self, folder: Path) -> None:
        self._model = onnxruntime_genai.Model(str(folder))
        self._processor = self._model.create_multimodal_processor()

    def transcribe(self, wav: bytes, prompt: Sequence[str], *, maximum_tokens: int, stops: bool = True) -> Transcript:
        """Write what is said in a WAV file of at least 16 kHz, at most 30 seconds; greedy."""
        start = time.perf_counter()
        inputs = self._processor(["".join(prompt)], audios=onnxruntime_genai.Audios.open_bytes(wav))
        parameters = onnxruntime_genai.GeneratorParams(self._model)
        length = len(prompt) + maximum_tokens
        parameters.set_search_options(do_sample=False, max_length=length, min_length=0 if stops else length)
        generator = onnxruntime_genai.Generator(self._model, parameters)
        generator.set_inputs(inputs)
        generator.generate_next_token()
        first, count = time.perf_counter(), 1
        while not generator.is_done() and count < maximum_tokens:
            generator.generate_next_token()
            count += 1
        end = time.perf_counter()
        return Transcript(str(self._processor.decode(generator.get_sequence(0))).strip(), count, first - start, end - first)


def load_speech(folder: Path, task: Task) -> tuple[Any, Any]:
    """Load model and tokenizer in float32, on the CPU; raises ConfigError (InvalidSource, TaskMismatch) as `load_pretrained`."""
    tokenizer = load_tokenizer(folder)
    heads = ("ForConditionalGeneration", "ForSpeechSeq2Seq")
    model = load_pretrained(AutoModelForSpeechSeq2Seq, folder, task=task, heads=heads).eval()
    check_vocabulary(model, tokenizer)
    return model, tokenizer


def is_multilingual(model: Any) -> bool:
    """Say whether a recogniser must be told which language it hears."""
    return bool(getattr(model.generation_config, "is_multilingual", False))


def make_prompt(language: str, *, is_multilingual: bool) -> list[str]:
    """Return the tokens that tell the decoder what to do: write down what is said, without times."""
    spoken = [f"<|{language}|>", "<|transcribe|>"] if is_multilingual else []
    return ["<|startoftranscript|>", *spoken, "<|notimestamps|>"]


class OriginalSpeech(Original):
    """What Whisper makes of a noise, and then expects after random tokens."""

    def __init__(self, folder: Path, spec: ModelSpec) -> None:
        super().__init__(folder, spec)
        model, _ = load_speech(folder, spec.task)
        self.num_parameters = sum(parameter.numel() for parameter in model.parameters())
        self.architecture = type(model).__name__
        self.is_multilingual = is_multilingual(model)
        generator, config = np.random.default_rng(_SEED), model.config
        self.mel_1MF = generator.uniform(-1, 1, (1, config.num_mel_bins, 2 * config.max_source_positions)).astype(np.float32)
        lengths = [min(length, spec.onnx.maximum_tokens, config.max_target_positions) for length in _LENGTHS]
        self.tokens = [generator.integers(0, config.vocab_size, (1, length), dtype=np.int32) for length in lengths]
        with torch.inference_mode():
            hidden = model.model.encoder(torch.from_numpy(self.mel_1MF))
            self.hidden_1FD = hidden.last_hidden_state.numpy()
            self.logits = [
                model(encoder_outputs=hidden, decoder_input_ids=torch.from_numpy(ids).long()).logits.numpy() for ids in self.tokens
            ]

    @property
    def measurements(self) -> Mapping[str, Any]:
        """Nothing: how often it mishears is told on recordings."""
        return {}

    def measure(self, built: Path, *, precision: str) -> Mapping[str, Any]:
        """Float32 must give the original's numbers within the spec's bound; Int4 rounds, and is only measured."""
        differences = {name: float(np.abs(ours - theirs).max()) for name, ours, theirs in self._run(built)}
        largest, bound = float(np.max(list(differences.values()))), self.spec.onnx.maximum_difference
        if not np.isfinite(largest) or (precision == "Float32" and not largest <= float(bound)):
            raise PermanentError(
                f"the {precision} export differs from torch by {bound_text(largest)}, and spec.onnx.maximumDifference allows {bound}",
                reason="ExportDiffers",
            )
        heard = SpeechRunner(built).transcribe(_noise(), self.prompt(), maximum_tokens=self._num_timed, stops=False)
        return {
            "maximumDifference": bound_text(largest),
            "differences": {name: bound_text(value) for name, value in differences.items()},
            "tokensPerSecond": f"{(heard.num_tokens - 1) / heard.rest_s:.1f}",
            "firstTokenMilliseconds": f"{heard.first_token_s * 1e3:.1f}",
        }

    @property
    def _num_timed(self) -> int:
        return max(2, min(_SPEED_TOKENS, self.spec.onnx.maximum_tokens - len(self.prompt())))

    def _run(self, built: Path) -> list[tuple[str, NDArray[Any], NDArray[Any]]]:
        """Return what was compared, ours, and the original's."""
        encoder, decoder = open_session(built / "encoder.onnx"), open_session(built / "decoder.onnx")
        names = [output.name for output in encoder.get_outputs()]
        encoded = dict(zip(names, encoder.run(None, {"audio_features": self.mel_1MF}), strict=True))
        found = [("encoder", encoded.pop("hidden_states"), self.hidden_1FD)]
        cross = {name.replace("present", "past"): array for name, array in encoded.items()}
        for ids, logits in zip(self.tokens, self.logits, strict=True):
            empty = {
                taken.name: np.zeros((1, taken.shape[1], 0, taken.shape[3]), dtype=np.float32)
                for taken in decoder.get_inputs()
                if "_self_" in taken.name
            }
            found.append((f"1x{ids.shape[1]}", decoder.run(["logits"], {"input_ids": ids, **empty, **cross})[0], logits))
        return found

    def prompt(self, language: str = "en") -> list[str]:
        """Return the tokens that tell the decoder what to do: write down what is said, without times."""
        return make_prompt(language, is_multilingual=self.is_multilingual)

    def describe_request(self) -> Mapping[str, Any]:
        """Say which sound is taken, and which tokens go first."""
        return {
            "audio": {"samplingRate": SAMPLING_RATE, "channels": 1, "maximumSeconds": MAXIMUM_SECONDS},
            "prompt": {"tokens": self.prompt("{language}")},
        }

    def summarise(self, measured: Mapping[str, Mapping[str, Any]]) -> str:
        """Return how far each is from torch."""
        return "differs from torch by " + ", ".join(f"{values['maximumDifference']} ({name})" for name, values in measured.items())


def _noise() -> bytes:
    """Return five seconds of noise as a WAV file: what is heard in it is worthless, how long that takes is not."""
    samples = np.random.default_rng(_SEED).uniform(-0.1, 0.1, 5 * SAMPLING_RATE).astype(np.float32)
    stream = io.BytesIO()
    soundfile.write(stream, samples, SAMPLING_RATE, format="WAV", subtype="PCM_16")
    return stream.getvalue()
