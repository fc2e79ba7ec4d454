"""The tests' own installation of LLMOS: installs the chart beside whatever is there, restarts and kills its operator, removes it again."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from llmos.cli.demo.install import chart_values, prepare_namespace
from llmos.local.cluster import Cluster
from llmos.local.kubectl import poll_until
from tests.cluster.world import RELEASE, ROOT, SYSTEM_NAMESPACE, World, until

CHART = ROOT / "charts" / "llmos"
CRDS = ("models", "knowledgebases", "trainingjobs", "inferenceservices")


class Installation:
    """A release that watches only the namespaces of the tests."""

    def __init__(self, *, cluster: Cluster, images: Mapping[str, str], namespaces: Sequence[str]) -> None:
        self.helm = cluster.helm()
        self.kubectl = kubectl = cluster.kubectl()
        self.images = dict(images)
        self.namespaces = tuple(namespaces)
        # A repository of this run's own: what an earlier run has pushed would be adopted, and nothing would be tested.
        self.repository = f"llmos-test/{uuid.uuid4().hex[:8]}"
        self._found_crds = kubectl.get("crd", "models.llmos.dev") is not None
        values = chart_values(images, registry=cluster.registry, plain_http=cluster.plain_http, is_local=cluster.is_local)
        self.values: dict[str, Any] = {
            **values,
            "artifacts": {**values["artifacts"], "repository": f"{cluster.registry}/{self.repository}"},
            "watchNamespaces": list(namespaces),
            "rbac": {"create": True, "aggregate": False},
            # Somebody else's release owns the CRDs where they exist; both come from this checkout.
            "crds": {"install": not self._found_crds},
        }

    def install(self) -> None:
        """Namespaces first: the chart makes Roles in each."""
        for name in (SYSTEM_NAMESPACE, *self.namespaces):
            prepare_namespace(self.kubectl, name)
        self.upgrade()

    def upgrade(self, **values: Any) -> None:
        """`helm upgrade --install` with these values beside the usual ones; waits until the operator is ready."""
        self.helm.upgrade(RELEASE, CHART, namespace=SYSTEM_NAMESPACE, values={**self.values, **values})

    def uninstall(self) -> None:
        self.helm.uninstall(RELEASE, namespace=SYSTEM_NAMESPACE)

    def remove(self) -> None:
        """Leave things as they were found."""
        self.uninstall()
        for name in (*self.namespaces, SYSTEM_NAMESPACE):
            self.kubectl.delete("namespace", name, timeout_s=180)
        if not self._found_crds:
            for crd in CRDS:
                self.kubectl.delete("crd", f"{crd}.llmos.dev")

    @contextmanager
    def world(self, namespace: str) -> Iterator[World]:
        """The namespace, empty at first and emptied again; a failed test's objects are described by the failure."""
        world = World(self.kubectl, namespace)
        world.clear()
        yield world
        world.clear()

    def image_values(self, tag: str, *names: str) -> dict[str, Any]:
        """Chart values with another tag for these images, or for all that run workloads."""
        images = dict(self.values["images"])
        for name in names or ("trainer", "sidecar", "triton"):
            images[name] = {"registry": images[name]["registry"], "repository": images[name]["repository"], "tag": tag}
        return {"images": images}

    def kill_operator(self) -> None:
        """Kill it as a node that dies would: no grace, no goodbye."""
        self._operator("delete", "pod", f"--selector={SELECTOR}", "--grace-period=0", "--force")

    def restart_operator(self) -> None:
        """Replace the pod and wait until the new one is ready."""
        old = self._pods()
        self._operator("delete", "pod", f"--selector={SELECTOR}", "--wait=true")
        until(lambda: self._pods() - old, bool, timeout_s=60, what="the operator has a new pod")
        self._operator("rollout", "status", "deployment/llmos-test-operator", "--timeout=120s")

    def scale_operator(self, replicas: int) -> None:
        """Take the operator away, or bring it back."""
        self._operator("scale", "deployment/llmos-test-operator", f"--replicas={replicas}")
        self._operator("rollout", "status", "deployment/llmos-test-operator", "--timeout=120s")
        poll_until(lambda: len(self._pods()) == replicas, what=f"{replicas} operator pods", timeout_s=60)

    def _pods(self) -> set[str]:
        return {pod["metadata"]["uid"] for pod in self.kubectl.list("pod", selector=SELECTOR, namespace=SYSTEM_NAMESPACE)}

    def _operator(self, *arguments: str) -> None:
        self.kubectl.within(SYSTEM_NAMESPACE).run(*arguments)


SELECTOR = f"app.kubernetes.io/name=llmos-operator,app.kubernetes.io/instance={RELEASE}"
