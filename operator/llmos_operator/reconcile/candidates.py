"""A Model as a candidate for selection: what its spec, card and status say, as values that can be compared.

Pure. Must not: judge. What is not said stays unknown; nothing is guessed but the modality, which follows from the task.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from llmos_operator.names import Json
from llmos_operator.reconcile.selection import Candidate
from llmos_operator.status.conditions import find_condition

__all__ = ["candidate_of", "served_precision"]

LATENCY: Final = "p50MillisecondsBatch1"
_MODALITIES: Final = (("Image", "Image"), ("Audio", "Audio"), ("Speech", "Audio"))


def candidate_of(body: Json, precision: str | None, *, incumbent: str = "") -> Candidate:
    """Return a Model as a candidate.

    Args:
        body: the custom resource.
        precision: the export that would be served; None for the one the version has chosen, empty for the weights.
        incumbent: the name of the Model that is in use; while it makes its next version it still counts as ready.
    """
    spec, status, metadata = body["spec"], body.get("status") or {}, body["metadata"]
    version = status.get("version") or {}
    ready = find_condition(status.get("conditions") or [], "Ready") or {}
    exports = {str(item.get("precision")): item for item in version.get("onnx") or []}
    served = served_precision(tuple(exports), version.get("precision")) if precision is None else precision
    used = exports.get(served, {}) if served else version.get("weights") or {}
    measured = _measured(version.get("measurements") or {}, used)
    card = spec.get("card") or {}
    ids = version.get("labelIds")
    return Candidate(
        name=metadata["name"],
        task=spec.get("task", ""),
        digest=version.get("digest", ""),
        is_ready=metadata["name"] == incumbent or (ready.get("status") == "True" and not metadata.get("deletionTimestamp")),
        modality=card.get("modality") or modality_of(spec.get("task", "")),
        languages=frozenset(card.get("languages") or ()),
        object_labels=metadata.get("labels") or {},
        precisions=frozenset(exports),
        label_ids=frozenset(ids) if ids is not None else None,
        size_bytes=used.get("sizeBytes"),
        latency_milliseconds=measured.get(LATENCY),
        metrics=measured,
    )


def served_precision(precisions: Sequence[str], chosen: str | None) -> str:
    """Return what is served of a version where nobody names a precision; empty where it has none.

    Args:
        precisions: what the version has.
        chosen: what its Job chose; versions of before chose nothing, and meant Float32.
    """
    return chosen or ("Float32" if "Float32" in precisions else next(iter(precisions), ""))


def modality_of(task: str) -> str:
    """Return what a task takes, unless a card says otherwise."""
    return next((modality for beginning, modality in _MODALITIES if task.startswith(beginning)), "Text")


def _measured(version: Mapping[str, Any], export: Mapping[str, Any]) -> dict[str, Decimal]:
    """Return all numbers that were measured; those of the very export win over those of the version."""
    found: dict[str, Decimal] = {}
    for name, value in {**version, **export, **(export.get("measurements") or {})}.items():
        if isinstance(value, bool) or not isinstance(value, str | int):
            continue
        try:
            number = Decimal(value)
        except InvalidOperation:
            continue
        if number.is_finite():
            found[name] = number
    return found
