"""One labelled item, and a set of them with a digest that does not depend on their order. Must not: read files."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from llmos.artifacts import canonical_json, digest_bytes

__all__ = ["Dataset", "Example", "find_unknown_label"]


@dataclass(frozen=True)
class Example:
    """One item."""

    text: str
    """Not empty; with tokens, these joined by spaces."""

    label: str | None = None
    """A label's id; None where the tags say it."""

    second_text: str | None = None
    """Of a pair."""

    tokens: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    """Ids of labels, one for each token."""

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
        document: dict[str, Any] = {"text": self.tokens or self.text, "label": self.tags if self.label is None else self.label}
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

    @cached_property
    def digest(self) -> str:
        """Of the sorted items: the order of rows and the format of the file do not matter."""
        return digest_bytes(b"\n".join(sorted(example.to_line() for example in self.examples)))


def find_unknown_label(examples: Sequence[Example], known: Collection[str]) -> tuple[int, str] | None:
    """Return the position (from 0) and the id of the first label that is none of the known ones."""
    ids = set(known)
    return next(((position, label) for position, example in enumerate(examples) for label in example.labels if label not in ids), None)
