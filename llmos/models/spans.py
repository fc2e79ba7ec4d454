"""From a label for each word to spans of the text: what a token classifier found, and where.

Works without torch; a server reads a model's answer with the same functions that measured it. Must not: know a model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from llmos.models.labels import Label

__all__ = ["Scheme", "Span", "choose_scheme", "decode_spans"]

OUTSIDE = "O"


class Scheme(StrEnum):
    """How labels of words tell where a span begins."""

    BIO = "BIO"
    """`B-x` begins a span, `I-x` goes on with it, `O` is none."""

    PLAIN = "Plain"
    """Neighbours of one label are one span; `O`, if there is one, is none."""


@dataclass(frozen=True, slots=True)
class Span:
    """Something that was found."""

    start: int
    """First character, in code points."""

    end: int
    """One past the last."""

    label: str
    """Without `B-` or `I-`."""


def choose_scheme(labels: Sequence[Label]) -> Scheme:
    """Return BIO where every label has its form, and one begins a span."""
    ids = [label.id for label in labels]
    is_bio = all(label == OUTSIDE or label.startswith(("B-", "I-")) for label in ids) and any(label.startswith("B-") for label in ids)
    return Scheme.BIO if is_bio else Scheme.PLAIN


def decode_spans(labels: Sequence[str], offsets: Sequence[tuple[int, int]], scheme: Scheme) -> list[Span]:
    """Join words into spans.

    Args:
        labels: one for each word, in order.
        offsets: first character and one past the last of each word.
        scheme: what the labels mean. In BIO, an `I-x` that follows no `x` begins a span: models make that mistake, and what they found is
            kept.

    Raises: ValueError if there are not as many labels as words.
    """
    spans: list[Span] = []
    last = OUTSIDE
    for label, (start, end) in zip(labels, offsets, strict=True):
        name = label[2:] if scheme is Scheme.BIO and label != OUTSIDE else label
        is_joined = spans and name == last and not (scheme is Scheme.BIO and label.startswith("B-"))
        if name != OUTSIDE and is_joined:
            spans[-1] = Span(spans[-1].start, end, name)
        elif name != OUTSIDE:
            spans.append(Span(start, end, name))
        last = name
    return spans
