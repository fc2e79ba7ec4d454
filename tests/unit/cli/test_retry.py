"""`llmos retry`: which object gets the annotation, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from llmos.cli.retry import request_again
from llmos.errors import ConfigError
from llmos.local.kubectl import Kubectl

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def kubectl(tmp_path: Path) -> Kubectl:
    """A kubectl that writes down what it is told."""
    program = tmp_path / "kubectl"
    program.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/told\n')
    program.chmod(0o755)
    return Kubectl(Path("/c"), "demo", program)


@pytest.mark.parametrize("target", ["model/minilm", "Model/minilm", "models/minilm", "mdl/minilm"])
def test_the_object_is_annotated_with_the_time(kubectl: Kubectl, target: str) -> None:
    request_again(kubectl, target, NOW)
    told = (kubectl.program.parent / "told").read_text()
    assert told == "--namespace=demo annotate --overwrite models.llmos.dev/minilm llmos.dev/requested-at=2026-01-02T03:04:05Z\n"


@pytest.mark.parametrize("target", ["minilm", "model/", "inferenceservice/phenotype", "pod/x"])
def test_what_has_no_attempts_is_refused_with_what_has(kubectl: Kubectl, target: str) -> None:
    with pytest.raises(ConfigError, match="one of model, knowledgebase, trainingjob"):
        request_again(kubectl, target, NOW)
    assert not (kubectl.program.parent / "told").exists()
