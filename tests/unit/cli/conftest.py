"""A namespace with a small model library, for commands that look at artifacts."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from llmos.artifacts import Version
from tests.unit.cli.library_world import LibraryWorld, library_world


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LibraryWorld]:
    with library_world(tmp_path) as found:
        for command in ("card", "evaluation", "sweep", "verify", "versions"):
            monkeypatch.setattr(f"llmos.cli.{command}.existing", lambda: SimpleNamespace(kubectl=lambda _namespace: found.kubectl))
        yield found


@pytest.fixture
def chain(world: LibraryWorld) -> dict[str, Version]:
    """The healthcare example's chain: base → training ← knowledge; training → model."""
    base = world.publish("Model", "minilm", task="FeatureExtraction")
    hpo = world.publish("KnowledgeBase", "hpo", sources=["hp.obo"])
    training = world.publish("TrainingJob", "organ", {"base": ("minilm", base), "knowledge/hpo": ("hpo", hpo)}, rank=8)
    model = world.publish("Model", "organ-system", {"trainingJob": ("organ", training)})
    world.install()
    return {"base": base, "hpo": hpo, "training": training, "model": model}
