"""Golden plans: `<kind>/<case>/{cr,observed}.yaml` in, `plan.yaml` out.

`pytest tests/golden --regen` writes them anew; review the difference. `cr.yaml` is what a user wrote, `observed.yaml` what the
cluster and the registry say. Both are read as the operator reads them; only time and the installation are fixed. What a plan
holds is what would be sent.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmos.artifacts import Payload, Provenance, Version
from llmos_operator.api import InferenceServiceSpec, Reference, parse_spec
from llmos_operator.cluster.slim import slim_child, slim_pod
from llmos_operator.desired import Installation, Source
from llmos_operator.names import ObjectKey
from llmos_operator.reconcile import job_decide, service_decide
from llmos_operator.reconcile.job_state import JobObserved
from llmos_operator.reconcile.plan import Action, Apply, Create, Delete, Patch, Plan
from llmos_operator.reconcile.registry import Answer, Lookup
from llmos_operator.reconcile.resolve import Resolved
from llmos_operator.reconcile.service_state import ServiceObserved
from llmos_operator.reconcile.subject import Subject
from llmos_operator.settings import Settings

HERE = Path(__file__).parent
CASES = sorted(path.parent for path in HERE.glob("*/*/cr.yaml"))
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
INSTALLATION = Installation(Settings.model_validate(yaml.safe_load((HERE / "operator.yaml").read_text())), "PEM")


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def resolved(item: dict[str, Any]) -> Resolved:
    reference = Reference(item["role"], item["kind"], item["name"])
    return Resolved(reference, Source(item["repository"], item["digest"]), None, item.get("task", ""), tuple(item.get("precisions", ())))


def lookup(item: dict[str, Any] | None) -> Lookup:
    if item is None or "answer" in item:
        return Lookup(Answer(item["answer"]), message=item.get("message", "")) if item else Lookup()
    provenance = item["provenance"]
    payloads = [Payload(entry["role"], entry["digest"], entry["sizeBytes"], entry["attributes"]) for entry in provenance["payloads"]]
    made = Provenance(
        kind=provenance["kind"],
        inputs_hash=provenance["inputsHash"],
        spec=provenance["spec"],
        parents=provenance["parents"],
        payloads=payloads,
        tools={},
    )
    return Lookup(Answer.Found, Version(item["digest"], made, item["measurements"]))


def decide(case: Path) -> Plan:
    body, facts = read(case / "cr.yaml"), read(case / "observed.yaml") or {}
    subject, spec = Subject.of(body), parse_spec(body["kind"], body["spec"])
    references = tuple(resolved(item) for item in facts.get("resolved", []))
    children = [slim_child(child) for child in facts.get("children", [])]
    pods = tuple(slim_pod(pod) for pod in facts.get("pods", []))
    if isinstance(spec, InferenceServiceSpec):
        live = {ObjectKey.of(child): child for child in children}
        return service_decide.decide(ServiceObserved(subject, spec, references, live, pods, facts.get("reports", {})), NOW, INSTALLATION)
    observed = JobObserved(subject, spec, references, tuple(children), pods, lookup(facts.get("lookup")))  # type: ignore[arg-type]
    return job_decide.decide(observed, NOW, INSTALLATION)


def readable(action: Action) -> dict[str, Any]:
    match action:
        case Create(body):
            return {"create": body}
        case Apply(body, why):
            return {"apply": body, "why": why}
        case Patch(key, body):
            return {"patch": str(key), "with": body}
        case Delete(key, uid):
            return {"delete": str(key), "uid": uid}


def document(plan: Plan) -> str:
    whole = {"actions": [readable(action) for action in plan.actions], "status": plan.status, "requeueSeconds": plan.requeue_s}
    # Through JSON: no anchors, no tuples.
    return yaml.safe_dump(json.loads(json.dumps(whole)), sort_keys=False, width=140)


def test_there_are_cases_for_every_kind() -> None:
    assert {case.parent.name for case in CASES} == {"model", "knowledgebase", "trainingjob", "inferenceservice"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_the_plan_is_the_golden_one(case: Path, request: pytest.FixtureRequest) -> None:
    found, golden = document(decide(case)), case / "plan.yaml"
    if request.config.getoption("--regen", default=False):
        golden.write_text(found)
    assert found == golden.read_text()
