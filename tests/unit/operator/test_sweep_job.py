"""The chart's sweep: what it looks at, and that it does what `llmos sweep --delete` does."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from world import ROOT, settings

from llmos.artifacts import LinkState, Registry, RegistryAccess, Repository
from llmos.errors import DependencyNotReady
from llmos.retention import Fate, Marks, mark
from llmos_operator.sweep_job import gather, main, sweep
from tests.unit.artifacts.memory_registry import MemoryRegistry
from tests.unit.artifacts.registry_behaviour import push_version

MODEL = Repository.parse(ROOT).child("demo", "model", "minilm")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Lister:
    """Answers every list with one object, and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, bool]] = []

    async def list_objects(self, kind: str, namespace: str, *, labels: Mapping[str, str]) -> list[dict[str, Any]]:
        self.asked.append((kind, namespace, bool(labels)))
        return [{"kind": kind, "metadata": {"namespace": namespace or "demo", "name": "x"}}]


@pytest.mark.parametrize("namespaces", [(), ("a", "b")])
async def test_our_kinds_and_our_children_are_looked_at_where_the_operator_works(namespaces: tuple[str, ...]) -> None:
    lister = Lister()
    found = await gather(lister, namespaces)  # type: ignore[arg-type]
    kinds = {"Model", "KnowledgeBase", "TrainingJob", "InferenceService", "Job", "Deployment", "ConfigMap"}
    assert {item["kind"] for item in found} == kinds
    assert {namespace for _, namespace, _ in lister.asked} == set(namespaces or ("",))
    assert {kind for kind, _, is_labelled in lister.asked if is_labelled} == {"Job", "Deployment", "ConfigMap"}


def test_it_prunes_what_is_unused_and_refuses_while_an_object_was_not_looked_at(tmp_path: Path) -> None:
    memory = MemoryRegistry()
    with Registry(RegistryAccess(plain_http=True), transport=memory.transport()) as registry:
        old, new = (push_version(registry, MODEL, tmp_path, name) for name in ("old", "new"))
        seen = {"conditions": [{"type": "Ready", "status": "True"}], "version": {"digest": new.digest}}
        model = {"kind": "Model", "metadata": {"namespace": "demo", "name": "minilm"}, "status": seen}
        marks = mark([model], installation="llmos-system/llmos", keep=3)
        plan = sweep(registry, settings(), marks, now=NOW, grace=timedelta(0))
        assert [item.digest for item in plan.of(Fate.Pruned)] == [old.provenance.payloads[0].digest]
        states = [registry.examine_payload(MODEL, each.provenance.payloads[0]).state for each in (old, new)]
        assert states == [LinkState.Pruned, LinkState.Present]
        with pytest.raises(DependencyNotReady, match="Model demo/young has no status yet"):
            sweep(registry, settings(), Marks(frozenset(), frozenset(), frozenset(), ("Model demo/young",)), now=NOW, grace=timedelta(0))


def test_a_configuration_that_cannot_be_read_is_the_exit_code_of_a_mistake(tmp_path: Path) -> None:
    assert main(["--config", str(tmp_path / "none.yaml"), "--grace-days", "7", "--keep", "3"]) == 65
