"""A version in the registry as the part of status that tells people about it, one function a kind.

Pure. Must not: read status; a version's status depends on the version alone, so that it comes back identical after it was deleted.
"""

import json
from collections.abc import Mapping
from typing import Any

from llmos.artifacts import Payload, Version
from llmos_operator.names import Json

__all__ = ["VERSION_FIELD", "version_status"]

VERSION_FIELD = {"Model": "version", "KnowledgeBase": "snapshot", "TrainingJob": "version"}
_COUNTS = ("labels", "trainItems", "heldOutItems")
_OF_AN_EXPORT = (
    *("maximumDifference", "batchDifference", "batchFlipsPercent", "paddingDifference", "paddingFlipsPercent"),
    *("batching", "batchingReason"),
    *("p50MillisecondsBatch1", "p95MillisecondsBatch1", "p50MillisecondsBatch8", "p95MillisecondsBatch8"),
)
"""Texts, decimals among them."""
_OF_A_GENERATOR = ("bitsPerByte", "topTokenAgreement", "tokensPerSecond", "firstTokenMilliseconds")
"""What is measured of an export that writes; decimals, which selectors compare like any metric."""
_CHOICE = ("precision", "precisionReason")
_FACTS = ("digest", "items", "calibrationItems", "uses", "unknownAncestors", "metric")
_MOST_LABEL_IDS = 256
_MOST_TEXT = 4096


def version_status(kind: str, version: Version) -> Json:
    """Return `status.version` or `status.snapshot`."""
    base: Json = {"digest": version.digest, "inputsHash": version.provenance.inputs_hash}
    return {**base, **_DETAILS[kind](version)}


def _model(version: Version) -> Json:
    found = version.measurements.get("onnx", {})
    measured = found if isinstance(found, Mapping) else {}
    evaluation = _mapping(version.measurements.get("evaluation"))
    metric = str(evaluation.get("metric", ""))
    onnx = []
    for payload in version.provenance.payloads:
        if payload.role == "onnx":
            precision = payload.attributes.get("precision", "")
            values = _mapping(measured.get(precision))
            shown = _measured_of_an_export(values) | _evaluated(_mapping(values.get("evaluation")), metric)
            written = {name: str(values[name]) for name in _OF_A_GENERATOR if values.get(name)}
            estimates = _present(measurements=written | _estimates(_mapping(values.get("evaluation"))))
            onnx.append({"precision": precision, **_payload(payload), **shown, **estimates})
    facts = {name: evaluation[name] for name in _FACTS if name in evaluation}
    return _present(
        weights=_weights(version.provenance.payload("weights")),
        onnx=onnx,
        **_choice(version),
        labelIds=_label_ids(version),
        refused=_refused(version.measurements.get("refused")),
        evaluation=facts,
        **_measured(version, _COUNTS[:1]),
    )


def _choice(version: Version) -> Json:
    return {name: str(version.measurements[name])[:512] for name in _CHOICE if version.measurements.get(name)}


def _measured_of_an_export(values: Mapping[str, Any]) -> Json:
    found: Json = {name: str(values[name]) for name in _OF_AN_EXPORT if values.get(name)}
    if isinstance(memory := values.get("peakMemoryBytes"), int):
        found["peakMemoryBytes"] = memory
    if isinstance(features := values.get("cpuFeatures"), list) and features:
        found["cpuFeatures"] = [str(feature) for feature in features]
    return found


def _label_ids(version: Version) -> list[str]:
    ids = version.measurements.get("labelIds")
    return [str(item) for item in ids] if isinstance(ids, list) and len(ids) <= _MOST_LABEL_IDS else []


def _evaluated(values: Mapping[str, Any], metric: str) -> Json:
    """Return what one export came to, by the metric that the bounds speak of."""
    # As the Job names its measurements: the metric's name with a small first letter.
    key = metric[:1].lower() + metric[1:]
    found = {f"metric{end}": values.get(f"{key}{end}") for end in ("", "Low", "High")} if metric else {}
    found["calibrationError"] = values.get("calibrationError")
    return {name: str(value) for name, value in found.items() if value}


def _estimates(values: Mapping[str, Any]) -> Json:
    """Return every metric of an export, without the ends of its interval: what selectors compare."""
    return {name: value for name, value in values.items() if isinstance(value, str) and not name.endswith(("Low", "High"))}


def _refused(found: Any) -> list[Json]:
    items = [_mapping(item) for item in found] if isinstance(found, list) else []
    return [
        {name: str(item.get(name, ""))[:1024] for name in ("precision", "reason", "message")} for item in items if item.get("precision")
    ]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _training(version: Version) -> Json:
    return _present(model=_payload(version.provenance.payload("model")), **_measured(version, _COUNTS))


def _knowledge(version: Version) -> Json:
    payload = version.provenance.payload("snapshot")
    values = version.measurements
    return _present(
        contentDigest=payload.attributes.get("contentDigest") if payload else None,
        payloadDigest=payload.digest if payload else None,
        sizeBytes=payload.size_bytes if payload else None,
        sources=_sources(version, payload),
        refresh=version.provenance.spec.get("refresh"),
        **{name: int(values[name]) for name in ("entities", "names", "facts") if name in values},
    )


def _sources(version: Version, payload: Payload | None) -> list[Json]:
    """Return each source with the version its files state, and what its name stood for where that may move."""
    stated = {item["name"]: str(item["version"]) for item in version.measurements.get("sources", []) if item.get("version")}
    resolved = {item["name"]: str(item["resolved"]) for item in json.loads(payload.attributes.get("sources", "[]"))} if payload else {}
    found = []
    for item in version.provenance.spec.get("sources", []):
        name = item["name"]
        said = stated.get(name) or item.get("pythonPackage", {}).get("version")
        found.append(_present(name=name, version=said and said[:256], resolved=resolved.get(name, "")[:_MOST_TEXT] or None))
    return found


_DETAILS = {"Model": _model, "KnowledgeBase": _knowledge, "TrainingJob": _training}


def _payload(payload: Payload | None) -> Json:
    return {"digest": payload.digest, "sizeBytes": payload.size_bytes} if payload else {}


def _weights(payload: Payload | None) -> Json:
    """Return the weights, with what their source stood for where its name may move."""
    source = payload.attributes.get("source") if payload else None
    return {**_payload(payload), **({"source": source} if source else {})}


def _measured(version: Version, counts: tuple[str, ...]) -> Json:
    """Return the counts under their own names and all flat values as measurements."""
    values = version.measurements
    flat = {
        name: value
        for name, value in values.items()
        if isinstance(value, str | int) and not isinstance(value, bool) and name not in _CHOICE
    }
    found: dict[str, Any] = {name: int(flat[name]) for name in counts if name in flat}
    return {**found, "measurements": flat}


def _present(**fields: Any) -> Json:
    return {name: value for name, value in fields.items() if value not in (None, {}, [])}
