"""`llmos card model/NAME`: the model's card in Hugging Face's format, from what the object, its status and its owner say."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from llmos.cli import options
from llmos.cli.examination import find_roots
from llmos.cli.targets import get_object, parse_target
from llmos.local.cluster import existing
from llmos.local.kubectl import Document
from llmos.local.progress import say
from llmos.models.card import Card, CardMetric, render_card

__all__ = ["card", "describe"]

ModelArgument = Annotated[str, typer.Argument(metavar="model/NAME", help="For example model/organ-system.")]


def card(
    target: ModelArgument,
    namespace: options.Namespace = "",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write it there instead of showing it.")] = None,
) -> None:
    """Write a model's card in Hugging Face's format."""
    kubectl = existing().kubectl(namespace or None)
    document = get_object(kubectl, parse_target(target, "Model", purpose="described"))
    find_roots(document)  # says why, where there is no version yet
    text = render_card(describe(document))
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, encoding="utf-8")
        say(f"written to {output}")


def describe(document: Document) -> Card:
    """Return what is known of a Model that has a version."""
    metadata, spec, status = document["metadata"], document["spec"], document["status"]
    version, said = status["version"], spec.get("card") or {}
    facts = {
        "Task": spec["task"],
        "Version": f"`{version['digest']}`",
        "Made from": _source_text(spec["source"], status.get("resolved") or []),
        "Weights": _payload_text(version.get("weights")),
        "Labels": str(version.get("labels", "")),
        "Parameters": str((version.get("measurements") or {}).get("parameters", "")),
        "Check it": f"`llmos verify model/{metadata['name']} -n {metadata['namespace']}`",
    }
    sections = {"Exports": _exports(version)} if version.get("onnx") else {}
    if version.get("refused"):
        refused = [[item["precision"], item["reason"], item["message"]] for item in version["refused"]]
        sections["Refused"] = [["precision", "reason", ""], *refused]
    return Card(
        title=metadata["name"],
        task=spec["task"],
        library="onnx",
        base_model=_base_model(spec["source"], version, status.get("resolved") or []),
        languages=said.get("languages") or (),
        license=said.get("license", ""),
        description=said.get("description", ""),
        metrics=_metrics(version),
        facts={name: value for name, value in facts.items() if value},
        sections=sections,
    )


def _source_text(source: dict[str, Any], resolved: list[Document]) -> str:
    """Say where the weights came from, so that somebody else can find them."""
    kind, value = next(iter(source.items()))
    match kind:
        case "pythonPackage":
            return f"{value['name']} {value['version']} (Python package, sha256 {value['sha256']})"
        case "huggingFace":
            return f"{value['repository']} at {value.get('revision', 'main')} (Hugging Face)"
        case "oci":
            return f"{value['reference']} (OCI)"
        case "pvc":
            return f"volume {value['claimName']}"
        case "http":
            return f"{len(value['files'])} files from addresses"
        case "trainingJob":
            digest = next((item["digest"] for item in resolved if item["role"] == "trainingJob"), "")
            return f"TrainingJob {value['name']} {digest}".strip()
    return kind


def _base_model(source: dict[str, Any], version: Document, resolved: list[Document]) -> str:
    """Return what hubs link to: a repository where there is one, else the digest of what it was made from."""
    if hub := source.get("huggingFace"):
        return str(hub["repository"])
    parent = next((str(item["digest"]) for item in resolved if item["role"] == "trainingJob"), "")
    return parent or str((version.get("weights") or {}).get("digest", ""))


def _payload_text(payload: Document | None) -> str:
    return f"`{payload['digest']}`, {payload['sizeBytes'] / 1e6:,.1f} MB" if payload else ""


def _exports(version: Document) -> list[list[str]]:
    judged = (version.get("evaluation") or {}).get("metric", "")
    rows = [["precision", judged or "metric", "ms (batch 1)", "difference", "size", "digest"]]
    for item in version["onnx"]:
        interval = f" ({item['metricLow']} to {item['metricHigh']})" if item.get("metricLow") else ""
        rows.append(
            [
                item["precision"],
                f"{item.get('metric', '')}{interval}",
                item.get("p50MillisecondsBatch1", ""),
                item.get("maximumDifference", ""),
                f"{item['sizeBytes'] / 1e6:,.1f} MB",
                f"`{item['digest']}`",
            ]
        )
    return rows


def _metrics(version: Document) -> list[CardMetric]:
    """Return the headline metric of every export; only where it was measured on a named set of items."""
    evaluation = version.get("evaluation") or {}
    metric, digest = evaluation.get("metric", ""), evaluation.get("digest", "")
    if not metric or not digest:
        return []
    name, dataset = metric[:1].lower() + metric[1:], f"{evaluation.get('items', '?')} held-out items"
    return [
        CardMetric(name=name, value=item["metric"], dataset=dataset, dataset_digest=digest, precision=item["precision"])
        for item in version.get("onnx") or []
        if item.get("metric")
    ]
