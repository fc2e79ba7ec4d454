"""Canonical JSON, digests and the inputs hash: what makes two runs with the same inputs the same artifact.

Must not: do I/O. Floats are refused on purpose: their text differs between languages and versions, and a digest must not.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

__all__ = ["canonical_json", "digest_bytes", "digest_file", "digest_hex", "inputs_hash", "is_digest"]

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}\Z")
_READ_BYTES: Final = 1 << 20


def canonical_json(value: Any) -> bytes:
    """Encode a value as UTF-8 JSON with sorted keys, no spaces and no floats; equal values give equal bytes.

    Raises: ValueError if the value holds a float, a key that is not a string, or something JSON has no form for.
    """
    return json.dumps(_plain(value, "$"), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _plain(value: Any, where: str) -> Any:
    """Copy `value` with plain dicts and lists, refusing what has no canonical form."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise ValueError(f"{where} has the key {key!r}; keys must be strings")
        return {key: _plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, float):
        raise ValueError(f'{where} is the float {value!r}; write decimals as strings, for example "{value}"')
    raise ValueError(f"{where} is a {type(value).__name__}, which has no canonical JSON form")


def digest_bytes(data: bytes) -> str:
    """Return `sha256:<64 hex>` of the bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> str:
    """Return `sha256:<64 hex>` of a file, read in pieces."""
    state = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(_READ_BYTES):
            state.update(piece)
    return "sha256:" + state.hexdigest()


def is_digest(text: object) -> bool:
    """Say whether this is a well-formed sha256 digest."""
    return isinstance(text, str) and _DIGEST.match(text) is not None


def digest_hex(digest: str) -> str:
    """Return the 64 hex digits of a digest.

    Raises: ValueError if it is not one.
    """
    if not is_digest(digest):
        raise ValueError(f"{digest!r} is not a digest; it must be 'sha256:' and 64 lower-case hex digits")
    return digest.removeprefix("sha256:")


def inputs_hash(*, kind: str, spec: Mapping[str, Any], parents: Mapping[str, str]) -> str:
    """Return the digest of what decides an artifact's content.

    Args:
        kind: the custom resource's kind, for example `Model`.
        spec: the hashed part of the spec, camelCase as in the resource, defaults applied.
        parents: role to version digest.
    """
    for role, digest in parents.items():
        if not is_digest(digest):
            raise ValueError(f"parent {role!r} has {digest!r}, which is not a digest")
    return digest_bytes(canonical_json({"kind": kind, "spec": spec, "parents": parents}))
