"""From text to answer: tokens, entities, facts, the model's output, labels. The one path that requests and readiness both take.

Must not: know HTTP, or where snapshots come from. It holds no state of its own but the model's; which snapshots answer comes with the call.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import numpy as np
from tokenizers import Tokenizer

from llmos.errors import PermanentError
from llmos.knowledge import Fact, Mention, Snapshot, Status
from llmos.knowledge.linking.normalise import keys
from llmos.knowledge.rules import GivenVerdict, RuleSet
from llmos.runtime.assets import Label, ModelAssets
from llmos.runtime.model_server import ModelServer

__all__ = [
    "MAXIMUM_FACTS_IN_ANSWER",
    "ActiveSnapshot",
    "Answer",
    "GroundedFact",
    "KnowledgeVerdict",
    "LinkedMention",
    "Pipeline",
    "ScoredLabel",
    "SnapshotKey",
    "Timings",
]

MAXIMUM_FACTS_IN_ANSWER: Final = 2000
"""Of all entities together: grounding.maximumFacts bounds each one, and a long text has hundreds of them."""

_TOP_LABELS: Final = 5
_LONG_TEXT_CHARACTERS: Final = 2000
"""Longer ones are linked in a thread, so that nothing else waits; for shorter ones that would cost more than it spares."""


SnapshotKey = tuple[str, str, tuple[str, ...]]
"""Name of the KnowledgeBase, version digest, partitions."""


@dataclass(frozen=True, slots=True)
class ActiveSnapshot:
    """A snapshot that answers."""

    name: str
    """The KnowledgeBase's name."""

    digest: str
    """Its version digest."""

    snapshot: Snapshot
    golden_text: str
    """A name this snapshot finds in itself; readiness asks with it."""

    partitions: tuple[str, ...] = ()
    """What may be seen of it besides what is everybody's, sorted."""

    rules: RuleSet | None = None
    """What its rules say of answers; None: nobody asks them."""

    @property
    def key(self) -> SnapshotKey:
        """What tells it from another: whoever may see less has another snapshot, whatever the files."""
        return (self.name, self.digest, self.partitions)


@dataclass(frozen=True, slots=True)
class ScoredLabel:
    """A label and its share of the softmax, at the temperature that was fitted for this export."""

    label: Label
    score: float


@dataclass(frozen=True, slots=True)
class LinkedMention:
    """A mention and the knowledge base that knows it."""

    mention: Mention
    knowledge: str


@dataclass(frozen=True, slots=True)
class GroundedFact:
    """A fact and the knowledge base that states it."""

    fact: Fact
    knowledge: str


@dataclass(frozen=True, slots=True)
class KnowledgeVerdict:
    """What a rule says of the answer, and the knowledge base that has the rule."""

    verdict: GivenVerdict
    knowledge: str


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds spent."""

    link_s: float
    facts_s: float
    model_s: float
    rules_s: float
    total_s: float


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything one request gets."""

    labels: Sequence[ScoredLabel]
    """Best first; empty for an embedding."""

    embedding: Sequence[float] | None
    mentions: Sequence[LinkedMention]
    facts: Sequence[GroundedFact]
    verdicts: Sequence[KnowledgeVerdict]
    """What the rules of the knowledge bases say of the best label. Nothing is removed because of them."""

    are_facts_truncated: bool
    """There may be more: the answer holds `MAXIMUM_FACTS_IN_ANSWER`."""

    is_text_truncated: bool
    """The model read only the beginning of the text; entities and facts are of all of it."""

    num_words: int
    """Of the text, as linking counts them: in Chinese each character is one."""

    knowledge: Sequence[ActiveSnapshot]
    timings: Timings


@dataclass(frozen=True, slots=True)
class _Grounding:
    """What the snapshots say about a text."""

    mentions: Sequence[LinkedMention]
    facts: Sequence[GroundedFact]
    are_facts_truncated: bool
    num_words: int
    link_s: float
    facts_s: float


