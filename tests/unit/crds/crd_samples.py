"""The CRDs and their samples, for the fast rung (jsonschema) and the cluster rung (a real API server) alike.

It reads `crds/`, `examples/` and `samples/`; it checks nothing itself.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = Path(__file__).with_name("samples")

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RefusedCase:
    """One thing the API must refuse."""

    id: str
    document: Document
    """The object to create, or with `update` the object it is changed into."""
    base: Document
    """The accepted object it was made from."""
    by: str
    """`schema` (checked without a cluster too), `rule` (CEL) or `server` (unknown fields and lists with keys)."""
    field: str
    """The field the server names, such as `spec.env[0]`; empty for the object itself."""
    expect: str
    """Words of the server's answer."""
    update: bool
    """Whether it is refused as a change of an existing object."""


@dataclass(frozen=True, slots=True)
class Field:
    """One place in a CRD's schema."""

    path: str
    """Such as `spec.sources[].files[].path`; `{}` stands for the values of a map."""
    schema: Document


class _StrictLoader(yaml.SafeLoader):
    """YAML in which a key stands once: PyYAML and the API server keep the last of two, and say nothing of the first."""


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> Document:
    keys = [loader.construct_object(key) for key, _ in node.value]  # type: ignore[no-untyped-call]
    doubled = {key for key in keys if keys.count(key) > 1}
    if doubled:
        raise ValueError(f"{node.start_mark}: {sorted(doubled)} stand here twice")
    return dict(loader.construct_mapping(node, deep=True))


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def load_crds() -> dict[str, Document]:
    """Return the CRDs by kind, as they stand in `crds/`; ValueError if a key stands twice."""
    documents = [yaml.load(path.read_text(), _StrictLoader) for path in sorted((ROOT / "crds").glob("*.yaml"))]
    return {document["spec"]["names"]["kind"]: document for document in documents}


def schema_of(crd: Document) -> Document:
    """Return the OpenAPI schema of a CRD's only version."""
    (version,) = crd["spec"]["versions"]
    schema: Document = version["schema"]["openAPIV3Schema"]
    return schema


def fields_of(schema: Document, path: str = "") -> Iterator[Field]:
    """Yield every place of a schema, depth first, the root too."""
    yield Field(path, schema)
    for name, child in schema.get("properties", {}).items():
        yield from fields_of(child, f"{path}.{name}" if path else name)
    if "items" in schema:
        yield from fields_of(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from fields_of(schema["additionalProperties"], f"{path}{{}}")


def accepted() -> dict[str, Document]:
    """Return what the API must accept, by file: the samples and every object of `examples/`."""
    paths = [*sorted((SAMPLES / "accepted").glob("*.yaml")), *sorted((ROOT / "examples").glob("*/*.yaml"))]
    return {f"{path.parent.name}/{path.name}": yaml.safe_load(path.read_text()) for path in paths}


def refused() -> list[RefusedCase]:
    """Return what the API must refuse."""
    return [case for path in sorted((SAMPLES / "refused").glob("*.yaml")) for case in _cases(path)]


def _cases(path: Path) -> Iterator[RefusedCase]:
    content = yaml.safe_load(path.read_text())
    base = yaml.safe_load((SAMPLES / "accepted" / content["base"]).read_text())
    for case in content["cases"]:
        yield RefusedCase(
            id=f"{base['kind']}: {case['title']}",
            document=merge_patch(base, case["change"]),
            base=base,
            by=case["by"],
            field=case["field"],
            expect=case["expect"],
            update=case.get("update", False),
        )


def merge_patch(target: Any, patch: Any) -> Any:
    """Apply an RFC 7396 merge patch and return the result; neither argument changes."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = copy.deepcopy(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result
