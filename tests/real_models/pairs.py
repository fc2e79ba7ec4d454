"""Pairs of a lay name and a medical name, of one abnormality or of two: trained on in under a minute, judged on other branches.

Names of one abnormality often share a word; `overlap_accuracy` says how much that alone tells.
"""

import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from llmos.models import Label, write_labels
from llmos.models.measure.session import open_session
from tests.real_models.ontology import Term

__all__ = ["FLOOR", "LABELS", "Pair", "PairScorer", "accuracy", "make_pairs", "overlap_accuracy", "split_pairs", "train_scorer"]

LABELS = ("different", "same")

FLOOR = 0.88
"""Of the accuracy. Half of the pairs are of each kind; the best bound on shared words reaches 0.82, the recipe 0.94."""

MAXIMUM_TOKENS = 32


@dataclass(frozen=True, slots=True)
class Pair:
    """Two names, and whether they mean the same."""

    lay: str
    medical: str
    is_same: bool
    group: str
    """The parent of the lay name's term: what is learned of one child tells about the others."""


def make_pairs(terms: Sequence[Term], *, seed: int = 0) -> list[Pair]:
    """Return each lay name with its term, and with another that chance has chosen."""
    rng = random.Random(seed)
    pairs = []
    for term in terms:
        group = next(iter(term.parents), "")
        for lay in term.lay_names:
            other = rng.choice(terms)
            if lay.casefold() != term.name.casefold() and other.id != term.id:
                pairs.append(Pair(lay, term.name, is_same=True, group=group))
                pairs.append(Pair(lay, other.name, is_same=False, group=group))
    return pairs


def split_pairs(pairs: Sequence[Pair], *, share: float = 0.2, seed: int = 0) -> tuple[list[Pair], list[Pair]]:
    """Return pairs to learn from and pairs to be judged by; no parent has both."""
    groups = sorted({pair.group for pair in pairs})
    random.Random(seed).shuffle(groups)
    held_out = set(groups[: int(len(groups) * share)])
    return [pair for pair in pairs if pair.group not in held_out], [pair for pair in pairs if pair.group in held_out]


def train_scorer(encoder: Path, into: Path, pairs: Sequence[Pair], *, num_steps: int = 120, batch_size: int = 32, seed: int = 0) -> Path:
    """Fine-tune every weight of the encoder but the words' embeddings on some of the pairs, and save the folder."""
    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    model = AutoModelForSequenceClassification.from_pretrained(
        encoder, id2label=dict(enumerate(LABELS)), label2id={label: column for column, label in enumerate(LABELS)}
    )
    model.get_input_embeddings().requires_grad_(False)
    # What is new, the pooler and the head, learns five times as fast as what is not.
    new = [*model.bert.pooler.parameters(), *model.classifier.parameters()]
    optimizer = torch.optim.AdamW([{"params": new}, {"params": model.bert.encoder.parameters()}])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=[1e-3, 2e-4], total_steps=num_steps, pct_start=0.1)
    rng = random.Random(seed)
    model.train()
    for _ in range(num_steps):
        chosen = rng.sample(pairs, batch_size)
        batch = tokenizer(
            [pair.lay for pair in chosen],
            [pair.medical for pair in chosen],
            truncation=True,
            max_length=MAXIMUM_TOKENS,
            padding=True,
            return_tensors="pt",
        )
        model(**batch, labels=torch.tensor([int(pair.is_same) for pair in chosen])).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    model.save_pretrained(into)
    tokenizer.save_pretrained(into)
    write_labels(into, [Label(label, label) for label in LABELS])
    return into


class PairScorer:
    """Scores pairs with nothing but the files of an ONNX payload, as a server does."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.session = open_session(folder / "model.onnx")
        self.inputs = json.loads((folder / "preprocessing.json").read_text())["inputs"]

    def is_same(self, pair: Pair) -> bool:
        encoded = self.tokenizer.encode(pair.lay, pair.medical)
        values = {"input_ids": encoded.ids, "attention_mask": encoded.attention_mask, "token_type_ids": encoded.type_ids}
        inputs = {name: np.asarray([values[name]], dtype=np.int64) for name in self.inputs}
        return bool(self.session.run(None, inputs)[0][0].argmax() == LABELS.index("same"))


def accuracy(pairs: Sequence[Pair], is_same: Callable[[Pair], bool]) -> float:
    return float(np.mean([is_same(pair) == pair.is_same for pair in pairs]))


def overlap_accuracy(pairs: Sequence[Pair]) -> float:
    """Return what the best bound on the share of common words would reach, chosen on these very pairs: the trivial baseline."""

    def overlap(pair: Pair) -> float:
        one, other = (set(re.findall(r"[a-z]+", text.lower())) for text in (pair.lay, pair.medical))
        return len(one & other) / max(1, len(one | other))

    shares = {pair: overlap(pair) for pair in pairs}
    return max(accuracy(pairs, lambda pair, bound=bound: shares[pair] > bound) for bound in {0.0, *shares.values()})
