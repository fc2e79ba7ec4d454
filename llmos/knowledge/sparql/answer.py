"""One read-only query against a store: bounded in rows and bytes, and answered whole or not at all.

A result that meets a bound is refused, because a client cannot tell a short answer from one that was cut. Must not: bound time or memory;
the process that calls this is killed for those.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import pyoxigraph as ox

from llmos.knowledge.sparql.media_types import JSON, SOLUTION_TYPES, TRIPLE_TYPES, XML
from llmos.knowledge.sparql.results import TooLarge, write_solutions, write_triples

__all__ = ["QueryAnswer", "QueryRefused", "Refusal", "answer", "refuse_unsafe"]

# However a SERVICE clause is written, these characters stand in it one after the other. It is looked for in strings and comments, too:
# telling them from the rest takes a whole parser ("?a<'>'" is a comparison), and refusing a text that quotes such a clause harms nobody.
_BLANK: Final = r"(?:\s|#[^\n\r]*[\n\r])*"
_SERVICE: Final = re.compile(rf"SERVICE{_BLANK}(?:SILENT{_BLANK})?(?:<[^<>]*>|[^\s{{<][^\s{{]*){_BLANK}\{{", re.IGNORECASE)
_PROLOGUE: Final = r"(?:\s|#[^\n\r]*[\n\r]|(?:PREFIX\s+[^\s<]*\s*|BASE\s*)<[^<>]*>)*"
_UPDATE: Final = re.compile(rf"{_PROLOGUE}(?:INSERT|DELETE|LOAD|CLEAR|DROP|CREATE|ADD|MOVE|COPY|WITH)\b", re.IGNORECASE)
_PLACE: Final = re.compile(r"error at (\d+):(\d+)")


class Refusal(StrEnum):
    """Why a query got no answer."""

    Malformed = "Malformed"
    NotOffered = "NotOffered"
    NotAcceptable = "NotAcceptable"
    TooLarge = "TooLarge"


class QueryRefused(Exception):
    """A query that is not answered; the sentence never repeats it."""

    def __init__(self, refusal: Refusal, message: str) -> None:
        super().__init__(message)
        self.refusal = refusal
        self.message = message


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """A whole answer."""

    media_type: str
    body: bytes


def answer(store: ox.Store, query: str, accepted: Sequence[str], *, maximum_rows: int, maximum_bytes: int) -> QueryAnswer:
    """Answer a query in the first of the accepted media types that suits its form.

    Raises: QueryRefused.
    """
    refuse_unsafe(query)
    try:
        found: Any = store.query(query)
        if isinstance(found, ox.QueryBoolean):
            media_type = _choose(accepted, (JSON, XML), "ASK")
            return QueryAnswer(media_type, found.serialize(format=ox.QueryResultsFormat.from_media_type(media_type)) or b"")
        if isinstance(found, ox.QueryTriples):
            media_type = _choose(accepted, TRIPLE_TYPES, "CONSTRUCT or DESCRIBE")
            return QueryAnswer(media_type, write_triples(found, media_type, maximum_rows=maximum_rows, maximum_bytes=maximum_bytes))
        media_type = _choose(accepted, SOLUTION_TYPES, "SELECT")
        return QueryAnswer(media_type, write_solutions(found, media_type, maximum_rows=maximum_rows, maximum_bytes=maximum_bytes))
    except SyntaxError as error:
        raise QueryRefused(Refusal.Malformed, _malformed(str(error))) from None
    except TooLarge as error:
        raise QueryRefused(Refusal.TooLarge, str(error)) from None


def refuse_unsafe(query: str) -> None:
    """Raise QueryRefused if a query would change the store, or make it ask another server."""
    if _SERVICE.search(query):
        raise QueryRefused(Refusal.NotOffered, "SERVICE is not offered: a query is answered from this knowledge base alone")
    if _UPDATE.match(query):
        raise QueryRefused(Refusal.NotOffered, "updates are not offered: a snapshot never changes; build the KnowledgeBase anew")


def _choose(accepted: Sequence[str], offered: Sequence[str], form: str) -> str:
    for media_type in accepted:
        if media_type in offered:
            return media_type
    raise QueryRefused(Refusal.NotAcceptable, f"a {form} is answered as {' or '.join(offered)}; name one of them in Accept")


def _malformed(error: str) -> str:
    place = _PLACE.search(error)
    where = f" at line {place[1]}, column {place[2]}" if place else ""
    return f"the query is not SPARQL 1.1{where}"
