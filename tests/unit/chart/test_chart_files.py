"""What can be said of the chart without Helm: its files agree with each other and with the rest of the repository.

Rendering is tested where Helm is, in `tests/cluster/test_chart.py`.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from docs import generate_values
from llmos_operator.clock import SystemClock
from llmos_operator.probes import Probes

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "charts" / "llmos"
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())

Rule = tuple[str, str, str]
"""API group, resource, verb."""


def _template_block(name: str) -> str:
    """Return the text of a named template."""
    for path in (CHART / "templates").iterdir():
        found = re.search(r'{{- define "' + re.escape(name) + r'" -}}\n(.*?)\n{{- end -}}', path.read_text(), re.DOTALL)
        if found:
            return found[1]
    raise AssertionError(f"no template defines {name}")


def _rules() -> set[Rule]:
    rules = yaml.safe_load(_template_block("llmos.operatorRules"))
    return {
        (group, resource, verb) for rule in rules for group in rule["apiGroups"] for resource in rule["resources"] for verb in rule["verbs"]
    }


def _documented() -> Iterator[tuple[set[Rule], bool]]:
    """Yield (rules, cluster-wide) of each row of the table in docs/operator.md."""
    section = (ROOT / "docs" / "operator.md").read_text().split("## Permissions")[1].split("\n## ")[0]
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("| `"):
            continue
        group = re.findall(r"`([^`]*)`", cells[0])[0].strip('"')
        resources, verbs = re.findall(r"`([^`]+)`", cells[1]), cells[2].split(", ")
        yield {(group, resource, verb) for resource in resources for verb in verbs}, "cluster-wide" in cells[0]


def test_the_crds_of_the_chart_are_those_of_the_repository_byte_for_byte() -> None:
    source = {path.name: path.read_bytes() for path in (ROOT / "crds").iterdir()}
    assert {path.name: path.read_bytes() for path in (CHART / "files" / "crds").iterdir()} == source, "run python charts/sync_crds.py"


def test_each_crd_has_the_one_place_where_the_chart_puts_its_annotation() -> None:
    for path in (ROOT / "crds").iterdir():
        assert path.read_text().count("\nmetadata:\n") == 1, path.name


def test_the_chart_has_the_version_of_the_package() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert (chart["version"], chart["appVersion"]) == (version, version)
    lowest = re.match(r">=(\d+\.\d+)", chart["kubeVersion"])
    assert lowest
    assert f"Kubernetes {lowest[1]} or later" in (ROOT / "docs" / "install.md").read_text()


def test_the_operator_may_do_exactly_what_its_page_says() -> None:
    in_roles = {rule for rules, cluster_wide in _documented() if not cluster_wide for rule in rules}
    assert _rules() == in_roles
    cluster_wide = {rule for rules, cluster_wide in _documented() if cluster_wide for rule in rules}
    assert cluster_wide == {("authentication.k8s.io", "tokenreviews", "create")}


def test_the_operator_may_do_nothing_with_secrets_and_has_no_wildcard() -> None:
    assert not {rule for rule in _rules() if "secrets" in rule[1]}
    for path in (CHART / "templates").glob("rbac*.yaml"):
        assert '"*"' not in path.read_text()
        assert not re.search(r"\[[^]]*\*[^]]*\]", path.read_text()), path.name


def test_the_probes_ask_what_the_operator_answers() -> None:
    probes = Probes(SystemClock(), is_ready=lambda: True, stuck_since=lambda: None)
    answered = {resource.canonical for resource in probes.application().router.resources()}
    asked = set(re.findall(r"httpGet: \{path: (/[a-z]+), port: probes\}", (CHART / "templates" / "deployment.yaml").read_text()))
    assert asked == answered


def test_the_defaults_fit_the_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.validate(VALUES, SCHEMA)


def _objects(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if "properties" in schema:
        yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from _objects(field, f"{path}.{name}".lstrip("."))
    if isinstance(schema.get("items"), dict):
        yield from _objects(schema["items"], f"{path}[]")


def test_the_schema_refuses_unknown_names_everywhere() -> None:
    assert [path for path, schema in _objects(SCHEMA) if schema.get("additionalProperties") is not False] == []


def test_every_value_is_explained_by_a_sentence() -> None:
    unexplained = [
        f"{path}.{name}"
        for path, schema in _objects(SCHEMA)
        for name, field in schema["properties"].items()
        if not re.match(r"[A-Z].*\.$", field.get("description", ""))
    ]
    assert unexplained == []


def test_every_value_of_the_schema_has_a_default_and_the_other_way_round() -> None:
    def names(value: Any, schema: dict[str, Any], path: str) -> Iterator[str]:
        if "properties" in schema:
            assert value.keys() == schema["properties"].keys() - {"global"}, path or "top"
            for name, child in value.items():
                yield from names(child, schema["properties"][name], f"{path}.{name}")
        else:
            yield path

    assert len(list(names(VALUES, SCHEMA, ""))) > 40


@pytest.mark.parametrize("path", sorted((CHART / "templates").rglob("*")), ids=lambda path: path.name)
def test_templates_use_only_values_that_exist(path: Path) -> None:
    known = {f"{place}" for place, _, _ in generate_values.leaves(SCHEMA, VALUES)}
    for used in re.findall(r"\.Values\.([A-Za-z.]+)", path.read_text()):
        assert used in known or any(place.startswith(f"{used}.") for place in known), f"{path.name}: .Values.{used}"


def test_every_value_is_used() -> None:
    text = "\n".join(path.read_text() for path in (CHART / "templates").rglob("*") if path.is_file())
    unused = [
        place
        for place, _, _ in generate_values.leaves(SCHEMA, VALUES)
        # Images are looked up by name, resources are passed on as a whole.
        if not place.startswith(("images.operator", "images.trainer", "images.sidecar", "images.triton", "operator.resources."))
        and f".Values.{place}" not in text
    ]
    assert unused == []


def test_the_table_of_values_is_current() -> None:
    page = generate_values.PAGE.read_text(encoding="utf-8")
    assert generate_values.render(page) == page, "run python docs/generate_values.py"
