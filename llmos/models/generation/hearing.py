"""A recogniser of speech as a set's questions ask it: the original in torch, and what was built from it.

    F frames, M mel bins, S samples.

Both write the likeliest token each time and nothing else: transformers' own rules of which tokens to suppress are not the runtime's, and
would be measured as a loss of the export. Must not: read a set, or count.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from llmos.models.audio_spec import read_audio_spec
from llmos.models.config import ModelSpec
from llmos.models.generation.speech import SpeechRunner, is_multilingual, load_speech, make_prompt

__all__ = ["BuiltHearer", "TorchHearer"]


class TorchHearer:
    """The original."""

    def __init__(self, folder: Path, spec: ModelSpec, *, language: str) -> None:
        """Load it; raises as `load_speech`, and ConfigError (InvalidSource) if how it wants recordings prepared is not understood."""
        self._model, self._tokenizer = load_speech(folder, spec.task)
        self._audio = read_audio_spec(folder)
        self.prompt = make_prompt(language, is_multilingual=is_multilingual(self._model))
        self._prompt_ids = [int(self._tokenizer.convert_tokens_to_ids(token)) for token in self.prompt]
        self.maximum_new_tokens = min(spec.onnx.maximum_tokens, self._model.config.max_target_positions) - len(self.prompt)
        ends = self._model.generation_config.eos_token_id
        self._ends = {int(end) for end in (ends if isinstance(ends, list) else [ends]) if end is not None}

    def hear(self, recording: Path, samples_S: NDArray[np.float32]) -> str:
        """Return what is said."""
        features_1MF = torch.from_numpy(self._audio.prepare(samples_S))[None]
        written: list[int] = []
        given, past = self._prompt_ids, None
        with torch.inference_mode():
            encoded = self._model.model.encoder(features_1MF)
            while len(written) < self.maximum_new_tokens:
                answer: Any = self._model(
                    encoder_outputs=encoded, decoder_input_ids=torch.tensor([given]), past_key_values=past, use_cache=True
                )
                token, past = int(answer.logits[0, -1].argmax()), answer.past_key_values
                if token in self._ends:
                    break
                written.append(token)
                given = [token]
        return str(self._tokenizer.decode(written, skip_special_tokens=True)).strip()


class BuiltHearer:
    """A built precision, with the runtime and the artifact's own files alone."""

    def __init__(self, folder: Path, *, prompt: Sequence[str], maximum_tokens: int) -> None:
        self._runner = SpeechRunner(folder)
        self._prompt = prompt
        self._maximum_tokens = maximum_tokens

    def hear(self, recording: Path, samples_S: NDArray[np.float32]) -> str:
        """Return what is said; the runtime opens the file itself, as it does for a request."""
        return self._runner.transcribe(recording.read_bytes(), self._prompt, maximum_tokens=self._maximum_tokens).text
