"""The CRDs of this checkout on a cluster that may have others: an earlier `make demo` of the same developer left them there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from llmos.local.cluster import Cluster
from tests.cluster.cluster_access import Document, RestClient
from tests.unit.crds.crd_samples import load_crds, schema_of

__all__ = ["CRD_PATH", "live_crds", "these_crds"]

CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
CRDS = load_crds()


def live_crds(rest: RestClient) -> dict[str, Document]:
    """Return the cluster's CRDs by name."""
    return {crd["metadata"]["name"]: crd for crd in rest.get(CRD_PATH)["items"]}


@contextlib.contextmanager
def these_crds(cluster: Cluster) -> Iterator[None]:
    """Let the CRDs the cluster has be those of this checkout, and what they were again afterwards; those it lacks it goes on lacking.

    On a cluster of others nothing is changed: theirs must be these.
    """
    with contextlib.closing(RestClient(cluster.kubeconfig)) as rest:
        live = live_crds(rest)
        found = {name: live[name]["spec"] for crd in CRDS.values() if (name := crd["metadata"]["name"]) in live}
        others = {
            name: crd["spec"]
            for crd in CRDS.values()
            if (name := crd["metadata"]["name"]) in found and schema_of({"spec": found[name]}) != schema_of(crd)
        }
        assert cluster.is_local or not others, f"the cluster has other {', '.join(others)} than crds/: upgrade its release first"
        for name, spec in others.items():
            _replace(rest, name, spec)
        try:
            yield
        finally:
            for name in others.keys() & live_crds(rest).keys():
                _replace(rest, name, found[name])


def _replace(rest: RestClient, name: str, spec: Document) -> None:
    # Read anew: the server keeps other metadata of its own, and refuses an old resource version.
    rest.replace(f"{CRD_PATH}/{name}", {**live_crds(rest)[name], "spec": spec})
