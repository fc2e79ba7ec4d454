import pytest

from llmos.models import Label
from llmos.models.spans import Scheme, Span, choose_scheme, decode_spans

OFFSETS = [(0, 4), (5, 9), (10, 14), (15, 19)]


@pytest.mark.parametrize(
    ("labels", "spans"),
    [
        ("O O O O", []),
        ("B-a I-a O B-a", [Span(0, 9, "a"), Span(15, 19, "a")]),
        ("B-a B-a O O", [Span(0, 4, "a"), Span(5, 9, "a")]),
        ("B-a I-b I-b O", [Span(0, 4, "a"), Span(5, 14, "b")]),
        ("O I-a I-a O", [Span(5, 14, "a")]),
        ("I-a O I-a B-b", [Span(0, 4, "a"), Span(10, 14, "a"), Span(15, 19, "b")]),
    ],
)
def test_words_of_one_mention_are_one_span(labels: str, spans: list[Span]) -> None:
    assert decode_spans(labels.split(), OFFSETS, Scheme.BIO) == spans


def test_without_begin_marks_neighbours_of_one_label_are_one_span() -> None:
    assert decode_spans(["a", "a", "O", "b"], OFFSETS, Scheme.PLAIN) == [Span(0, 9, "a"), Span(15, 19, "b")]


def test_as_many_labels_as_words() -> None:
    with pytest.raises(ValueError, match="zip"):
        decode_spans(["O"], OFFSETS, Scheme.BIO)


@pytest.mark.parametrize(
    ("ids", "scheme"), [(["O", "B-a", "I-a"], "BIO"), (["O", "a"], "Plain"), (["O", "I-a"], "Plain"), (["B-a", "other"], "Plain")]
)
def test_the_scheme_is_read_off_the_labels(ids: list[str], scheme: str) -> None:
    assert choose_scheme([Label(id, id) for id in ids]) == scheme