class Pipeline:
    """Answers questions with one model."""

    def __init__(self, assets: ModelAssets, server: ModelServer, *, maximum_facts: int) -> None:
        """Load the tokenizer.

        Raises: PermanentError (InvalidSource) if it is unusable.
        """
        self._assets = assets
        self._server = server
        self._maximum_facts = maximum_facts
        try:
            self._tokenizer = Tokenizer.from_file(str(assets.tokenizer))
        except Exception as error:  # tokenizers raises bare Exception
            raise PermanentError(
                f"the model's tokenizer.json is unusable: {error}; import the Model anew", reason="InvalidSource"
            ) from error
        # The file may carry the padding and truncation of some training run; serving has its own.
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length=assets.maximum_tokens)

    async def answer(self, text: str, knowledge: Sequence[ActiveSnapshot], *, timeout_s: float, request_id: str) -> Answer:
        """Answer one text with these snapshots; errors as `ModelServer.infer`."""
        started = time.perf_counter()
        if len(text) > _LONG_TEXT_CHARACTERS:
            grounding = await asyncio.to_thread(self._ground, text, knowledge)
        else:
            grounding = self._ground(text, knowledge)
        grounded = time.perf_counter()
        tensors, is_text_truncated = self._tensors(text)
        output = await self._server.infer(tensors, self._assets.output, timeout_s=timeout_s, request_id=request_id)
        labels, embedding = self._read(output)
        inferred = time.perf_counter()
        verdicts = self._judge(grounding.mentions, labels, knowledge)
        ended = time.perf_counter()
        return Answer(
            labels=labels,
            embedding=embedding,
            mentions=grounding.mentions,
            facts=grounding.facts,
            verdicts=verdicts,
            are_facts_truncated=grounding.are_facts_truncated,
            is_text_truncated=is_text_truncated,
            num_words=grounding.num_words,
            knowledge=tuple(knowledge),
            timings=Timings(grounding.link_s, grounding.facts_s, inferred - grounded, ended - inferred, ended - started),
        )

    def _judge(
        self, mentions: Sequence[LinkedMention], labels: Sequence[ScoredLabel], knowledge: Sequence[ActiveSnapshot]
    ) -> list[KnowledgeVerdict]:
        """Ask the rules of each knowledge base about the best label and what was mentioned."""
        answers = [(item.label.id, round(item.score * 1000)) for item in labels[:1]]
        return [
            KnowledgeVerdict(verdict, active.name)
            for active in knowledge
            if active.rules is not None
            for verdict in active.rules.judge((item.mention for item in mentions if item.knowledge == active.name), answers)
        ]

    def _ground(self, text: str, knowledge: Sequence[ActiveSnapshot]) -> _Grounding:
        """Find entities and facts; from any thread."""
        started = time.perf_counter()
        mentions = [LinkedMention(mention, active.name) for active in knowledge for mention in active.snapshot.link(text)]
        linked = time.perf_counter()
        # What the text denies, fears or says of somebody else is no ground for an answer.
        present = [item for item in mentions if item.mention.status is Status.Present]
        facts, are_truncated = self._facts(present, knowledge)
        return _Grounding(mentions, facts, are_truncated, len(keys(text)), linked - started, time.perf_counter() - linked)

    def _facts(self, mentions: Sequence[LinkedMention], knowledge: Sequence[ActiveSnapshot]) -> tuple[list[GroundedFact], bool]:
        """Collect each entity's facts once, and each fact once: two entities of a text often stand in the same one.

        Returns: the facts in the order of the text, and whether some were left out.
        """
        snapshots = {active.name: active.snapshot for active in knowledge}
        facts: dict[GroundedFact, None] = {}
        for name, id in dict.fromkeys((item.knowledge, item.mention.id) for item in mentions):
            if len(facts) >= MAXIMUM_FACTS_IN_ANSWER:
                return list(islice(facts, MAXIMUM_FACTS_IN_ANSWER)), True
            for fact in snapshots[name].facts(id, self._maximum_facts):
                facts[GroundedFact(fact, name)] = None
        return list(islice(facts, MAXIMUM_FACTS_IN_ANSWER)), len(facts) > MAXIMUM_FACTS_IN_ANSWER

    def _tensors(self, text: str) -> tuple[Mapping[str, np.ndarray[Any, Any]], bool]:
        """Return the model's inputs, each int64 [1, tokens], and whether the text had more tokens than the model takes."""
        encoding = self._tokenizer.encode(text)
        rows = {"input_ids": encoding.ids, "attention_mask": encoding.attention_mask, "token_type_ids": encoding.type_ids}
        return {name: np.asarray([rows[name]], dtype=np.int64) for name in self._assets.inputs}, bool(encoding.overflowing)

    def _read(self, output: np.ndarray[Any, Any]) -> tuple[list[ScoredLabel], list[float] | None]:
        """Turn the model's one row into scored labels, or an embedding."""
        row = np.asarray(output, dtype=np.float64)
        if row.ndim != 2 or row.shape[0] != 1 or not np.isfinite(row).all():
            raise PermanentError(f"the model's output has the shape {list(row.shape)} or is not finite", reason="InvalidSource")
        if self._assets.labels is None:
            return [], [float(value) for value in row[0]]
        if row.shape[1] != len(self._assets.labels):
            raise PermanentError(f"the model gives {row.shape[1]} scores for {len(self._assets.labels)} labels", reason="InvalidSource")
        # Divided, the same label is best, and its share is how often such an answer was right when that was measured.
        shifted = np.exp((row[0] - row[0].max()) / self._assets.temperature)
        scores = shifted / shifted.sum()
        # By score, then by id: two equal scores must not depend on the order of the list.
        ranked = sorted(zip(self._assets.labels, scores, strict=True), key=lambda pair: (-pair[1], pair[0].id))
        return [ScoredLabel(label, float(score)) for label, score in ranked[:_TOP_LABELS]], None
