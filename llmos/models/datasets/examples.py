"""One labelled item, and a set of them with a digest that does not depend on their order. Must not: read files."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from llmos.artifacts import canonical_json, digest_bytes

__all__ = ["Dataset", "Example", "LabelKind", "find_unknown_label"]


class LabelKind(StrEnum):
    """What stands in the column with the right answer."""

    ID = "Id"
    """One label's id."""

    TAGS = "Tags"
    """A list of labels' ids, one for each token of a text that is a list of tokens."""

    TEXTS = "Texts"
    """A text, or a list of texts of which each would be right."""

    NONE = "None"
    """Nothing: the text itself is the right answer, or the second one is; the column is not read."""


@dataclass(frozen=True)
class Example:
    """One item."""

    text: str
    """Not empty; with tokens, these joined by spaces; with media, the file's path in its archive."""

    label: str | None = None
    """A label's id; None where the tags or the answers say what is right, or the text itself does."""

    second_text: str | None = None
    """Of a pair."""

    tokens: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    """Ids of labels, one for each token."""

    answers: tuple[str, ...] = ()
    """Texts of which each is right."""

    facts: tuple[str, ...] = ()
    """What the model is told beside the text."""

    media: str | None = None
    """The digest of a picture's or a recording's bytes."""

    groups: tuple[str, ...] = ()
    """Ids of what it belongs to, sorted; whatever shares one stays in one part."""

    slices: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Column to value."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Ids of all labels it names."""
        return self.tags if self.label is None else (self.label,)

    @cached_property
    def digest(self) -> str:
        """Of all it says: the same item has the same digest in any file, so that two models can be compared item by item."""
        return digest_bytes(self.to_line())

    def to_line(self) -> bytes:
        """Return its canonical line of JSON, without the line's end."""
        # Of a file its content counts, and not what it is called.
        document: dict[str, Any] = {"media": self.media} if self.media else {"text": self.tokens or self.text}
        if self.tags or self.label is not None:
            document["label"] = self.tags if self.label is None else self.label
        if self.answers:
            document["answers"] = self.answers
        if self.facts:
            document["facts"] = self.facts
        if self.second_text is not None:
            document["secondText"] = self.second_text
        if self.groups:
            document["groups"] = self.groups
        if self.slices:
            document["slices"] = dict(self.slices)
        return canonical_json(document)


@dataclass(frozen=True)
class Dataset:
    """Labelled items in the order in which they were read."""

    examples: tuple[Example, ...]
    media: Mapping[str, Path] = field(default_factory=dict, compare=False)
    """Digest of a picture's or a recording's bytes to the file here."""

    @cached_property
    def digest(self) -> str:
        """Of the sorted items: the order of rows and the format of the file do not matter."""
        return digest_bytes(b"\n".join(sorted(example.to_line() for example in self.examples)))


def find_unknown_label(examples: Sequence[Example], known: Collection[str]) -> tuple[int, str] | None:
    """Return the position (from 0) and the id of the first label that is none of the known ones."""
    ids = set(known)
    return next(((position, label) for position, example in enumerate(examples) for label in example.labels if label not in ids), None)
