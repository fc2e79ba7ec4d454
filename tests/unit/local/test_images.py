"""What an image's tag depends on, and the pause image."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest

from llmos.local.images import IMAGES, image_tags
from llmos.local.pause_image import pack_image
from llmos.local.settings import source_root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with the files that decide tags."""
    source = source_root()
    shutil.copytree(source / "images", tmp_path / "images", ignore=shutil.ignore_patterns("node"))
    shutil.copytree(source / "requirements", tmp_path / "requirements")
    for package in ("llmos", "operator/llmos_operator"):
        (tmp_path / package).mkdir(parents=True)
        (tmp_path / package / "__init__.py").write_text("")
    (tmp_path / "pyproject.toml").write_text("")
    return tmp_path


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


def test_a_change_of_our_code_changes_every_image_but_the_base(root: Path) -> None:
    before = image_tags(root)
    (root / "llmos" / "new.py").write_text("x = 1")
    assert changed(before, image_tags(root)) == set(IMAGES)


def test_a_lock_changes_its_own_image_only(root: Path) -> None:
    before = image_tags(root)
    with (root / "requirements" / "sidecar.txt").open("a") as lock:
        lock.write("# another version\n")
    assert changed(before, image_tags(root)) == {"sidecar"}


def test_the_base_changes_all(root: Path) -> None:
    before = image_tags(root)
    with (root / "images" / "base" / "Containerfile").open("a") as containerfile:
        containerfile.write("# another user\n")
    assert changed(before, image_tags(root)) == {"base", *IMAGES}


def test_compiled_files_and_development_locks_change_nothing(root: Path) -> None:
    before = image_tags(root)
    (root / "llmos" / "__pycache__").mkdir()
    (root / "llmos" / "__pycache__" / "x.pyc").write_bytes(b"1")
    with (root / "requirements" / "dev.txt").open("a") as lock:
        lock.write("# another version\n")
    assert changed(before, image_tags(root)) == set()


def test_containerfiles_run_as_our_user_take_their_base_as_an_argument_and_end_with_our_code() -> None:
    for name in ("base", *IMAGES):
        lines = (source_root() / "images" / name / "Containerfile").read_text().splitlines()
        assert "ARG BASE=" in "\n".join(lines)
        assert [line for line in lines if line.startswith("USER")][-1] == "USER 65532:65532"
        if name != "base":
            content = [line for line in lines if line.split(" ")[0] in {"RUN", "COPY", "ADD"}]
            assert content[-1] == "COPY --from=wheel /application /opt/llmos/lib/python3.11/site-packages"


def test_no_file_of_ours_names_a_mirror_or_a_package_index() -> None:
    root = source_root()
    files = [
        path for folder in ("images", "requirements", "scripts", "llmos/local") for path in (root / folder).rglob("*") if path.is_file()
    ]
    hosts = ("pypi" + ".org", "pythonhosted" + ".org", "deb.debian" + ".org", "proxy.golang" + ".org", "docker" + ".io/")
    named = [(path.name, host) for path in files if path.suffix != ".pyc" for host in hosts if host in path.read_text(errors="replace")]
    assert named == []


def test_the_pause_image_is_one_static_file_that_is_the_entry_point() -> None:
    with tarfile.open(fileobj=io.BytesIO(pack_image("llmos.local/pause:1", program=b"program"))) as archive:
        (manifest,) = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
        config = json.load(archive.extractfile(manifest["Config"]))  # type: ignore[arg-type]
        with tarfile.open(fileobj=archive.extractfile(manifest["Layers"][0])) as layer:
            entries = [(entry.name, entry.mode) for entry in layer]
    assert manifest["RepoTags"] == ["llmos.local/pause:1"]
    assert config["config"]["Entrypoint"] == ["/pause"]
    assert entries == [("pause", 0o755)]
