"""Finding names: exactly what a plain token-by-token search finds, with spans in the text as it was given."""

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.knowledge.linking.linker import Linker
from llmos.knowledge.linking.names import encode_key, findable
from llmos.knowledge.linking.normalise import keys, tokenise


def found(snapshot, text):
    return [(mention.text, mention.id) for mention in snapshot.link(text)]


def test_the_demo_question_finds_its_three_entities(snapshot):
    text = "The child has seizures, a large head and was found to have low muscle tone."
    assert found(snapshot, text) == [("seizures", "HP:0001250"), ("large head", "HP:0000256"), ("low muscle tone", "HP:0001252")]


def test_the_longest_name_wins_and_words_are_never_cut(snapshot):
    assert found(snapshot, "epileptic seizure") == [("epileptic seizure", "HP:0001250")]
    assert found(snapshot, "seizurelike, macrocephalyx") == []


def test_punctuation_case_and_line_breaks_do_not_matter(snapshot):
    assert found(snapshot, "LOW  muscle-\nTone") == [("LOW  muscle-\nTone", "HP:0001252")]
    assert found(snapshot, "low-tone syndrome") == [("low-tone syndrome", "OMIM:1")]


def test_a_disease_is_found_by_its_name(snapshot):
    assert found(snapshot, "perhaps Seizure disease 2?") == [("Seizure disease 2", "OMIM:2")]


def test_spans_count_characters_of_the_original_text(snapshot):
    text = "😀 ﬁt; Ｓｅｉｚｕｒｅ and large\u00a0head"
    assert [(text[m.start : m.end], m.text) for m in snapshot.link(text)] == [("Ｓｅｉｚｕｒｅ",) * 2, ("large\u00a0head",) * 2]


def test_an_ambiguous_name_keeps_all_candidates_closest_first(snapshot):
    (mention,) = snapshot.link("weakness")
    assert (mention.id, mention.candidates) == ("HP:0001324", ("HP:0001324", "HP:0001252"))


def test_regular_plurals_are_found_and_exact_names_beat_them(snapshot):
    assert found(snapshot, "large heads") == [("large heads", "HP:0000256")]
    assert found(snapshot, "phenotypic abnormalities") == [("phenotypic abnormalities", "HP:0000118")]
    assert snapshot.link("seizures")[0].candidates == ("HP:0001250",)


def test_function_words_are_no_names_and_longer_names_may_hold_them(snapshot):
    assert found(snapshot, "all of the children") == []


def test_what_is_looked_for_is_the_words_of_a_name_and_of_its_plural():
    assert findable("a-bc") == ("a\x03bc\x03", "", 3)
    assert findable("Large Head!") == ("large\x03head\x03", "large\x03heads\x03", 9)
    assert findable("all of the") == findable("?!") == findable("word " * 2000) == ("", "", 0)


def test_chinese_names_are_found_inside_running_text():
    linker = Linker.build([encode_key(keys(name)).encode() for name in ("癫痫", "低肌张力")])
    text = "孩子有癫痫和低肌张力。"
    assert [text[match.start : match.end] for match in linker.find(text)] == ["低肌张力", "癫痫"][::-1]


def gold(text: str, table: set[tuple[str, ...]]) -> list[tuple[int, int, tuple[str, ...]]]:
    """Leftmost-longest by trying every length at every token."""
    tokens = tokenise(text)
    result, at = [], 0
    while at < len(tokens):
        for length in range(len(tokens) - at, 0, -1):
            key = tuple(token.key for token in tokens[at : at + length])
            if key in table:
                result.append((tokens[at].start, tokens[at + length - 1].end, key))
                at += length
                break
        else:
            at += 1
    return result


# Few different words, so that names overlap, nest and share beginnings; and letters on which Unicode is difficult.
WORDS = st.sampled_from(["a", "b", "ab", "ba", "Straße", "STRASSE", "İ", "é", "e\u0301", "ﬁ", "癫", "痫", "１", "ǆ", "ﾊﾞ", "가", "각"])
PHRASES = st.lists(WORDS, min_size=1, max_size=4).map(" ".join)
SEPARATORS = st.sampled_from([" ", ", ", "-", "\n", "\u00a0", "", "\u0301", "\u200d"])
TEXTS = st.lists(st.tuples(WORDS, SEPARATORS), max_size=20).map(lambda parts: "".join(word + gap for word, gap in parts))


@given(names=st.lists(PHRASES, min_size=1, max_size=12), text=TEXTS | st.text(max_size=40))
def test_the_linker_finds_exactly_what_a_naive_search_finds(names, text):
    tokens_of = {encode_key(key).encode(): key for name in names if (key := tuple(keys(name)))}
    linker = Linker.build(sorted(tokens_of))
    by_number = dict(zip(linker.numbers(tokens_of), tokens_of.values(), strict=True))
    found = [(match.start, match.end, by_number[match.key]) for match in linker.find(text)]
    assert found == gold(text, set(tokens_of.values()))


@given(names=st.lists(PHRASES, min_size=1, max_size=12), hidden=st.sets(st.integers(0, 11)), text=TEXTS)
def test_a_hidden_name_changes_nothing_about_how_the_others_are_found(names, hidden, text):
    tokens_of = {encode_key(key).encode(): key for name in names if (key := tuple(keys(name)))}
    shown = {encode_key(keys(name)).encode() for index, name in enumerate(names) if index not in hidden} & set(tokens_of)
    linker = Linker.build(sorted(tokens_of))
    by_number = dict(zip(linker.numbers(tokens_of), tokens_of.values(), strict=True))
    seen = set(linker.numbers(shown))
    found = [(match.start, match.end, by_number[match.key]) for match in linker.find(text, is_seen=seen.__contains__)]
    assert found == gold(text, {tokens_of[key] for key in shown})


def test_a_trie_is_mapped_from_its_file_and_anything_else_is_refused(tmp_path):
    Linker.build([encode_key(["a"]).encode()]).save(tmp_path / "names")
    assert [(match.start, match.end) for match in Linker.open(tmp_path / "names").find("b a")] == [(2, 3)]
    (tmp_path / "names").write_bytes(b"something else")
    with pytest.raises(ValueError, match="names is no trie"):
        Linker.open(tmp_path / "names")


@given(st.text(max_size=60) | TEXTS)
def test_token_spans_are_in_order_and_normalising_the_span_gives_the_key(text):
    tokens = tokenise(text)
    for before, after in pairwise(tokens):
        assert before.start < before.end
        assert before.end <= after.start or unicodedata.normalize("NFKC", text) != text
    if unicodedata.is_normalized("NFKC", text):
        assert [keys(text[token.start : token.end]) for token in tokens] == [[token.key] for token in tokens]


@given(st.text(max_size=60) | TEXTS)
def test_normalised_text_gives_the_same_keys(text):
    normal = unicodedata.normalize("NFKC", text)
    assert "".join(keys(text)) == "".join(keys(normal)) or not set(text).isdisjoint(map(chr, range(0x900, 0x1100)))
