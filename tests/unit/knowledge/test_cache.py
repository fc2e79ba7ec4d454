"""Fragments from build to build: always the content of a clean build, whatever was edited, damaged, evicted or killed in between."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmos.knowledge import LinkingSettings, SourceFile, build_snapshot
from llmos.knowledge.building.cache import IN_USE_S, FragmentCache, describe_origin
from llmos.knowledge.building.fragment import FragmentWriter
from llmos.knowledge.building.parsing import parse_file
from llmos.knowledge.formats.registry import FORMATS
from tests.unit.knowledge import calls
from tests.unit.knowledge.calls import write_calls

LARGE = 1 << 30


@pytest.fixture(autouse=True)
def calls_format(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the files that were really parsed."""
    parsed: list[Path] = []

    def bind(options):
        parse = calls.bind(options)

        def counting(location, *, package_version, sink):
            parsed.append(location)
            parse(location, package_version=package_version, sink=sink)

        return counting

    monkeypatch.setitem(FORMATS, calls.FORMAT, bind)
    return parsed


def source(folder: Path, name: str, text: str = "fever") -> SourceFile:
    return write_calls(folder / name, ("entity", "A", "Kind"), ("name", "A", text), ("name", "A", f"{text} of {name}"), source=name)


def digest(files: list[SourceFile], folder: Path, cache: FragmentCache | None) -> str:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return build_snapshot(files, folder, linking=LinkingSettings(), cache=cache).description.content_digest


def parse(file: SourceFile, folder: Path, cache: FragmentCache):
    shutil.rmtree(folder, ignore_errors=True)
    return parse_file(file, folder, cache=cache)


def test_only_the_file_that_changed_is_parsed_again(tmp_path, calls_format):
    cache = FragmentCache(tmp_path / "cache", LARGE)
    files = [source(tmp_path, name) for name in ("a", "b", "c")]
    first = digest(files, tmp_path / "snapshot", cache)
    assert calls_format == [file.location for file in files]
    calls_format.clear()
    assert digest(files, tmp_path / "snapshot", cache) == first
    assert calls_format == []
    files[1] = source(tmp_path, "b", "cough")
    assert digest(files, tmp_path / "snapshot", cache) == digest(files, tmp_path / "clean", None) != first
    assert calls_format[0] == files[1].location


EDITS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(["fever", "cough", "rash", ""]), st.sampled_from(["", "x", "y"])),
    min_size=1,
    max_size=6,
)


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(edits=EDITS)
def test_any_sequence_of_edits_and_deletions_ends_at_the_content_of_a_clean_build(tmp_path_factory, edits):
    folder = tmp_path_factory.mktemp("edits")
    cache = FragmentCache(folder / "cache", LARGE)
    current = {"z": source(folder, "z")}
    for name, text, partition in edits:
        current.pop(name, None)
        if text:
            written = source(folder, name, text)
            current[name] = SourceFile(
                source=name, path=name, format=written.format, package_version="1", location=written.location, partition=partition
            )
        for file in current.values():
            target = folder / "fragment"
            shutil.rmtree(target, ignore_errors=True)
            parse(file, target, cache)
    assert digest(list(current.values()), folder / "snapshot", cache) == digest(list(current.values()), folder / "clean", None)


@pytest.mark.parametrize("change", [{"package_version": "2"}, {"path": "elsewhere"}, {"options": {"x": 1}}])
def test_whatever_decides_what_a_parser_says_is_part_of_the_key(tmp_path, change):
    file = source(tmp_path, "a")
    given = {name: getattr(file, name) for name in ("source", "path", "format", "package_version", "location", "options")}
    assert describe_origin(SourceFile(**{**given, **change})) != describe_origin(file)


