"""Writing so that a kill leaves the old or the new."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmos.local.files import folder_made_whole, hash_files, write_atomically


def test_an_equal_file_is_left_untouched(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_atomically(path, "text", mode=0o600)
    before = path.stat()
    write_atomically(path, "text", mode=0o600)
    assert path.stat().st_ino == before.st_ino
    assert before.st_mode & 0o777 == 0o600


def test_a_folder_appears_only_when_its_block_ends_well(tmp_path: Path) -> None:
    target = tmp_path / "pki"

    def fail_half_way(folder: Path) -> None:
        (folder / "half").write_text("written")
        raise RuntimeError

    with pytest.raises(RuntimeError), folder_made_whole(target) as folder:
        fail_half_way(folder)
    assert list(tmp_path.iterdir()) == []
    with folder_made_whole(target) as folder:
        (folder / "all").write_text("written")
        assert not target.exists()
    assert (target / "all").read_text() == "written"


def test_what_a_killed_run_left_beside_the_folder_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".pki.abc").mkdir()
    (tmp_path / ".pki.abc" / "ca.key").write_text("half")
    with folder_made_whole(tmp_path / "pki"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["pki"]


def test_the_digest_changes_with_content_name_executable_bit_and_salt_and_with_nothing_else(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("1")
    second.write_text("2")
    digest = hash_files(tmp_path, [first, second])
    assert hash_files(tmp_path, [second, first]) == digest
    others = {
        hash_files(tmp_path, [first]),
        hash_files(tmp_path, [first, second], "salt"),
        hash_files(tmp_path, [first, second], "sal", "t"),
    }
    first.chmod(0o755)
    others.add(hash_files(tmp_path, [first, second]))
    first.chmod(0o644)
    second.rename(tmp_path / "c")
    others.add(hash_files(tmp_path, [first, tmp_path / "c"]))
    (tmp_path / "c").write_text("3")
    others.add(hash_files(tmp_path, [first, tmp_path / "c"]))
    assert len(others - {digest}) == 6
