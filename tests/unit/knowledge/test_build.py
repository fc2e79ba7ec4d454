"""Building: the same content whatever the order of sources, bytes equal twice, bad lines located, hopeless files refused."""

import random
from pathlib import Path

import pytest

from llmos.errors import ConfigError
from llmos.knowledge import LinkingSettings, Snapshot, SourceFile, build_snapshot
from tests.unit.knowledge.conftest import HPOA, OBO, hpoa_line, write_sources


def build(files: list[SourceFile], directory: Path, **settings):
    directory.mkdir()
    return build_snapshot(files, directory, linking=LinkingSettings(**settings))


def test_building_twice_gives_equal_bytes_whatever_the_order_of_the_sources(sources, tmp_path):
    build(sources, tmp_path / "a")
    build(sources[::-1], tmp_path / "b")
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["facts.sqlite", "names.marisa", "snapshot.json"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_the_order_of_lines_leaves_no_trace_in_the_content_digest(tmp_path):
    expected = build(write_sources(tmp_path), tmp_path / "a").description.content_digest
    header, *stanzas = OBO.split("\n\n[")
    random.Random(1).shuffle(stanzas)
    shuffled = "\n\n[".join([header, *(stanza.strip("\n") for stanza in stanzas)]) + "\n"
    lines = HPOA.splitlines(keepends=True)
    (tmp_path / "two").mkdir()
    files = write_sources(tmp_path / "two", shuffled, "".join(lines[:3] + lines[3:][::-1]))
    assert shuffled != OBO
    assert build(files, tmp_path / "b").description.content_digest == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [("Large head", "Big head"), ("is_a: HP:0000118 ! Phen", "is_a: HP:0000001 ! Phen"), ("EXACT layperson", "BROAD layperson")],
    ids=["a name", "a fact", "a scope"],
)
def test_changing_one_thing_changes_the_content_digest(tmp_path, old, new):
    first = build(write_sources(tmp_path), tmp_path / "a").description.content_digest
    (tmp_path / "two").mkdir()
    assert build(write_sources(tmp_path / "two", OBO.replace(old, new, 1)), tmp_path / "b").description.content_digest != first


def test_linking_settings_are_part_of_the_content(sources, tmp_path):
    first = build(sources, tmp_path / "a").description.content_digest
    assert build(sources, tmp_path / "b", minimum_name_characters=4).description.content_digest != first
    assert build(sources, tmp_path / "c", languages=("en", "de")).description.content_digest != first


def test_counts_name_what_is_inside(sources, tmp_path):
    built = build(sources, tmp_path / "a")
    counts = built.description.counts
    assert built.problems == []
    assert {name: counts[name] for name in ("entities", "terms", "diseases", "names", "synonyms", "facts", "evidence")} == {
        "entities": 8,
        "terms": 6,
        "diseases": 2,
        "names": 14,
        "synonyms": 6,
        # OMIM:2 says the same of an alternative and of a replaced identifier: one fact, once.
        "facts": 5 + 2 + 1 + 1,
        "evidence": 5 + 3 + 1 + 1,
    }
    assert counts["facts.lacks_phenotype"] == 1


def test_a_replacement_that_was_replaced_itself_is_followed_to_the_end(tmp_path):
    chain = "".join(
        f"\n[Term]\nid: {old}\nname: obsolete {old}\nis_obsolete: true\nreplaced_by: {new}\n"
        for old, new in (("HP:0007777", "HP:0008888"), ("HP:0008888", "HP:0009999"))
    )
    built = build(write_sources(tmp_path, OBO + chain, HPOA + hpoa_line("OMIM:3", "Three", "", "HP:0007777")), tmp_path / "a")
    assert built.problems == []
    with Snapshot.open(tmp_path / "a") as snapshot:
        assert [fact.object.id for fact in snapshot.facts("OMIM:3", 10)] == ["HP:0001250"]


def test_replacements_that_go_in_a_circle_lead_nowhere(tmp_path):
    circle = "".join(
        f"\n[Term]\nid: {old}\nname: obsolete {old}\nis_obsolete: true\nreplaced_by: {new}\n"
        for old, new in (("HP:0007777", "HP:0008888"), ("HP:0008888", "HP:0007777"))
    )
    with pytest.raises(ConfigError, match="HP:0007777 is not defined"):
        build(write_sources(tmp_path, OBO + circle, HPOA + hpoa_line("OMIM:3", "Three", "", "HP:0007777")), tmp_path / "a")


def test_a_malformed_line_is_counted_and_located_and_the_rest_is_used(tmp_path):
    many = "".join(hpoa_line(f"OMIM:{index}", f"Disease {index}", "", "HP:0001250") for index in range(10, 400))
    bad = (
        HPOA
        + many
        + "OMIM:9\ttoo\tfew\n"
        + hpoa_line("OMIM:9", "Nine", "", "HP:7777777")
        + hpoa_line("OMIM:9", "Nine", "MAYBE", "HP:0001250")
    )
    first_bad = HPOA.count("\n") + 390 + 1
    built = build(write_sources(tmp_path, hpoa=bad), tmp_path / "a")
    assert [(problem.line, problem.message.split()[0]) for problem in built.problems] == [
        (first_bad, "3"),
        (first_bad + 1, "HP:7777777"),
        (first_bad + 2, "qualifier"),
    ]
    assert built.description.counts["problems"] == 3
    assert built.description.counts["facts.has_phenotype"] == 3 + 390


@pytest.mark.parametrize(
    ("obo", "hpoa", "sentence"),
    [
        ("<html>not found</html>\n", HPOA, "data/hp.obo has no OBO records"),
        (OBO, "a,b,c\n1,2,3\n", "data/phenotype.hpoa has no HPOA records"),
        (
            OBO + "\n[Term]\nname: nobody\n",
            HPOA,
            r"data/hp.obo has 1 malformed lines for \d+ OBO records, more than 1 %: data/hp.obo:\d+: a \[Term\] without id",
        ),
        (OBO, HPOA + hpoa_line("OMIM:3", "Three", "", "HP:7777777"), "HP:7777777 is not defined"),
    ],
    ids=["not OBO", "not HPOA", "too many bad stanzas", "too many unknown terms"],
)
def test_a_file_that_is_not_what_it_claims_to_be_is_refused(tmp_path, obo, hpoa, sentence):
    with pytest.raises(ConfigError, match=sentence) as caught:
        build(write_sources(tmp_path, obo, hpoa), tmp_path / "a")
    assert caught.value.reason == "InvalidSource"


def test_languages_without_any_name_are_refused(sources, tmp_path):
    with pytest.raises(ConfigError, match=r"no name in the sources can be linked: linking.languages is \['zh'\]"):
        build(sources, tmp_path / "a", languages=("zh",))
