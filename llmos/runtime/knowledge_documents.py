"""The HTTP documents of the endpoints that read a knowledge base: what goes out, described for OpenAPI and built from what was read.

As in `documents`, answers are plain dictionaries and a test holds them to these models. Must not: compute anything.
"""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from llmos.knowledge import Mention
from llmos.knowledge.graph import Edge, EntityDescription, Hit, Neighbourhood, Node, PathSearch
from llmos.runtime.documents import Document, FactDocument, KnowledgeDocument, SourceDocument, build_fact, build_mention, build_source
from llmos.runtime.documents import EntityDocument as MentionDocument

__all__ = [
    "EntityResponse",
    "LinkRequest",
    "LinkResponse",
    "NeighbourhoodResponse",
    "PathResponse",
    "SearchResponse",
    "build_entity",
    "build_link",
    "build_neighbourhood",
    "build_path",
    "build_search",
]


class LinkRequest(Document):
    """A text in which names are looked for."""

    text: Annotated[
        str,
        Field(
            min_length=1,
            description="The text. Its greatest length is the service's `limits.maximumTextCharacters`.",
            examples=["The child has seizures and a large head."],
        ),
    ]


class LinkResponse(Document):
    """The names that stand in a text."""

    knowledge: KnowledgeDocument
    entities: list[MentionDocument] = Field(description="In the order of the text; they never overlap.")


class NameDocument(Document):
    """What a source calls an entity."""

    text: str = Field(examples=["Epileptic seizure"])
    scope: str = Field(description="How closely it fits: Preferred, Exact, Narrow, Broad or Related.", examples=["Exact"])
    tag: str | None = Field(default=None, description="The source's own word for this kind of name.", examples=["layperson"])
    language: str = Field(description="BCP 47.", examples=["en"])
    source: SourceDocument


class AttributeDocument(Document):
    """A value that the knowledge base says of an entity."""

    predicate: str = Field(examples=["definition"])
    value: str = Field(examples=["An intermittent abnormality of nervous system physiology."])
    datatype: str | None = Field(default=None, description="An IRI; absent for plain text.")
    language: str | None = Field(default=None, description="BCP 47.", examples=["en"])
    source: SourceDocument


class EntityResponse(Document):
    """One entity as a whole."""

    knowledge: KnowledgeDocument
    id: str = Field(examples=["HP:0001250"])
    kind: str = Field(description="As the source calls it.", examples=["Phenotype"])
    name: str = Field(description="The preferred one.", examples=["Seizure"])
    names: list[NameDocument] = Field(description="Of every source and language; at most 500.")
    names_truncated: bool
    attributes: list[AttributeDocument] = Field(description="By predicate and value; at most 500.")
    attributes_truncated: bool
    facts: list[FactDocument] = Field(description="Each predicate, in each direction, has its turn; within one the most frequent first.")
    facts_truncated: bool = Field(description="There are more facts than `limit`.")


class NodeDocument(Document):
    """An entity on the way."""

    id: str = Field(examples=["HP:0001250"])
    kind: str = Field(examples=["Phenotype"])
    name: str = Field(examples=["Seizure"])


class NearNodeDocument(NodeDocument):
    """An entity near another one."""

    distance: int = Field(description="Facts between it and the entity that was asked for.", examples=[1])


class EdgeDocument(Document):
    """A fact between two of the entities, without its evidence."""

    subject: str = Field(examples=["OMIM:1"])
    predicate: str = Field(examples=["has_phenotype"])
    object: str = Field(examples=["HP:0001250"])


class NeighbourhoodResponse(Document):
    """What lies around an entity."""

    knowledge: KnowledgeDocument
    nodes: list[NearNodeDocument] = Field(description="Nearest first; the first one is the entity itself.")
    edges: list[EdgeDocument] = Field(description="Facts of the entities that are nearer than `depth`; at most eight times `limit`.")
    truncated: bool = Field(description="There is more within this depth than `limit` entities, or eight times as many facts.")


class HitDocument(NodeDocument):
    """An entity that has a name which begins so."""

    matched: str = Field(description="That name, as it is compared: lower case, one space between words.", examples=["seizure"])


class SearchResponse(Document):
    """Entities by the beginning of a name."""

    knowledge: KnowledgeDocument
    entities: list[HitDocument] = Field(description="Each once: names of fewer words first, then shorter ones, then by spelling.")


class PathResponse(Document):
    """A shortest path between two entities."""

    knowledge: KnowledgeDocument
    found: bool
    complete: bool = Field(
        description="False: the search read 200,000 facts and stopped, and cannot tell; ask with `predicate`, or a smaller `maximumLength`."
    )
    nodes: list[NodeDocument] = Field(description="From `from` to `to`; empty if none was found.")
    edges: list[EdgeDocument] = Field(description="One fact between each two entities that follow each other; it may point either way.")


def build_link(knowledge: dict[str, Any], mentions: Sequence[Mention]) -> dict[str, Any]:
    """Return the document of the names in a text."""
    return {"knowledge": knowledge, "entities": [build_mention(mention, knowledge["name"]) for mention in mentions]}


def build_entity(knowledge: dict[str, Any], entity: EntityDescription) -> dict[str, Any]:
    """Return the document of an entity."""
    return {
        "knowledge": knowledge,
        "id": entity.id,
        "kind": entity.kind,
        "name": entity.name,
        "names": [
            {
                "text": name.text,
                "scope": name.scope,
                **({"tag": name.tag} if name.tag else {}),
                "language": name.language,
                "source": build_source(name.source),
            }
            for name in entity.names
        ],
        "namesTruncated": entity.are_names_truncated,
        "attributes": [
            {
                "predicate": attribute.predicate,
                "value": attribute.value,
                **({"datatype": attribute.datatype} if attribute.datatype else {}),
                **({"language": attribute.language} if attribute.language else {}),
                "source": build_source(attribute.source),
            }
            for attribute in entity.attributes
        ],
        "attributesTruncated": entity.are_attributes_truncated,
        "facts": [build_fact(fact, knowledge["name"]) for fact in entity.facts],
        "factsTruncated": entity.are_facts_truncated,
    }


def build_neighbourhood(knowledge: dict[str, Any], found: Neighbourhood) -> dict[str, Any]:
    """Return the document of a neighbourhood."""
    return {
        "knowledge": knowledge,
        "nodes": [_node(node) | {"distance": distance} for node, distance in found.nodes],
        "edges": [_edge(edge) for edge in found.edges],
        "truncated": found.is_truncated,
    }


def build_search(knowledge: dict[str, Any], hits: Sequence[Hit]) -> dict[str, Any]:
    """Return the document of a search."""
    return {"knowledge": knowledge, "entities": [_node(hit.node) | {"matched": hit.name} for hit in hits]}


def build_path(knowledge: dict[str, Any], found: PathSearch) -> dict[str, Any]:
    """Return the document of a path."""
    return {
        "knowledge": knowledge,
        "found": bool(found.nodes),
        "complete": found.is_complete,
        "nodes": [_node(node) for node in found.nodes],
        "edges": [_edge(edge) for edge in found.edges],
    }


def _node(node: Node) -> dict[str, Any]:
    return {"id": node.id, "kind": node.kind, "name": node.name}


def _edge(edge: Edge) -> dict[str, str]:
    return {"subject": edge.subject, "predicate": edge.predicate, "object": edge.object}
