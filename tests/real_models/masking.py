"""A guesser of masked words, trained in under a minute on the ontology's definitions: the encoder's package has none that was trained.

What it learns is judged on definitions that it has not seen, against the word that is the most frequent there. Two minutes more would
teach it more; for what a hospital would use, take a published model.
"""

import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForMaskedLM, AutoTokenizer

from llmos.models.measure.session import open_session
from tests.real_models.ontology import Term

__all__ = ["FLOOR", "Guesser", "frequency_accuracy", "split_definitions", "train_guesser"]

FLOOR = 0.15
"""Of the masked tokens guessed right; the most frequent one of all is right in 0.075 of the cases; 0.18 was measured."""

SHARE = 0.15
"""Of the tokens that are masked, as BERT was trained."""

MAXIMUM_TOKENS = 48


def split_definitions(terms: Sequence[Term], *, num_held_out: int = 200, seed: int = 0) -> tuple[list[str], list[str]]:
    """Return definitions to learn from, and those of other parents."""
    defined = [term for term in terms if term.definition]
    parents = sorted({term.parents[0] for term in defined if term.parents})
    random.Random(seed).shuffle(parents)
    apart = set(parents[: len(parents) // 10])
    held_out = [term.definition for term in defined if term.parents and term.parents[0] in apart]
    return [term.definition for term in defined if not term.parents or term.parents[0] not in apart], held_out[:num_held_out]


def train_guesser(
    encoder: Path, into: Path, definitions: Sequence[str], *, num_steps: int = 90, batch_size: int = 16, seed: int = 0
) -> Path:
    """Train the head and, more gently, the encoder; the words' embeddings, which the head guesses with, stay as they are."""
    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    model = AutoModelForMaskedLM.from_pretrained(encoder)
    model.get_input_embeddings().requires_grad_(False)
    parts = [[*model.cls.predictions.transform.parameters(), model.cls.predictions.bias], [*model.bert.encoder.parameters()]]
    rates = [3e-3, 3e-4]
    optimizer = torch.optim.AdamW([{"params": part, "lr": rate} for part, rate in zip(parts, rates, strict=True)])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=rates, total_steps=num_steps, pct_start=0.1)
    rng = random.Random(seed)
    model.train()
    for _ in range(num_steps):
        batch = tokenizer(
            rng.sample(definitions, batch_size), truncation=True, max_length=MAXIMUM_TOKENS, padding=True, return_tensors="pt"
        )
        is_word = torch.isin(batch.input_ids, torch.tensor(tokenizer.all_special_ids), invert=True)
        is_masked = is_word & (torch.rand(batch.input_ids.shape) < SHARE)
        targets = batch.input_ids[is_masked]
        batch["input_ids"] = batch.input_ids.masked_fill(is_masked, tokenizer.mask_token_id)
        # The vocabulary is a hundred times as wide as the encoder: scored is only what was masked.
        logits = model.cls(model.bert(**batch).last_hidden_state[is_masked])
        torch.nn.functional.cross_entropy(logits, targets).backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    model.save_pretrained(into)
    tokenizer.save_pretrained(into)
    return into


class Guesser:
    """Guesses with nothing but the files of an ONNX payload, as a server does."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.session = open_session(folder / "model.onnx")
        self.preprocessing = json.loads((folder / "preprocessing.json").read_text())

    def accuracy(self, definitions: Sequence[str], *, seed: int = 0) -> float:
        """Return the share of masked tokens that are guessed right, each definition masked in its own way."""
        right = [hit for number, text in enumerate(definitions) for hit in self._guess(text, random.Random(seed + number))]
        return float(np.mean(right))

    def _guess(self, text: str, rng: random.Random) -> list[bool]:
        encoded = self.tokenizer.encode(text)
        masked = _choose(encoded, rng)
        ids = [self.preprocessing["mask"]["id"] if place in masked else id for place, id in enumerate(encoded.ids)]
        values = {"input_ids": ids, "attention_mask": encoded.attention_mask, "token_type_ids": encoded.type_ids}
        inputs = {name: np.asarray([values[name]], dtype=np.int64) for name in self.preprocessing["inputs"]}
        best = self.session.run(None, inputs)[0][0].argmax(axis=1)
        return [bool(best[place] == encoded.ids[place]) for place in masked]


def frequency_accuracy(tokenizer_file: Path, train: Sequence[str], held_out: Sequence[str]) -> float:
    """Return what is reached by always guessing the most frequent token of what was learned from: the trivial baseline."""
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.no_padding()  # as its publisher left it, every text would be filled up
    encoded = tokenizer.encode_batch(list(train), add_special_tokens=False)
    most = Counter(id for each in encoded for id in each.ids).most_common(1)[0][0]
    wanted = [id for each in tokenizer.encode_batch(list(held_out), add_special_tokens=False) for id in each.ids]
    return wanted.count(most) / len(wanted)


def _choose(encoded: Any, rng: random.Random) -> list[int]:
    words = [place for place, special in enumerate(encoded.special_tokens_mask) if not special]
    return sorted(rng.sample(words, max(1, round(SHARE * len(words)))))
