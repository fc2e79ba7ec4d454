"""What the cluster tests share: namespaces that enforce `restricted`, documents that belong to the test's own installation, and waiting.

A cluster may already run somebody's LLMOS. The tests install a second one beside it: every custom resource they make carries the label
`llmos.dev/installation`, so that each operator keeps to its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml

from llmos.local.kubectl import Kubectl

ROOT = Path(__file__).resolve().parents[2]
SYSTEM_NAMESPACE = "llmos-test-system"
RELEASE = "llmos-test"
INSTALLATION = f"{SYSTEM_NAMESPACE}.{RELEASE}"
EXAMPLES = ROOT / "examples" / "healthcare"
EXAMPLE = [
    ("Model", "minilm"),
    ("KnowledgeBase", "hpo"),
    ("TrainingJob", "organ-system"),
    ("Model", "organ-system"),
    ("InferenceService", "phenotype"),
]
"""Its objects, in the order in which they become ready."""
KINDS = ("inferenceservice", "model", "trainingjob", "knowledgebase")


def example_documents() -> list[dict[str, Any]]:
    """The healthcare example, in the order of its files."""
    return [document for path in sorted(EXAMPLES.glob("*.yaml")) for document in yaml.safe_load_all(path.read_text())]


def own(document: dict[str, Any]) -> dict[str, Any]:
    """The document, labelled as this installation's."""
    metadata = document["metadata"]
    return {**document, "metadata": {**metadata, "labels": {**metadata.get("labels", {}), "llmos.dev/installation": INSTALLATION}}}


def condition(document: dict[str, Any] | None, type_: str) -> dict[str, Any]:
    """The condition of that type, if it is about the current generation; else an empty one."""
    status = (document or {}).get("status") or {}
    if document is None or status.get("observedGeneration") != document["metadata"]["generation"]:
        return {}
    return next((item for item in status.get("conditions", ()) if item["type"] == type_), {})


def is_ready(document: dict[str, Any] | None) -> bool:
    """Whether Ready is True for the current generation."""
    return condition(document, "Ready").get("status") == "True"


class World:
    """One namespace of the tests, and the questions they ask of it."""

    def __init__(self, kubectl: Kubectl, namespace: str) -> None:
        self.kubectl = kubectl.within(namespace)
        self.namespace = namespace

    def apply(self, *documents: dict[str, Any]) -> None:
        self.kubectl.apply([own(document) for document in documents])

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        return self.kubectl.get(kind, name)

    def list(self, kind: str, selector: str | None = None) -> list[dict[str, Any]]:
        return self.kubectl.list(kind, selector=selector)

    def run(self, *arguments: str) -> str:
        return self.kubectl.run(*arguments)

    def clear(self) -> None:
        """Delete every object of ours, what the tests add beside them, and wait until their children are gone."""
        for kind in KINDS:
            self.run("delete", f"{kind}s.llmos.dev", "--all", "--wait=true")
        self.run("delete", "resourcequota,secret", "--all", "--wait=true")
        until(lambda: self.list("pod"), lambda pods: not pods, timeout_s=120, what=f"all pods of {self.namespace} are gone")

    def until(self, look: Callable[[], Any], true: Callable[[Any], bool], *, timeout_s: float, what: str) -> Any:
        return until(look, true, timeout_s=timeout_s, what=what, describe=self.describe)

    def until_ready(self, kind: str, name: str, *, timeout_s: float) -> dict[str, Any]:
        found = self.until(lambda: self.get(kind, name), is_ready, timeout_s=timeout_s, what=f"{kind}/{name} is Ready")
        assert found is not None
        return found

    def until_reason(self, kind: str, name: str, reason: str, *, timeout_s: float) -> dict[str, Any]:
        """Wait until the Ready condition gives that reason; returns the condition."""
        found = self.until(
            lambda: condition(self.get(kind, name), "Ready"),
            lambda item: item.get("reason") == reason,
            timeout_s=timeout_s,
            what=f"{kind}/{name} says {reason}",
        )
        return found

    def kill_when_running(self, kind: str, name: str, *, timeout_s: float) -> None:
        """Kill the pod of an object's Job once it has reported that it works."""
        self.until(
            lambda: self.get(kind, name),
            lambda item: bool(item and item.get("status", {}).get("progress", {}).get("phase")),
            timeout_s=timeout_s,
            what=f"{kind}/{name} reports progress",
        )
        pods = self.list("pod", f"llmos.dev/{kind.lower()}={name}")
        self.run("delete", "pod", *names(pods), "--grace-period=0", "--force")

    def resource_versions(self) -> dict[tuple[str, str], str]:
        """The resource version of every object of ours and of all that is made for them, pods left out: it changes with each write."""
        kinds = [f"{kind}s.llmos.dev" for kind in KINDS]
        kinds += ["deployments", "services", "configmaps", "jobs", "networkpolicies", "poddisruptionbudgets"]
        found = [item for kind in kinds for item in self.list(kind)]
        return {(item["kind"], item["metadata"]["name"]): item["metadata"]["resourceVersion"] for item in found}

    def describe(self) -> str:
        """What a person would look at when a wait fails."""
        lines = [f"{kind}/{item['metadata']['name']}: {condition(item, 'Ready')}" for kind in KINDS for item in self.list(kind)]
        return "\n".join(
            [*lines, self.run("get", "pods,jobs", "-o", "wide"), self.run("get", "events", "--sort-by=.lastTimestamp")[-3000:]]
        )


def until(look: Callable[[], Any], true: Callable[[Any], bool], *, timeout_s: float, what: str, describe: Callable[[], str] = str) -> Any:
    """Poll twice a second until `true(look())`; fails with what it last saw."""
    end = time.monotonic() + timeout_s
    while True:
        seen = look()
        if true(seen):
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"after {timeout_s:.0f} s it is still not so that {what}\nlast seen: {seen!r}\n{describe()}")
        time.sleep(0.5)


def names(documents: Iterable[dict[str, Any]]) -> set[str]:
    return {document["metadata"]["name"] for document in documents}
