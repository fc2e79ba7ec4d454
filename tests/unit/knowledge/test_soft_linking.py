"""Soft linking: which parts of a text are compared, what is found to be like what, and an index that is data and never code."""

import math
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmos.errors import PermanentError
from llmos.knowledge import LinkingSettings, Snapshot, SourceFile, build_snapshot
from llmos.knowledge.building.soft import _features
from llmos.knowledge.linking.soft.features import pieces_of, words_of
from llmos.knowledge.linking.soft.index import NgramIndex
from llmos.knowledge.linking.soft.linker import MAXIMUM_PARTS, SoftLinker
from llmos.knowledge.linking.soft.settings import SOFT_FILE, SoftSettings
from llmos.knowledge.linking.soft.spans import parts_of

# "kidney" and "renal" are never in one name, and are used for the same things.
PUBLIC = """
[Term]
id: K:1
name: Renal cyst
synonym: "Cysts in the kidney" EXACT []

[Term]
id: K:2
name: Renal agenesis
synonym: "Missing kidney" EXACT []

[Term]
id: K:3
name: Renal hypoplasia
synonym: "Small kidney" EXACT []

[Term]
id: K:4
name: Enlarged renal pelvis

[Term]
id: K:5
name: Enlarged liver
synonym: "Hepatomegaly" EXACT []
"""
PRIVATE = """
[Term]
id: P:1
name: Enlarged kidney pelvis of our own patients
"""


def build(folder, files, soft):
    sources = []
    for name, (text, partition) in files.items():
        (folder / f"{name}.obo").write_text("format-version: 1.2\n" + text)
        sources.append(
            SourceFile(source=name, path=name, format="OBO", package_version="1", location=folder / f"{name}.obo", partition=partition)
        )
    directory = folder / "snapshot"
    directory.mkdir()
    build_snapshot(sources, directory, linking=LinkingSettings(soft=soft))
    return directory


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return build(tmp_path_factory.mktemp("soft"), {"a": (PUBLIC, "")}, SoftSettings())


@pytest.fixture(scope="module")
def snapshot(directory):
    with Snapshot.open(directory) as opened:
        yield opened


def alike(snapshot, text):
    return [(mention.text, mention.id, str(mention.status)) for mention in snapshot.link(text) if mention.score is not None]


def test_words_that_the_sources_use_for_the_same_thing_stand_for_one_another(snapshot):
    assert alike(snapshot, "an enlarged kidney pelvis") == [("enlarged kidney pelvis", "K:4", "Present")]


def test_a_soft_match_has_a_score_and_a_status_and_a_name_has_no_score(snapshot):
    (soft, name) = snapshot.link("No enlarged kidney pelvis, hepatomegaly.")
    assert (soft.id, soft.text, str(soft.status)) == ("K:4", "enlarged kidney pelvis", "Negated")
    assert 0.55 <= soft.score < 1
    assert (name.id, name.score) == ("K:5", None)


def test_spelling_is_forgiven_where_letters_are_nearly_all_alike(snapshot):
    assert alike(snapshot, "hepatomegally") == [("hepatomegally", "K:5", "Present")]


def test_a_single_word_of_many_names_means_none_of_them(snapshot):
    assert alike(snapshot, "the kidney") == []


def test_text_about_something_else_matches_nothing(snapshot):
    assert snapshot.link("I would like to cancel my subscription. Where is the parcel?") == []


def test_chinese_is_compared_by_pairs_of_characters():
    bits = 12
    assert pieces_of(list("头痛"), bits) == pieces_of(["头", "痛"], bits)
    shared = pieces_of(list("肌张力低下"), bits) & pieces_of(list("肌张力很低"), bits)
    assert shared.total() == 3, "the edge and the first character, and two pairs"
    assert not pieces_of(list("痛头"), bits) & pieces_of(list("头痛"), bits)


def test_without_being_asked_for_there_is_no_index_and_no_match(tmp_path):
    directory = build(tmp_path, {"a": (PUBLIC, "")}, None)
    assert sorted(path.name for path in directory.iterdir()) == ["facts.sqlite", "names.marisa", "snapshot.json"]
    with Snapshot.open(directory) as opened:
        assert opened.link("enlarged kidney pelvis") == []


def test_a_partitions_names_take_no_part_and_change_nothing(directory, snapshot, tmp_path):
    mixed = build(tmp_path, {"a": (PUBLIC, ""), "own": (PRIVATE, "secret")}, SoftSettings())
    text = "enlarged kidney pelvis, cyst of the renal kind"
    with Snapshot.open(mixed) as opened:
        assert opened.link(text) == snapshot.link(text)
    arrays = [NgramIndex.open(folder / SOFT_FILE) for folder in (mixed, directory)]
    assert np.array_equal(arrays[0].pieces.weights, arrays[1].pieces.weights)


