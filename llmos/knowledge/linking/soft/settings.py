"""The `linking.soft` block of a KnowledgeBase.

Must not: match.
"""

from dataclasses import dataclass
from typing import Any, Final, Self

__all__ = ["SOFT_DOCUMENT", "SOFT_FILE", "SoftSettings"]

SOFT_FILE: Final = "names.ngrams"
"""The index's file in a snapshot."""

SOFT_DOCUMENT: Final = "softLinking"
"""Under this name the snapshot holds these settings: it is asked with what it was built for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftSettings:
    """How parts of a text are matched in which no name was found."""

    minimum_score_percent: int = 55
    """A match is given from this score on."""

    maximum_candidates: int = 3
    """How many entities are given for a part of the text."""

    def to_document(self) -> dict[str, object]:
        """Return the resource's form of it."""
        return {
            "mode": "CharacterNgram",
            "minimumScorePercent": self.minimum_score_percent,
            "maximumCandidates": self.maximum_candidates,
        }

    @classmethod
    def from_document(cls, document: Any) -> Self:
        """Read what `to_document` wrote; ValueError says what is wrong."""
        try:
            if document["mode"] != "CharacterNgram":
                raise ValueError(f"the soft matching {document['mode']} is unknown; this LLMOS knows CharacterNgram")
            return cls(minimum_score_percent=int(document["minimumScorePercent"]), maximum_candidates=int(document["maximumCandidates"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"the settings of soft matching lack or misuse the field {error}") from error
