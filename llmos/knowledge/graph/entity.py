"""One entity as a whole: what it is, what it is called, and what is known of it.

Must not: follow a fact to the next entity.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from llmos.knowledge.reading.values import Attribute, Fact, FactSource
from llmos.knowledge.snapshot import Snapshot

__all__ = ["MAXIMUM_ATTRIBUTES", "MAXIMUM_NAMES", "EntityDescription", "EntityName", "describe_entity"]

MAXIMUM_NAMES: Final = 500
MAXIMUM_ATTRIBUTES: Final = 500

_NAMES: Final = """SELECT n.text, n.scope, n.tag, n.language, f.source, f.version, f.path FROM name AS n JOIN file AS f ON f.number = n.file
  WHERE n.entity = ? AND f.visibility IN ({seen}) ORDER BY n.text, n.scope, n.tag, n.language, n.file LIMIT ?"""


@dataclass(frozen=True, slots=True)
class EntityName:
    """What a source calls an entity."""

    text: str
    scope: str
    """How closely it fits: Preferred, Exact, Narrow, Broad or Related."""

    tag: str
    """The source's own word for this kind of name; empty where it has none."""

    language: str
    source: FactSource


@dataclass(frozen=True, slots=True)
class EntityDescription:
    """Everything of one entity, bounded."""

    id: str
    kind: str
    name: str
    """The one it is shown by."""

    names: Sequence[EntityName]
    are_names_truncated: bool
    attributes: Sequence[Attribute]
    are_attributes_truncated: bool
    facts: Sequence[Fact]
    are_facts_truncated: bool


def describe_entity(snapshot: Snapshot, id: str, *, maximum_facts: int) -> EntityDescription | None:
    """Return an entity with at most `maximum_facts` facts, or None if there is no such entity."""
    found = snapshot.view.find(id)
    if found is None:
        return None
    number = found[0]
    _, kind, name = snapshot.view.describe([number])[number]
    names = [
        EntityName(text, scope, tag, language, FactSource(source, version, path))
        for text, scope, tag, language, source, version, path in snapshot.view.rows(_NAMES, number, MAXIMUM_NAMES + 1)
    ]
    attributes = snapshot.attributes(id)
    facts = snapshot.facts(id, maximum_facts + 1)
    return EntityDescription(
        id=id,
        kind=kind,
        name=name,
        names=names[:MAXIMUM_NAMES],
        are_names_truncated=len(names) > MAXIMUM_NAMES,
        attributes=attributes[:MAXIMUM_ATTRIBUTES],
        are_attributes_truncated=len(attributes) > MAXIMUM_ATTRIBUTES,
        facts=facts[:maximum_facts],
        are_facts_truncated=len(facts) > maximum_facts,
    )
