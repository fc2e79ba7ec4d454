"""A folder of a volume as a source: copied and hashed in one pass, no link followed, no change overlooked."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmos.errors import ConfigError, NotFoundError, PermanentError, TransientError
from llmos.models.folder import is_model_file
from llmos.workload import fetch_from_volume
from llmos.workload.transfer import Arrival

FILES = {"1_Pooling/config.json": b"{}", "config.json": b'{"a": 1}', "model.safetensors": b"weights" * 1000}


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    for path, content in {**FILES, "notes.md": b"x", "pytorch_model.bin": b"pickle"}.items():
        target = tmp_path / "volume" / "team" / "minilm" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return tmp_path / "volume"


def fetch(volume: Path, path: str = "team/minilm", **options: Any) -> str:
    return fetch_from_volume(volume, path, volume.parent / "model", wanted=is_model_file, name=f"volume models/{path}", **options)


def found_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_folder_is_copied_as_far_as_it_makes_up_a_model(volume: Path) -> None:
    fetch(volume)
    assert found_in(volume.parent / "model") == FILES


def test_a_root_is_a_folder_too_and_what_the_file_system_keeps_there_is_passed_over(volume: Path) -> None:
    root = volume / "team" / "minilm"
    (root / "lost+found").mkdir()
    (root / "lost+found" / "config.json").symlink_to("nowhere")
    fetch(root, "")
    assert found_in(root.parent / "model") == FILES


def test_the_digest_is_of_names_and_contents_and_of_nothing_else(volume: Path, tmp_path: Path) -> None:
    first = fetch(volume)
    (tmp_path / "model").rename(tmp_path / "first")
    os.utime(volume / "team" / "minilm" / "config.json", (1, 1))
    (volume / "team" / "minilm" / "notes.md").write_text("other")
    assert fetch(volume) == first
    (tmp_path / "model").rename(tmp_path / "second")
    (volume / "team" / "minilm" / "config.json").write_bytes(b'{"a": 2}')
    assert fetch(volume) != first
    assert first.startswith("sha256:")


def link_file(folder: Path) -> None:
    (folder / "extra.json").symlink_to("/etc/passwd")


def link_inside(folder: Path) -> None:
    (folder / "extra.json").symlink_to("config.json")


def link_folder(folder: Path) -> None:
    (folder / "extra").symlink_to("/etc")


def make_fifo(folder: Path) -> None:
    os.mkfifo(folder / "extra.json")


@pytest.mark.parametrize("spoil", [link_file, link_inside, link_folder, make_fifo])
def test_a_link_or_a_device_is_refused_by_name(volume: Path, spoil: Callable[[Path], None]) -> None:
    spoil(volume / "team" / "minilm")
    with pytest.raises(PermanentError, match=r"volume models/team/minilm contains 'extra.*', which is a link or a device; copy the files"):
        fetch(volume)
    assert not (volume.parent / "model").exists()


def test_a_folder_that_is_a_link_is_refused(volume: Path) -> None:
    (volume / "other").symlink_to("team")
    with pytest.raises(PermanentError, match="'other' is a link; it is refused"):
        fetch(volume, "other/minilm")


@pytest.mark.parametrize("path", ["..", "../model", "/team", "team//minilm", "team/./minilm", "team\\minilm", "team/minilm/"])
def test_a_path_that_climbs_is_refused(volume: Path, path: str) -> None:
    with pytest.raises(ConfigError, match=r"pvc\.path .* must be relative"):
        fetch(volume, path)


def test_a_folder_that_is_not_there_yet_is_looked_for_again_and_what_is_there_is_named(volume: Path) -> None:
    with pytest.raises(NotFoundError, match="is not there: no folder 'minlm' beside minilm; copy it there, or correct"):
        fetch(volume, "team/minlm")
    with pytest.raises(NotFoundError, match=r"no folder 'config\.json'"):
        fetch(volume, "team/minilm/config.json")


def test_a_folder_without_a_model_is_refused(volume: Path) -> None:
    (volume / "empty").mkdir()
    with pytest.raises(PermanentError, match="holds no file of a model"):
        fetch(volume, "empty")


def test_a_file_that_changes_while_it_is_read_is_read_again_later(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append = Arrival.append

    def and_meanwhile(self: Arrival, piece: bytes) -> None:
        append(self, piece)
        with (volume / "team" / "minilm" / "model.safetensors").open("ab") as file:
            file.write(b"more")

    monkeypatch.setattr(Arrival, "append", and_meanwhile)
    with pytest.raises(TransientError, match=r"model\.safetensors of volume models/team/minilm changed while it was read"):
        fetch(volume)
    assert not (volume.parent / "model").exists()


def test_a_file_that_may_not_be_read_names_the_user(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refuse(path: Any, *arguments: Any, **options: Any) -> int:
        if path == "config.json":
            raise PermissionError(13, "Permission denied", "config.json")
        return real(path, *arguments, **options)

    # The tests run as root, who may read everything.
    monkeypatch.setattr("llmos.workload.volume.os.open", refuse)
    with pytest.raises(TransientError, match=rf"config\.json may not be read by user {os.getuid()}; give it read permission"):
        fetch(volume)


def test_a_volume_whose_server_is_away_is_tried_again(volume: Path) -> None:
    with pytest.raises(TransientError, match="volume models/a cannot be read: No such file or directory"):
        fetch(volume.parent / "not-mounted", "a")
