"""`llmos kb diff`: two snapshots, from folders or from the registry."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner, Result

from llmos.artifacts import KNOWLEDGE_ARTIFACT, KNOWLEDGE_CONFIG, KNOWLEDGE_FILE, FileLayer, Provenance, inputs_hash
from llmos.cli.main import app
from llmos.knowledge import LinkingSettings, build_snapshot
from tests.unit.cli.library_world import NAMESPACE, LibraryWorld
from tests.unit.knowledge.conftest import OBO, write_sources


def diff(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["kb", "diff", *arguments])


@pytest.fixture
def snapshots(tmp_path: Path) -> tuple[Path, Path]:
    folders = []
    for name, obo in (("old", OBO), ("new", OBO.replace("Large head", "Big head"))):
        (tmp_path / name).mkdir()
        folders.append(tmp_path / name / "snapshot")
        folders[-1].mkdir()
        build_snapshot(write_sources(tmp_path / name, obo), folders[-1], linking=LinkingSettings())
    return folders[0], folders[1]


def publish(world: LibraryWorld, folder: Path, name: str) -> str:
    """Push a snapshot as a version of the KnowledgeBase hpo, the one it has from now on."""
    repository, spec = world.repository("KnowledgeBase", "hpo"), {"sources": [name]}
    layers = [FileLayer(path=path.name, source=path, media_type=KNOWLEDGE_FILE) for path in sorted(folder.iterdir())]
    with world.registry() as registry:
        pushed = registry.push_payload(repository, layers, artifact_type=KNOWLEDGE_ARTIFACT, config_type=KNOWLEDGE_CONFIG, config={})
        hashed = inputs_hash(kind="KnowledgeBase", spec=spec, parents={})
        payloads = [pushed.payload("snapshot")]
        provenance = Provenance(kind="KnowledgeBase", inputs_hash=hashed, spec=spec, parents={}, payloads=payloads, tools={})
        version = registry.push_version(repository, provenance, {})
    metadata = {"name": "hpo", "namespace": NAMESPACE}
    document = {"kind": "KnowledgeBase", "metadata": metadata, "spec": {}, "status": {"snapshot": {"digest": version.digest}}}
    world.objects = [item for item in world.objects if item["kind"] != "KnowledgeBase"] + [document]
    return version.digest


def test_all_changes_between_two_folders_are_shown(snapshots: tuple[Path, Path]) -> None:
    result = diff(*map(str, snapshots))
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "+ name  HP:0000256  Big head  Exact  layperson  en  hpo",
        "- name  HP:0000256  Large head  Exact  layperson  en  hpo",
    ]
    summary = diff(*map(str, snapshots), "--summary")
    assert summary.output.splitlines()[0] == "name: 1 added, 1 removed"


def test_versions_of_a_knowledge_base_are_fetched(
    world: LibraryWorld, snapshots: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmos.cli.knowledge.existing", lambda: SimpleNamespace(kubectl=lambda _namespace: world.kubectl))
    first = publish(world, snapshots[0], "old")
    publish(world, snapshots[1], "new")
    world.install()
    result = diff(f"kbase/hpo@{first}", "kbase/hpo")
    assert result.exit_code == 0, result.output
    assert "+ name  HP:0000256  Big head  Exact  layperson  en  hpo" in result.output.splitlines()
    assert "names nothing that can be compared" in str(diff("elsewhere", "kbase/hpo").exception)
