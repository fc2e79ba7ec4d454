"""Keys of a mounted ConfigMap, laid as the kubelet lays them: links to a folder that is swapped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llmos.errors import NotFoundError, TransientError
from llmos.workload import config_map
from llmos.workload.config_map import fetch_config_map


def lay(mounted: Path, generation: str, keys: dict[str, str]) -> None:
    """Write what the kubelet writes, and swap to it."""
    folder = mounted / f"..{generation}"
    folder.mkdir(parents=True)
    for key, value in keys.items():
        (folder / key).write_text(value)
        link = mounted / key
        if not link.is_symlink():
            link.symlink_to(f"..data/{key}")
    (mounted / "..swap").symlink_to(f"..{generation}")
    os.replace(mounted / "..swap", mounted / "..data")


def test_keys_become_files_and_their_digest_tells_another_content(tmp_path: Path) -> None:
    mounted = tmp_path / "mounted"
    lay(mounted, "one", {"a.csv": "1", "b.csv": "2"})
    first = fetch_config_map(mounted, ["a.csv"], tmp_path / "first", name="terms")
    assert {path.name: path.read_text() for path in (tmp_path / "first").iterdir()} == {"a.csv": "1"}
    lay(mounted, "two", {"a.csv": "1", "b.csv": "changed"})
    assert fetch_config_map(mounted, ["a.csv"], tmp_path / "second", name="terms") == first
    lay(mounted, "three", {"a.csv": "changed"})
    assert fetch_config_map(mounted, ["a.csv"], tmp_path / "third", name="terms") != first


def test_a_key_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    lay(tmp_path / "mounted", "one", {"a.csv": "1"})
    with pytest.raises(NotFoundError, match=r"ConfigMap terms has no key 'b\.csv', only a\.csv; add it"):
        fetch_config_map(tmp_path / "mounted", ["b.csv"], tmp_path / "into", name="terms")
    assert not (tmp_path / "into").exists()


def test_no_snapshot_has_half_of_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted = tmp_path / "mounted"
    lay(mounted, "one", {"a.csv": "old", "b.csv": "old"})
    place = config_map.place_inside

    def change_after_the_first(folder: Path, path: str, field: str) -> Path:
        if path == "a.csv":
            lay(mounted, "two", {"a.csv": "new", "b.csv": "new"})
            for key in ("a.csv", "b.csv"):
                (mounted / "..one" / key).unlink()
            (mounted / "..one").rmdir()
        return place(folder, path, field)

    monkeypatch.setattr(config_map, "place_inside", change_after_the_first)
    with pytest.raises(TransientError, match="ConfigMap terms was replaced while it was read"):
        fetch_config_map(mounted, ["a.csv", "b.csv"], tmp_path / "into", name="terms")
