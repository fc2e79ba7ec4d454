"""Unpacking a wheel: nothing in it is believed."""

from pathlib import Path
from typing import Any

import pytest

from llmos.errors import ConfigError, PermanentError
from llmos.workload.wheel import unpack_members
from tests.unit.workload.wheels import GOOD, build_wheel


def unpack(tmp_path: Path, paths: list[str], **options: Any) -> list[str]:
    (wheel,) = tmp_path.glob("*.whl")
    into = tmp_path / "deep/into"
    unpack_members(wheel, paths, into, **options)
    return sorted(str(path.relative_to(into)) for path in into.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", ["pkg/w.pkl", "pkg/w.pt", "pkg/w.pth", "pkg/pytorch_model.bin", "pkg/W.BIN", "pkg/w.ckpt"])
def test_a_pickle_is_refused_by_name(tmp_path: Path, name: str) -> None:
    build_wheel(tmp_path, {name: b"x", "pkg/ok.json": b"{}"})
    with pytest.raises(PermanentError, match=f"{name}.*pickle"):
        unpack(tmp_path, ["pkg"])


def test_a_pickle_beside_what_was_asked_for_does_no_harm(tmp_path: Path) -> None:
    build_wheel(tmp_path, {"pkg/pytorch_model.bin": b"x", "pkg/ok.json": b"{}"})
    assert unpack(tmp_path, ["pkg/ok.json"]) == ["pkg/ok.json"]


def test_a_pickle_in_disguise_is_refused(tmp_path: Path) -> None:
    import pickle

    build_wheel(tmp_path, {"pkg/config.json": pickle.dumps({"a": 1})})
    with pytest.raises(PermanentError, match="pickle"):
        unpack(tmp_path, ["pkg/config.json"])


@pytest.mark.parametrize("name", ["pkg/../../evil", "pkg//evil", "pkg/./evil"])
def test_a_member_that_would_leave_its_directory_is_refused(tmp_path: Path, name: str) -> None:
    build_wheel(tmp_path, {name: b"x"})
    with pytest.raises(PermanentError, match="leave its directory"):
        unpack(tmp_path, ["pkg"])
    assert list(tmp_path.rglob("evil")) == []


def test_a_link_is_refused(tmp_path: Path) -> None:
    build_wheel(tmp_path, {"pkg/ok": b"x"}, link="pkg/link")
    with pytest.raises(PermanentError, match="link"):
        unpack(tmp_path, ["pkg"])


def test_what_would_unpack_too_large_is_refused(tmp_path: Path) -> None:
    build_wheel(tmp_path, {"pkg/zeros": b"\0" * 2_000_000})
    with pytest.raises(PermanentError, match="2000000 bytes; at most 1000000"):
        unpack(tmp_path, ["pkg"], maximum_bytes=1_000_000)


def test_a_path_that_is_not_there_is_named_with_what_is(tmp_path: Path) -> None:
    build_wheel(tmp_path, GOOD)
    with pytest.raises(PermanentError, match=r"has no 'pkg/mode'; at its top are .*pkg"):
        unpack(tmp_path, ["pkg/mode"])


@pytest.mark.parametrize("path", ["../a", "/a", ".", "", "pkg/../pkg", "pkg//model"])
def test_a_path_that_cannot_be_one_is_refused(tmp_path: Path, path: str) -> None:
    build_wheel(tmp_path, GOOD)
    with pytest.raises(ConfigError, match="path"):
        unpack(tmp_path, [path])


def test_a_file_that_is_no_wheel_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.whl").write_bytes(b"PK but no archive")
    with pytest.raises(PermanentError, match="not a readable wheel"):
        unpack(tmp_path, ["pkg"])