def test_equal_content_gives_equal_bytes_and_damage_is_refused(directory, tmp_path):
    again = build(tmp_path, {"a": (PUBLIC, "")}, SoftSettings())
    data = (again / SOFT_FILE).read_bytes()
    assert data == (directory / SOFT_FILE).read_bytes()
    (again / SOFT_FILE).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(PermanentError, match=r"names\.ngrams has the digest"):
        Snapshot.open(again)


@pytest.mark.parametrize("keep", [0, 10, 200, -1])
def test_a_file_that_is_cut_off_is_no_index(directory, tmp_path, keep):
    data = (directory / SOFT_FILE).read_bytes()
    (tmp_path / "cut").write_bytes(data[:keep])
    with pytest.raises(ValueError, match=r"."):
        NgramIndex.open(tmp_path / "cut")


def test_a_pickle_is_never_loaded(tmp_path):
    with (tmp_path / "evil").open("wb") as stream:
        for _ in range(12):
            np.lib.format.write_array(stream, np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="no index has"):
        NgramIndex.open(tmp_path / "evil")


def test_parts_are_cut_at_marks_conjunctions_and_names():
    text = "My head hurts and I feel dizzy, with pain in my left knee since Monday"
    start = text.index("Monday")
    assert [text[part.start : part.end] for part in parts_of(text, [(start, start + 6)])] == [
        "head hurts",
        "feel dizzy",
        "pain in my left knee since",
    ]


def test_long_parts_are_cut_into_overlapping_ones():
    words = [f"word{number}" for number in range(11)]
    assert [part.words for part in parts_of(" ".join(words), [])] == [tuple(words[:6]), tuple(words[3:9]), tuple(words[6:])]


def test_however_long_the_text_is_only_its_first_parts_are_compared(directory):
    class Counting:
        searched = 0

        def search(self, words, limit, *, least):
            self.searched += 1
            return []

    index = Counting()
    SoftLinker(index, SoftSettings()).find("some thing. " * 1000, [])
    assert index.searched == MAXIMUM_PARTS


@given(text=st.text(st.sampled_from("abc ,.以头痛\n'andof"), max_size=60), data=st.data())
def test_parts_lie_in_the_text_between_names_and_hold_words(text, data):
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    taken = [(start, end) for start, end in zip(cuts[::2], cuts[1::2], strict=False)]
    for part in parts_of(text, taken):
        assert 0 <= part.start < part.end <= len(text)
        assert part.words
        assert all(end <= part.start or part.end <= start for start, end in taken)


NAMES = st.lists(
    st.lists(st.sampled_from(["renal", "kidney", "cyst", "cysts", "big", "头", "痛"]), min_size=1, max_size=4), min_size=1, max_size=8
)


@settings(max_examples=40)
@given(names=NAMES, asked=st.lists(st.sampled_from(["renal", "cyst", "cystic", "头", "big"]), min_size=1, max_size=3))
def test_the_search_finds_exactly_what_comparing_with_every_name_finds(names, asked):
    bits = 12  # so many buckets that no two of these features share one
    index = NgramIndex(
        owners=np.arange(len(names), dtype=np.int32) // 2,
        pieces=_features([pieces_of(name, bits) for name in names], bits),
        words=_features([words_of(name, bits) for name in names], bits),
        related_starts=np.zeros((1 << bits) + 1, np.int64),
        related=np.zeros(0, np.int32),
        related_weights=np.zeros(0, np.float32),
    )
    expected: dict[int, float] = {}
    is_known = any(word in name for word in asked for name in names)
    for number, name in enumerate(names):
        letters = cosine(_pieces(name), _pieces(asked), [_pieces(each) for each in names])
        words = cosine(Counter(name), Counter(asked), [Counter(each) for each in names])
        expected[number // 2] = max(expected.get(number // 2, 0.0), (letters + words) / 2 if is_known else letters)
    best = max(expected.values())
    found = dict(index.search(asked, 10))
    wanted = {owner: score for owner, score in expected.items() if score > max(best / 2, 1e-5) + 1e-5}
    assert {owner: found.get(owner, 0.0) for owner in wanted} == pytest.approx(wanted, abs=1e-4)
    assert [score for _, score in index.search(asked, 10)] == sorted(found.values(), reverse=True)


def _pieces(words):
    runs = re.sub(r"(?<=[头痛]) (?=[头痛])", "", " ".join(words)).split()
    sizes = [(f" {run} ", 2 if run[0] in "头痛" else 3) for run in runs]
    return Counter(edged[at : at + size] for edged, size in sizes for at in range(len(edged) - size + 1))


def cosine(one, other, everything):
    def vector(counts):
        return {
            key: (1 + math.log(num)) * (math.log((1 + len(everything)) / (1 + sum(key in each for each in everything))) + 1)
            for key, num in counts.items()
        }

    left, right = vector(one), vector(other)
    product = sum(weight * right.get(key, 0.0) for key, weight in left.items())
    return product / math.sqrt(sum(w * w for w in left.values()) * sum(w * w for w in right.values()))
