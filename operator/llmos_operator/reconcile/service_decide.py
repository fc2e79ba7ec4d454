"""Deciding about an InferenceService: which children differ, which pods to nudge, how it is.

Pure: `decide(observed, now, installation) -> Plan`. While a reference does not resolve nothing is touched: what serves goes on serving.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from llmos_operator.desired import Installation, build_children, differences
from llmos_operator.names import (
    APPLIED_ANNOTATION,
    KNOWLEDGE_ANNOTATION,
    MODEL_ANNOTATION,
    WORKLOAD_ANNOTATION,
    Json,
    ObjectKey,
    knowledge_name,
)
from llmos_operator.reconcile.plan import Action, Apply, Create, Delete, Patch, Plan
from llmos_operator.reconcile.service_state import ServiceObserved, knowledge_mark, pod_mark
from llmos_operator.reconcile.service_status import build_status
from llmos_operator.status import Reason, Verdict
from llmos_operator.status.conditions import find_condition, status_patch
from llmos_operator.status.rollout import is_settled, rollout_verdict

__all__ = ["child_difference", "decide", "is_wanted_by_user"]

STUCK_LOOK_S = 30.0
ROLL_LATER_S = 20.0


def decide(observed: ServiceObserved, now: datetime, installation: Installation) -> Plan:
    """Return what to do about this service."""
    if observed.problem:
        return _plan(observed, observed.problem, (), now)
    children = build_children(observed.inputs(), installation)
    actions, is_waiting = _child_actions(observed, children)
    verdict = _verdict(observed, actions)
    if observed.chosen and observed.chosen.note:
        verdict = replace(verdict, message=f"{verdict.message}; {observed.chosen.note}")
    if is_waiting:
        waits = "waits for its turn to take what the installation has changed"
        verdict = replace(verdict, message=f"{verdict.message}; {waits}", retry_s=verdict.retry_s or ROLL_LATER_S)
    return _plan(observed, verdict, (*actions, *_nudges(observed, actions)), now)


def _plan(observed: ServiceObserved, verdict: Verdict, actions: tuple[Action, ...], now: datetime) -> Plan:
    status = build_status(observed, verdict, now)
    changed = bool(status_patch(observed.subject.status, status))
    return Plan(actions, status if changed else None, verdict.retry_s)


def _child_actions(observed: ServiceObserved, children: tuple[Json, ...]) -> tuple[tuple[Action, ...], bool]:
    """Return what to create, apply and delete, and whether a rollout waits for its turn."""
    # Deleting comes first: an autoscaler that should go must not answer to the replicas that are applied next.
    actions: list[Action] = [Delete(ObjectKey.of(body), body["metadata"]["uid"]) for body in observed.unwanted(children)]
    is_waiting = False
    for child in children:
        live = observed.children.get(ObjectKey.of(child))
        if live is None:
            actions.append(Create(child))
        elif why := child_difference(child, live, observed):
            is_turn_needed = child["kind"] == "Deployment" and not is_wanted_by_user(child, live)
            if is_turn_needed and not observed.may_roll:
                is_waiting = True
            else:
                actions.append(Apply(child, why, takes_turn=is_turn_needed))
    return tuple(actions), is_waiting


def child_difference(child: Json, live: Json, observed: ServiceObserved) -> str | None:
    """Return the first field that differs and that applying would change; replicas are the autoscaler's where there is one."""
    if _applied(live) != _applied(child):
        return f"metadata.annotations[{APPLIED_ANNOTATION}]"
    wanted: dict[str, Any] = {name: value for name, value in child.items() if name not in ("apiVersion", "kind")}
    if observed.spec.autoscaling is not None and child["kind"] == "Deployment":
        wanted["spec"] = {name: value for name, value in wanted["spec"].items() if name != "replicas"}
    tolerated = observed.tolerated.get(ObjectKey.of(child), {})
    found = differences(wanted, live)
    return next((path for path, value in found.items() if path not in tolerated or tolerated[path] != value), None)


def is_wanted_by_user(child: Json, live: Json) -> bool:
    """Say whether the user's own spec or another model causes this Deployment's change: such a change does not wait its turn."""
    wanted, is_now = (body["metadata"].get("annotations", {}).get(WORKLOAD_ANNOTATION) for body in (child, live))
    models = (body["spec"]["template"]["metadata"].get("annotations", {}).get(MODEL_ANNOTATION) for body in (child, live))
    return bool(wanted != is_now or next(models) != next(models))


def _applied(body: Json) -> str:
    return str(body["metadata"].get("annotations", {}).get(APPLIED_ANNOTATION, ""))


def _nudges(observed: ServiceObserved, actions: tuple[Action, ...]) -> list[Action]:
    """Return the pod annotations that make the kubelet sync the ConfigMap at once.

    All pods when the ConfigMap changes in this very pass; later only those that report something else (we may have died in between).
    """
    views = observed.wanted_views()
    mark = knowledge_mark(views)
    config_map = knowledge_name(observed.subject.key.name)
    switches = any(isinstance(action, Apply) and action.body["metadata"]["name"] == config_map for action in actions)
    pods = [pod for pod in observed.pods if not pod["metadata"].get("deletionTimestamp")] if switches else observed.pods_without(views)
    body = {"metadata": {"annotations": {KNOWLEDGE_ANNOTATION: mark}}}
    return [Patch(ObjectKey.of(pod), body) for pod in pods if pod_mark(pod) != mark]


def _verdict(observed: ServiceObserved, actions: tuple[Action, ...]) -> Verdict:
    deployment = observed.deployment
    if deployment is None or (find_condition(observed.subject.conditions, "Ready") is None and not deployment.get("status")):
        return Verdict(Reason.Initializing, "the Deployment and its companions are being created", is_known=False, is_progressing=True)
    if any(isinstance(action, Apply) and action.body["kind"] == "Deployment" for action in actions):
        # What the pods of the old template suffer from is what this rollout may mend.
        return rollout_verdict(_unsettled(deployment), [], None)
    found = rollout_verdict(deployment, list(observed.pods), observed.told)
    return found if is_settled(deployment) else replace(found, retry_s=STUCK_LOOK_S)


def _unsettled(deployment: Json) -> Json:
    """Return the Deployment as it is a moment from now: its spec has changed, and its controller has not looked yet."""
    status = {name: value for name, value in deployment.get("status", {}).items() if name not in ("observedGeneration", "conditions")}
    return {**deployment, "status": status}
