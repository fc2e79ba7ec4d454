"""Does the live object differ from what we want, in the fields we want?

Pure. Owns the normalisation: the API server rewrites quantities (`1024Mi` → `1Gi`), drops empty values, and adds defaults and list items of
others; none of that is a difference. A field we used to set and dropped does not show in such a comparison: `fingerprint`, kept in an
annotation, shows it.
"""

from collections.abc import Iterator
from typing import Any, Final

from llmos.artifacts import canonical_json, digest_bytes
from llmos_operator.desired.quantity import quantity
from llmos_operator.names import APPLIED_ANNOTATION, Json

__all__ = ["Tolerated", "differences", "fingerprint", "with_fingerprint"]

Tolerated = dict[str, Any]
"""Path of a field → its live value, where that is not what we applied and applying again would not change it."""


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


def differences(desired: Any, live: Any) -> Tolerated:
    """Return every desired field the live object does not have, with the value it has instead."""
    return dict(_differences(desired, live, ""))


def _differences(desired: Any, live: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(desired, dict) and isinstance(live, dict):
        if path.rpartition(".")[2] in _ATOMIC and desired.keys() != live.keys():
            yield path, live
            return
        for name, value in desired.items():
            yield from _differences(value, live.get(name), f"{path}.{name}")
    elif isinstance(desired, list) and isinstance(live, list):
        yield from _list_differences(desired, live, path)
    elif live is None:
        if desired not in _EMPTY:
            yield path, live
    elif desired != live and not _same_quantity(desired, live):
        yield path, live


def _list_differences(desired: list[Any], live: list[Any], path: str) -> Iterator[tuple[str, Any]]:
    key = _merge_key(desired)
    if key is not None:
        others = {item.get(key): item for item in live if isinstance(item, dict)}
        for item in desired:
            yield from _differences(item, others.get(item[key]), f"{path}[{item[key]}]")
    elif len(desired) != len(live):
        yield path, live
    else:
        for index, (item, other) in enumerate(zip(desired, live, strict=True)):
            yield from _differences(item, other, f"{path}[{index}]")


def _merge_key(items: list[Any]) -> str | None:
    """Return the field that names the items of a list of objects, if one does."""
    if not items or not all(isinstance(item, dict) for item in items):
        return None
    for key in _MERGE_KEYS:
        if all(isinstance(item.get(key), str | int) for item in items) and len({item[key] for item in items}) == len(items):
            return key
    return None


def _same_quantity(one: Any, other: Any) -> bool:
    left, right = quantity(one), quantity(other)
    return left is not None and left == right
