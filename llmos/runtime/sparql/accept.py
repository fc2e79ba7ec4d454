"""Which result formats a client takes: the Accept header, as RFC 9110 reads it.

Must not: know a query; which of them suits it is seen when it is answered.
"""

from collections.abc import Mapping
from typing import Final

from llmos.knowledge.sparql.media_types import JSON, SOLUTION_TYPES, TRIPLE_TYPES, XML

__all__ = ["accepted_types"]

_OFFERED: Final = (*SOLUTION_TYPES, *TRIPLE_TYPES)
_ALIASES: Final[Mapping[str, str]] = {"application/json": JSON, "application/xml": XML, "text/xml": XML}


def accepted_types(accept: str) -> list[str]:
    """Return the offered media types that an Accept header takes, best first; equally good ones in our order."""
    wanted = _parse(accept) or {"*/*": 1.0}
    qualities = {media_type: _quality(media_type, wanted) for media_type in _OFFERED}
    return sorted((media_type for media_type in _OFFERED if qualities[media_type] > 0), key=lambda media_type: -qualities[media_type])


def _quality(media_type: str, wanted: Mapping[str, float]) -> float:
    """Return the quality of the most specific range that covers a type."""
    for part in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        if part in wanted:
            return wanted[part]
    return 0.0


def _parse(accept: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for item in accept.split(","):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = min(max(float(parameter[2:]), 0.0), 1.0)
                except ValueError:
                    quality = 0.0
        if name:
            name = _ALIASES.get(name, name)
            found[name] = max(quality, found.get(name, 0.0))
    return found
