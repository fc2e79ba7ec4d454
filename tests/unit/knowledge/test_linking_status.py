"""Linking and assertion together, in a snapshot with English and Chinese names."""

from pathlib import Path

import pytest

from llmos.knowledge import LinkingSettings, Snapshot, build_snapshot
from tests.unit.knowledge.conftest import write_sources

CHINESE = {"HP:0001250": ["癫痫", "抽搐"], "HP:0001252": ["肌张力低下"], "HP:0001324": ["无力"], "HP:0000256": ["头"]}


def add_chinese_names(connection):
    for id, names in CHINESE.items():
        for name in names:
            connection.execute(
                "INSERT INTO name SELECT number, ?, 'Exact', '', 'zh', (SELECT min(number) FROM file) FROM entity WHERE id = ?", [name, id]
            )
    return {}


@pytest.fixture(scope="module")
def bilingual(tmp_path_factory) -> Snapshot:
    directory: Path = tmp_path_factory.mktemp("bilingual")
    linking = LinkingSettings(languages=("en", "zh"))
    build_snapshot(write_sources(tmp_path_factory.mktemp("sources")), directory, linking=linking, steps=[add_chinese_names])
    with Snapshot.open(directory) as opened:
        yield opened


def linked(snapshot, text):
    return [(mention.text, mention.id, str(mention.status)) for mention in snapshot.link(text)]


def test_both_languages_and_both_ways_of_writing_end_at_the_same_entity(bilingual):
    assert {mention.id for text in ("seizure", "癫痫", "癲癇", "ｓｅｉｚｕｒｅ") for mention in bilingual.link(text)} == {"HP:0001250"}


def test_what_is_denied_is_negated_in_both_languages(bilingual):
    assert linked(bilingual, "No seizures; low muscle tone.") == [
        ("seizures", "HP:0001250", "Negated"),
        ("low muscle tone", "HP:0001252", "Present"),
    ]
    assert linked(bilingual, "否認抽搐，有肌張力低下。父亲有癫痫。") == [
        ("抽搐", "HP:0001250", "Negated"),
        ("肌張力低下", "HP:0001252", "Present"),
        ("癫痫", "HP:0001250", "Other"),
    ]


def test_a_short_name_that_cuts_a_word_is_no_mention_and_hides_nothing(bilingual):
    assert linked(bilingual, "双腿无力。") == [("无力", "HP:0001324", "Present")]
    assert linked(bilingual, "毫无力量。") == []


def test_a_chinese_character_counts_as_two_so_two_are_enough_and_one_is_not(bilingual):
    assert linked(bilingual, "头大") == []
