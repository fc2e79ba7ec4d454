"""What reading a snapshot returns.

Must not: know where it comes from.
"""

from dataclasses import dataclass

from llmos.knowledge.linking.assertion import Status
from llmos.knowledge.sink import CERTAIN

__all__ = ["Attribute", "Derivation", "EntityReference", "Fact", "FactEvidence", "FactSource", "Mention"]


@dataclass(frozen=True, slots=True)
class EntityReference:
    """An entity as it is shown."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class FactSource:
    """Where a fact was read; all empty for a derived one."""

    name: str
    version: str
    file: str


@dataclass(frozen=True, slots=True)
class FactEvidence:
    """Why the source says so; empty where it gives no reason."""

    reference: str
    code: str
    frequency: str
    method: str = ""
    """How it was read from text; empty where it was not."""

    sentence: str = ""
    """The text it was read from."""


@dataclass(frozen=True, slots=True)
class Derivation:
    """The rule that gave a fact no source states, and its premises."""

    rule: str
    proof: str
    """Canonical JSON, as the rules write it."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something the knowledge base says about two entities."""

    subject: EntityReference
    predicate: str
    object: EntityReference
    source: FactSource
    evidence: FactEvidence
    confidence: int = CERTAIN
    """In thousandths."""

    derivation: Derivation | None = None
    """None: a source states it."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """A literal that the knowledge base says of an entity."""

    predicate: str
    value: str
    datatype: str
    """An absolute IRI, or empty for plain text."""

    language: str
    source: FactSource


@dataclass(frozen=True, slots=True)
class Mention:
    """A name that was found in text."""

    start: int
    """First character in the text that was given."""

    end: int
    text: str
    """The characters themselves."""

    id: str
    """The best candidate: the one whose preferred or closest name this is; of equals, the smallest identifier."""

    name: str
    candidates: tuple[str, ...]
    """Every entity with this name, best first; more than one means that the text is ambiguous."""

    status: Status = Status.Present
    """What the text says of it."""

    score: float | None = None
    """How alike the text and the best candidate's name are, to 1; None: the text is a name."""