@pytest.mark.parametrize("damage", ["cut", "changed", "no description", "no rows"])
def test_a_damaged_fragment_is_parsed_anew_and_replaced(tmp_path, damage, calls_format):
    cache = FragmentCache(tmp_path / "cache", LARGE)
    file = source(tmp_path, "a")
    parse(file, tmp_path / "1", cache)
    (entry,) = cache.folder.iterdir()
    rows = entry / "name.parquet"
    data = rows.read_bytes()
    if damage == "cut":
        rows.write_bytes(data[:-8])
    elif damage == "changed":
        rows.write_bytes(data[:40] + bytes([data[40] ^ 1]) + data[41:])
    else:
        (entry / "fragment.json" if damage == "no description" else rows).unlink()
    calls_format.clear()
    assert parse(file, tmp_path / "2", cache).rows == {"entity": 1, "name": 2}
    assert calls_format == [file.location]
    assert cache.find(describe_origin(file)), "the sound one is kept in its place"


def test_a_build_killed_at_any_moment_leaves_nothing_half_written_that_is_used(tmp_path, monkeypatch, calls_format):
    """Die at the first, second, third … change of the file system, then build again with what is left."""
    file = source(tmp_path, "a")
    clean = digest([file], tmp_path / "clean", None)

    class Killed(BaseException):
        pass

    for moment in range(20):
        cache = FragmentCache(tmp_path / f"cache-{moment}", LARGE)
        left = moment

        def dies(function):
            def call(*arguments, **named):
                nonlocal left
                left -= 1
                if left < 0:
                    raise Killed
                return function(*arguments, **named)

            return call

        with monkeypatch.context() as patch:
            patch.setattr(shutil, "copy2", dies(shutil.copy2))
            patch.setattr(Path, "rename", dies(Path.rename))
            patch.setattr(Path, "mkdir", dies(Path.mkdir))
            patch.setattr(FragmentWriter, "finish", dies(FragmentWriter.finish))
            patch.setattr(shutil, "rmtree", dies(shutil.rmtree))  # a killed process cleans nothing up
            try:
                fragment = parse_file(file, tmp_path / f"fragment-{moment}", cache=cache)
                break
            except Killed:
                pass
        assert digest([file], tmp_path / "snapshot", cache) == clean
    assert moment > 3, "the test must have died somewhere"
    assert fragment.rows == {"entity": 1, "name": 2}


def test_what_was_not_used_for_longest_goes_when_room_is_needed(tmp_path):
    now = 1_000_000.0
    cache = FragmentCache(tmp_path / "cache", LARGE, clock=lambda: now)
    files = [source(tmp_path, name) for name in ("a", "b", "c")]
    for file in files[:2]:
        parse(file, tmp_path / file.path[:1].upper(), cache)
    size = sum(path.stat().st_size for path in cache.folder.rglob("*") if path.is_file())
    for entry in cache.folder.iterdir():
        os.utime(entry, (now - 3 * IN_USE_S,) * 2)
    now -= 2 * IN_USE_S
    assert cache.find(describe_origin(files[0]))
    now += 2 * IN_USE_S
    small = FragmentCache(tmp_path / "cache", size + 10, clock=lambda: now)
    parse(files[2], tmp_path / "C", small)
    assert [bool(small.find(describe_origin(file))) for file in files] == [True, False, True]
    assert sum(path.stat().st_size for path in cache.folder.rglob("*") if path.is_file()) <= size + 10


def test_what_may_be_in_use_is_never_removed_and_a_full_cache_only_costs_time(tmp_path):
    cache = FragmentCache(tmp_path / "cache", LARGE)
    first, second = source(tmp_path, "a"), source(tmp_path, "b")
    parse(first, tmp_path / "A", cache)
    full = FragmentCache(tmp_path / "cache", 1)
    assert parse(second, tmp_path / "B", full).rows == {"entity": 1, "name": 2}
    assert full.find(describe_origin(first))
    assert full.find(describe_origin(second)) is None


def test_a_file_is_forgotten_by_its_bytes(tmp_path):
    cache = FragmentCache(tmp_path / "cache", LARGE)
    first, second = source(tmp_path, "a"), source(tmp_path, "b")
    parse(first, tmp_path / "A", cache)
    parse(second, tmp_path / "B", cache)
    assert cache.forget(describe_origin(first)["file"]) == 1
    assert [bool(cache.find(describe_origin(file))) for file in (first, second)] == [False, True]


def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    file = source(tmp_path, "a")
    assert parse(file, tmp_path / "A", FragmentCache(tmp_path / "cache", LARGE)).rows == {"entity": 1, "name": 2}
