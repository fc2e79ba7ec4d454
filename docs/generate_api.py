"""Write `docs/api.md` from the CRDs: every kind, every field, its bounds, its default and its rules.

    python docs/generate_api.py

It only reshapes what `crds/` says; a sentence that is missing or wrong is mended there. A test fails where the page is not current.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "api.md"
ORDER = ("Model", "KnowledgeBase", "TrainingJob", "InferenceService")
DIGEST = "^sha256:[0-9a-f]{64}$"
SHARED = {"spec.workload": "[workload](#workload)", "status.conditions": "[conditions](#conditions)"}

HEAD = """# The API

<!-- Written by docs/generate_api.py from crds/; change it there. -->

Group `llmos.dev`, version `v1alpha1`, four kinds, all namespaced. `kubectl get llmos` lists all of them; `kubectl explain model.spec`
says in the terminal what stands below. The API server refuses unknown fields, values out of bounds and broken rules with a sentence.

Three things hold for all kinds:

- A **version digest** (`sha256:…`) stands for a result and its whole history: the digests of all it was made from are part of it.
- A **reference** names an object of the same namespace. It need not exist yet: until it does, a condition says so. `digest` pins it to one
  version; otherwise `update` says whether new versions are followed.
- The annotation `llmos.dev/requested-at: <any new value>` (`llmos retry KIND/NAME`) tries once more what has failed for good, and makes
  again what the registry has lost.

Examples: [examples/healthcare](../examples/healthcare).
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(render(), encoding="utf-8")


def render() -> str:
    """Return the page."""
    crds = {crd["spec"]["names"]["kind"]: crd for crd in map(_load, sorted((ROOT / "crds").glob("*.yaml")))}
    parts = [HEAD, *(_kind(crds[kind]) for kind in ORDER)]
    any_kind = _schema(crds["Model"])["properties"]
    workload = any_kind["spec"]["properties"]["workload"]
    conditions = any_kind["status"]["properties"]["conditions"]
    rules = _rules(workload, "")
    parts.append(f"## workload\n\n`spec.workload`, the same in all kinds. {workload['description']}\n\n{_table(workload, '')}\n\n{rules}")
    about = "`status.conditions`, a list with one entry for each `type`."
    parts.append(f"## conditions\n\n{about}\n\n{_table(conditions['items'], '')}\n")
    return "\n".join(part.rstrip() + "\n" for part in parts)


def _load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def _schema(crd: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def _kind(crd: dict[str, Any]) -> str:
    names, schema = crd["spec"]["names"], _schema(crd)
    spec, status = schema["properties"]["spec"], schema["properties"]["status"]
    columns = ", ".join(
        f"{column['name']}" for column in crd["spec"]["versions"][0]["additionalPrinterColumns"] if "priority" not in column
    )
    about_conditions = status["properties"]["conditions"]["description"]
    return "\n".join(
        [
            f"## {names['kind']}",
            "",
            schema["description"],
            "",
            f"`kubectl get {names['plural']}` (short: `{names['shortNames'][0]}`) shows: {columns}.",
            "",
            "### Spec",
            "",
            _table(spec, "spec"),
            "",
            _rules({"properties": {"spec": spec}, "x-kubernetes-validations": schema["x-kubernetes-validations"]}, ""),
            "",
            "### Status",
            "",
            about_conditions,
            "",
            _table(status, "status"),
            "",
        ]
    )


def _table(schema: dict[str, Any], path: str) -> str:
    rows = ["| field | value | default | |", "|---|---|---|---|"]
    for name, field, required in _fields(schema, path):
        default = _default(field)
        mark = " **required**" if required else ""
        link = f" See {SHARED[name]}." if name in SHARED else ""
        rows.append(f"| `{name}`{mark} | {_value(field)} | {default} | {_cell(field['description'])}{link} |")
    return "\n".join(rows)


def _fields(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Yield (path, schema, required) of all fields below, parents first; shared blocks are not entered."""
    for name, field in schema.get("properties", {}).items():
        place = f"{path}.{name}" if path else name
        yield place, field, name in schema.get("required", [])
        if place not in SHARED:
            inner = field.get("items", field)
            yield from _fields(inner, f"{place}[]" if "items" in field else place)


def _rules(schema: dict[str, Any], path: str) -> str:
    lines = [f"- {f'`{place}`' if place else 'The object'} {_cell(message)}" for place, message in _all_rules(schema, path)]
    return "Rules:\n\n" + "\n".join(lines) if lines else ""


def _all_rules(schema: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    for rule in schema.get("x-kubernetes-validations", []):
        yield path, rule["message"]
    for name, field in schema.get("properties", {}).items():
        place = f"{path}.{name}" if path else name
        if place not in SHARED:
            yield from _all_rules(field, place)
            if "items" in field:
                yield from _all_rules(field["items"], f"{place}[]")


def _value(field: dict[str, Any]) -> str:
    if field.get("x-kubernetes-int-or-string"):
        return "quantity" if "pattern" in field else "integer or text"
    if field.get("x-kubernetes-preserve-unknown-fields"):
        return "as in a pod"
    match field["type"]:
        case "string" if "enum" in field:
            return " \\| ".join(f"`{value}`" for value in field["enum"])
        case "string" if field.get("format") == "date-time":
            return "time"
        case "string" if field.get("pattern") == DIGEST:
            return "digest"
        case "string":
            return f"text, at most {field['maxLength']}" if "maxLength" in field else "text"
        case "integer":
            return f"integer{_range(field)}"
        case "boolean":
            return "`true` \\| `false`"
        case "array":
            low, high = field.get("minItems", 0), field["maxItems"]
            inner = field["items"]
            what = f" of {_value(inner)}" if inner["type"] == "string" and "enum" in inner else ""
            return f"list of {low} to {high}{what}" if not what else f"list{what}"
        case _:
            return f"map, at most {field['maxProperties']}" if "additionalProperties" in field else "object"


def _range(field: dict[str, Any]) -> str:
    low, high = field.get("minimum"), field.get("maximum")
    if low is None or high is None:
        return ""
    return f", {low} to {high}"


def _default(field: dict[str, Any]) -> str:
    if "default" not in field or field["default"] == {}:
        return ""
    default = field["default"]
    text = (
        str(default).lower() if isinstance(default, bool) else "[" + ", ".join(default) + "]" if isinstance(default, list) else str(default)
    )
    return f"`{text}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    main()
