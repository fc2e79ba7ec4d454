"""Another tag for an image that a registry has: what a new release is to a cluster, without building anything."""

from __future__ import annotations

import httpx

from llmos.local.cluster import Cluster

_ACCEPT = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"


def tag_image(cluster: Cluster, reference: str, tag: str) -> None:
    """Give the image of this reference (`host/repository@sha256:…`) a tag in its repository."""
    place, _, digest = reference.partition("@")
    host, _, repository = place.partition("/")
    url = f"{'http' if cluster.plain_http else 'https'}://{host}/v2/{repository}/manifests"
    with httpx.Client(trust_env=not cluster.is_local) as client:
        manifest = client.get(f"{url}/{digest}", headers={"Accept": _ACCEPT}).raise_for_status()
        headers = {"Content-Type": manifest.headers["content-type"]}
        client.put(f"{url}/{tag}", content=manifest.content, headers=headers).raise_for_status()
