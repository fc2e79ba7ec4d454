"""What a cluster uses: every digest that any of our objects or their children names.

Pure, over plain Kubernetes documents. On purpose it does not know which field means what: whatever looks like a digest, in a spec, a status
or the configuration of a running pod, is a reason to keep; too much is kept rather than too little.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Marks", "mark"]

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_INSTALLATION_LABEL: Final = "llmos.dev/installation"
_KINDS: Final = ("Model", "KnowledgeBase", "TrainingJob", "InferenceService")

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Marks:
    """What must stay."""

    digests: frozenset[str]
    """Versions, inputs hashes and payloads that something names."""

    repositories: frozenset[str]
    """`<namespace>/<kind>/<name>` of every object of the installation."""

    busy: frozenset[str]
    """Those with a Job that is not over: what it has pushed is not named by anything yet."""

    unseen: tuple[str, ...]
    """Objects without a status: nobody has looked at them yet, so nobody knows what they use."""


def mark(documents: Iterable[Document], *, installation: str, keep: int) -> Marks:
    """Return what the given objects, and the children among them, use.

    Args:
        documents: custom resources; and the Jobs, Deployments and ConfigMaps the operator has made.
        installation: its id; an object may belong to another one by a label, and then only what it names counts.
        keep: how many of the versions a Model remembers count as used.
    """
    label = installation.replace("/", ".")
    digests: set[str] = set()
    repositories: set[str] = set()
    busy: set[str] = set()
    unseen: list[str] = []
    for document in documents:
        kind, metadata = document["kind"], document["metadata"]
        digests.update(_DIGEST.findall(json.dumps(_without_old_versions(document, keep))))
        if kind in _KINDS:
            if (metadata.get("labels") or {}).get(_INSTALLATION_LABEL, label) == label:
                repositories.add(f"{metadata['namespace']}/{kind.lower()}/{metadata['name']}")
            if not (document.get("status") or {}).get("conditions"):
                unseen.append(f"{kind} {metadata['namespace']}/{metadata['name']}")
        elif kind == "Job" and not _is_over(document):
            busy.update(
                f"{metadata['namespace']}/{owner['kind'].lower()}/{owner['name']}" for owner in metadata.get("ownerReferences") or []
            )
    return Marks(frozenset(digests), frozenset(repositories), frozenset(busy), tuple(sorted(unseen)))


def _without_old_versions(document: Document, keep: int) -> Document:
    status = document.get("status") or {}
    if document["kind"] != "Model" or not status.get("versions"):
        return document
    return {**document, "status": {**status, "versions": status["versions"][:keep]}}


def _is_over(job: Document) -> bool:
    conditions = (job.get("status") or {}).get("conditions") or []
    return any(item["type"] in ("Complete", "Failed") and item["status"] == "True" for item in conditions)
