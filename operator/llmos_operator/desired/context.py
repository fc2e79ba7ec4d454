"""What builders need besides a custom resource: the installation, and where artifacts of resolved references are.

Must not: hold a client.
"""

from dataclasses import dataclass
from typing import Final

from llmos.artifacts import Repository
from llmos_operator.api import Workload
from llmos_operator.desired.quantity import quantity
from llmos_operator.names import Json, ObjectKey
from llmos_operator.settings import Settings

__all__ = ["CACHE_FOLDER", "Installation", "Source", "repository_of"]

CACHE_FOLDER: Final = "/cache"


@dataclass(frozen=True, slots=True)
class Installation:
    """The settings, and the CA of the report endpoint as it is now."""

    settings: Settings
    report_ca: str | None = None
    """PEM; None switches reports off."""

    def artifacts_config(self, workload: Workload) -> Json:
        """Return how a pod reaches the registry, and where it keeps what it has fetched."""
        artifacts = self.settings.artifacts
        cache = workload.cache
        kept = {"cache": {"folder": CACHE_FOLDER, "sizeBytes": int(quantity(cache.size_limit) or 0)}} if cache else {}
        return {
            **kept,
            # Only where it is asked for: a new key in every pod's template would be a rollout.
            **({"publicKey": key} if (key := artifacts.verification.public_key) else {}),
            "plainHTTP": artifacts.plain_http,
            "caFile": "/etc/llmos/registry-ca/ca.crt" if artifacts.ca_secret_name else None,
            "credentialsFile": "/etc/llmos/registry/config.json" if artifacts.credentials_secret_name else None,
        }

    @property
    def has_reports(self) -> bool:
        """Whether pods report at all."""
        return bool(self.settings.report.url) and self.report_ca is not None

    def report_config(self, *, ca_file: str | None = None) -> Json | None:
        """Return where a pod reports, or None.

        Args:
            ca_file: where the pod finds the CA; None: it travels in the configuration, which is then another with every renewal.
        """
        if not self.has_reports:
            return None
        authority = {"caFile": ca_file} if ca_file else {"caBundle": self.report_ca}
        return {"url": self.settings.report.url, **authority, "tokenFile": "/var/run/llmos/report/token"}


@dataclass(frozen=True, slots=True)
class Source:
    """A version of another object: its repository and digest."""

    repository: str
    digest: str

    def to_json(self) -> Json:
        """Return the form of a workload's config."""
        return {"repository": self.repository, "digest": self.digest}


def repository_of(root: Repository, key: ObjectKey) -> Repository:
    """Return `<root>/<namespace>/<kind>/<name>`."""
    return root.child(key.namespace, key.kind.lower(), key.name)
