"""Does the live object differ from what we want, in the fields we want?

Pure. Owns the normalisation: the API server rewrites quantities (`1024Mi` → `1Gi`), drops empty values, and adds defaults and list items of
others; none of that is a difference. A field we used to set and dropped does not show in such a comparison: `fingerprint`, kept in an
annotation, shows it.
"""

from typing import Any, Final

from llmos.artifacts import canonical_json, digest_bytes
from llmos_operator.desired.quantity import quantity
from llmos_operator.names import APPLIED_ANNOTATION, Json

__all__ = ["differs", "fingerprint", "with_fingerprint"]

_MERGE_KEYS: Final = ("name", "containerPort", "port", "topologyKey", "mountPath", "type")
_ATOMIC: Final = ("selector", "podSelector", "matchLabels", "nodeSelector")
"""Maps that are replaced as a whole: a key more is another meaning."""
_EMPTY: Final[tuple[Any, ...]] = (None, "", 0, False, {}, [])


def fingerprint(body: Json) -> str:
    """Return a digest of a desired body; `spec.replicas` is left out, because its owner may be an autoscaler."""
    spec = body.get("spec")
    if isinstance(spec, dict) and "replicas" in spec:
        body = {**body, "spec": {name: value for name, value in spec.items() if name != "replicas"}}
    return digest_bytes(canonical_json(body))


def with_fingerprint(body: Json) -> Json:
    """Return the body with its own fingerprint in an annotation."""
    annotations = {**body["metadata"].get("annotations", {}), APPLIED_ANNOTATION: fingerprint(body)}
    return {**body, "metadata": {**body["metadata"], "annotations": annotations}}


def differs(desired: Any, live: Any, path: str = "") -> str | None:
    """Return the path of the first desired field the live object does not have, or None."""
    if isinstance(desired, dict):
        if not isinstance(live, dict):
            return None if desired in _EMPTY and live is None else path
        if path.rpartition(".")[2] in _ATOMIC and desired.keys() != live.keys():
            return path
        return _first(differs(value, live.get(name), f"{path}.{name}") for name, value in desired.items())
    if isinstance(desired, list):
        if not isinstance(live, list):
            return None if not desired and live is None else path
        return _list_differs(desired, live, path)
    if live is None:
        return None if desired in _EMPTY else path
    return None if desired == live or _same_quantity(desired, live) else path


def _list_differs(desired: list[Any], live: list[Any], path: str) -> str | None:
    key = _merge_key(desired)
    if key is None:
        if len(desired) != len(live):
            return path
        return _first(differs(item, other, f"{path}[{index}]") for index, (item, other) in enumerate(zip(desired, live, strict=True)))
    others = {item.get(key): item for item in live if isinstance(item, dict)}
    return _first(differs(item, others.get(item[key]), f"{path}[{item[key]}]") for item in desired)


def _merge_key(items: list[Any]) -> str | None:
    """Return the field that names the items of a list of objects, if one does."""
    if not items or not all(isinstance(item, dict) for item in items):
        return None
    for key in _MERGE_KEYS:
        if all(isinstance(item.get(key), str | int) for item in items) and len({item[key] for item in items}) == len(items):
            return key
    return None


def _first(found: Any) -> str | None:
    return next((path for path in found if path is not None), None)


def _same_quantity(one: Any, other: Any) -> bool:
    left, right = quantity(one), quantity(other)
    return left is not None and left == right
