"""`llmos eval model/NAME`: how good a Model's version was measured to be, where it errs, and whether it is better than another."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from llmos.artifacts import Registry, Repository, Version
from llmos.cli import options
from llmos.cli.evaluation_view import describe, render
from llmos.cli.installation import Overrides, Store, open_store_of
from llmos.cli.targets import TargetArgument, get_object, parse_target
from llmos.errors import ConfigError, DependencyNotReady, NotFoundError
from llmos.local.cluster import existing
from llmos.local.kubectl import Document, Kubectl
from llmos.models.config import Task
from llmos.models.evaluation.answers import Comparison, Report, compare_answers, read_report
from llmos.models.evaluation.task_metrics import find_metrics

__all__ = ["EvaluatedVersion", "Output", "evaluate", "load_evaluation"]


class Output(StrEnum):
    """In which form the result is printed."""

    TABLE = "table"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class EvaluatedVersion:
    """One precision of one version, and what was measured of it."""

    name: str
    digest: str
    task: Task
    precision: str
    measured: Mapping[str, Any]
    """`onnx.<precision>.evaluation` of the measurements."""

    evaluation: Mapping[str, Any]
    """`evaluation` of the measurements."""

    refused: str
    """Why this precision is not in the version; empty if it is."""

    report: Report


def evaluate(
    target: TargetArgument,
    precision: Annotated[str, typer.Option(help="Of which export; the first that is in the version, if not given.")] = "",
    against: Annotated[str, typer.Option(metavar="model/OTHER", help="Another Model, compared item by item.")] = "",
    digest: Annotated[str, typer.Option(help="An earlier version of it, instead of the one it has now.")] = "",
    output: Annotated[Output, typer.Option("--output", "-o", help="Tables for people, or one JSON document.")] = Output.TABLE,
    namespace: options.Namespace = "",
    registry: options.RegistryPath = "",
    plain_http: options.PlainHttp = None,
    ca_file: options.CaFile = None,
    credentials_file: options.CredentialsFile = None,
) -> None:
    """Show how good a Model's version is at its task: metric, confusion, worst slices, errors; and against another."""
    kubectl = existing().kubectl(namespace or None)
    document = get_object(kubectl, parse_target(target, "Model", purpose="evaluated"))
    overrides = Overrides(registry, plain_http, ca_file, credentials_file)
    with open_store_of(kubectl, document, overrides) as store:
        found = _load(store, document, digest, precision)
        comparison = _compare(kubectl, store, found, against, precision) if against else None
    result = describe(found, comparison)
    if output is Output.JSON:
        typer.echo(json.dumps(result, ensure_ascii=False, indent=1))
    else:
        console = options.result_console()
        for part in render(result):
            console.print(part)


def load_evaluation(registry: Registry, repository: Repository, version: Version, *, name: str, precision: str = "") -> EvaluatedVersion:
    """Read what was measured of a version.

    Args:
        name: of the Model, for messages.
        precision: by default the first that is in the version.

    Raises: ConfigError if it was imported without `spec.evaluation`, or has not that precision.
    """
    evaluation = version.measurements.get("evaluation")
    if not isinstance(evaluation, Mapping) or "report" not in evaluation:
        raise ConfigError(
            f"Model {name} was not measured at its task: version {version.digest} was made without spec.evaluation; "
            "say there what to measure it on",
            reason="InvalidArgument",
        )
    measured = {key: values["evaluation"] for key, values in version.measurements["onnx"].items() if "evaluation" in values}
    served = [payload.attributes.get("precision", "") for payload in version.provenance.payloads if payload.role == "onnx"]
    wanted = precision or next((item for item in served if item in measured), "")
    if wanted not in measured:
        raise ConfigError(f"Model {name} has no measured precision {wanted!r}; it has {', '.join(measured)}", reason="InvalidArgument")
    refused = {item["precision"]: f"{item['reason']}: {item['message']}" for item in version.measurements.get("refused", [])}
    with tempfile.TemporaryDirectory(prefix="llmos-") as scratch:
        report = read_report(registry.fetch_payload(repository, evaluation["report"], Path(scratch) / "report"))
    return EvaluatedVersion(
        name,
        version.digest,
        Task(version.provenance.spec["task"]),
        wanted,
        measured[wanted],
        evaluation,
        refused.get(wanted, ""),
        report,
    )


def _load(store: Store, document: Document, digest: str, precision: str) -> EvaluatedVersion:
    metadata = document["metadata"]
    wanted = digest or ((document.get("status") or {}).get("version") or {}).get("digest")
    if not wanted:
        ready = next((item for item in (document.get("status") or {}).get("conditions", []) if item["type"] == "Ready"), None)
        why = f" ({ready['reason']}: {ready['message']})" if ready else ""
        raise DependencyNotReady(f"Model {metadata['name']} has no version{why}", reason="DependencyNotReady")
    repository = store.root.child(metadata["namespace"], "model", metadata["name"])
    version = store.registry.get_version(repository, wanted)
    return load_evaluation(store.registry, repository, version, name=metadata["name"], precision=precision)


def _compare(kubectl: Kubectl, store: Store, found: EvaluatedVersion, against: str, precision: str) -> tuple[EvaluatedVersion, Comparison]:
    target = parse_target(against, "Model", purpose="compared with")
    other = _load_other(kubectl, store, target.name, precision, found.precision)
    if other.task is not found.task:
        raise ConfigError(
            f"Model {found.name} is for {found.task} and Model {other.name} for {other.task}; only models of one task can be compared",
            reason="InvalidArgument",
        )
    _, metric = find_metrics(found.task, str(found.evaluation["metric"]))
    try:
        return other, compare_answers(found.report, found.precision, other.report, other.precision, metric)
    except ValueError as error:
        raise ConfigError(f"{error}; give both Models the same spec.evaluation.dataset", reason="InvalidArgument") from error


def _load_other(kubectl: Kubectl, store: Store, name: str, precision: str, like: str) -> EvaluatedVersion:
    """Load the other Model, at the precision asked for, else at the one of the first if it has it, else at its own first."""
    document = get_object(kubectl, parse_target(f"model/{name}", "Model", purpose="compared with"))
    if precision:
        return _load(store, document, "", precision)
    try:
        return _load(store, document, "", like)
    except NotFoundError:
        raise
    except ConfigError:
        return _load(store, document, "", "")
