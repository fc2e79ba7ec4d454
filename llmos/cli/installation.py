"""Which registry an object's artifacts are in, and how this machine reads it: what the operator's own configuration says, unless the user
says otherwise.

Must not: print a secret, or leave one on the disk. Secrets are read with the user's own rights; where those do not suffice the message
names the option that does without.
"""

import base64
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from llmos.artifacts import Registry, RegistryAccess, Repository
from llmos.errors import ConfigError, LlmosError
from llmos.local.kubectl import Document, Kubectl

__all__ = ["Overrides", "Store", "choose_installation", "configuration_of", "list_configurations", "open_store", "open_store_of"]

Configuration = dict[str, Any]
"""An operator.yaml, as the chart rendered it."""

_OPERATOR: Final = "app.kubernetes.io/name=llmos-operator,app.kubernetes.io/component=operator"


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the user says about the registry."""

    registry: str = ""
    """host[:port]/path to use instead of the operator's."""
    plain_http: bool | None = None
    ca_file: Path | None = None
    credentials_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """An open registry, and the repository that all of the installation's are below."""

    registry: Registry
    root: Repository
    installation: str = ""
    """Its id; empty where the user named the registry."""


def configuration_of(kubectl: Kubectl, document: Document, overrides: Overrides) -> Configuration:
    """Return the configuration of the installation that works on an object; where the user names the registry, nothing is asked.

    Raises: ConfigError if none can be found or read, or more than one fits; the message says what to give instead.
    """
    if overrides.registry:
        return {"artifacts": {"repository": overrides.registry}}
    return _choose_configuration(list_configurations(kubectl), document)


@contextmanager
def open_store(kubectl: Kubectl, configuration: Configuration, namespace: str, overrides: Overrides) -> Iterator[Store]:
    """Open the registry of an installation.

    Args:
        namespace: where its Secrets are read.

    Raises: ConfigError if a file or Secret cannot be read; the message says what to give instead.
    """
    artifacts = {**configuration["artifacts"], **({"repository": overrides.registry} if overrides.registry else {})}
    with tempfile.TemporaryDirectory(prefix="llmos-") as scratch:
        read = _Secrets(kubectl, namespace, Path(scratch))
        access = RegistryAccess(
            plain_http=artifacts.get("plainHTTP", False) if overrides.plain_http is None else overrides.plain_http,
            ca_file=read.file(overrides.ca_file, artifacts.get("caSecretName", ""), "ca.crt", "--ca-file"),
            credentials_file=read.file(
                overrides.credentials_file, artifacts.get("credentialsSecretName", ""), ".dockerconfigjson", "--credentials-file"
            ),
            public_key=(artifacts.get("verification") or {}).get("publicKey") or None,
        )
        try:
            root = Repository.parse(artifacts["repository"])
        except ValueError as error:
            raise ConfigError(f"--registry: {error}", reason="InvalidArgument") from error
        with Registry(access) as registry:
            yield Store(registry, root, configuration.get("installationId", ""))


@contextmanager
def open_store_of(kubectl: Kubectl, document: Document, overrides: Overrides) -> Iterator[Store]:
    """Open the registry of the installation that works on an object; raises as `configuration_of` and `open_store`."""
    configuration = configuration_of(kubectl, document, overrides)
    with open_store(kubectl, configuration, document["metadata"]["namespace"], overrides) as store:
        yield store


def list_configurations(kubectl: Kubectl) -> list[Configuration]:
    """Return the operators' configurations of the cluster; raises ConfigError if they cannot be read."""
    try:
        found = kubectl.list("configmaps", selector=_OPERATOR, everywhere=True)
    except LlmosError as error:
        raise ConfigError(
            f"the operator's configuration cannot be read ({error.message}); give --registry host/path", reason="NoConfiguration"
        ) from error
    return [yaml.safe_load(item["data"]["operator.yaml"]) for item in found if "operator.yaml" in item.get("data", {})]


def choose_installation(configurations: list[Configuration], wanted: str) -> Configuration:
    """Return the configuration of an installation by its id, or of the only one.

    Raises: ConfigError if there is none of that id, or more than one and none is named.
    """
    fitting = [item for item in configurations if wanted in ("", item["installationId"])]
    if len(fitting) != 1:
        ids = ", ".join(sorted(item["installationId"] for item in configurations)) or "none"
        raise ConfigError(f"give --installation namespace/release; this cluster has: {ids}", reason="NoConfiguration")
    return fitting[0]


def _choose_configuration(configurations: list[Configuration], document: Document) -> Configuration:
    """Return the configuration of the installation that works on an object.

    Raises: ConfigError if none does, or more than one may.
    """
    metadata = document["metadata"]
    wanted = (metadata.get("labels") or {}).get("llmos.dev/installation")
    fitting = [
        item
        for item in configurations
        if wanted in (None, item["installationId"].replace("/", "."))
        and (not item.get("watchNamespaces") or metadata["namespace"] in item["watchNamespaces"])
    ]
    if len(fitting) != 1:
        ids = ", ".join(sorted(item["installationId"] for item in fitting))
        what = f"more than one installation may work on it ({ids})" if fitting else "no installation of LLMOS works on it"
        raise ConfigError(f"{document['kind']} {metadata['name']}: {what}; give --registry host/path", reason="NoConfiguration")
    return fitting[0]


@dataclass(frozen=True, slots=True)
class _Secrets:
    kubectl: Kubectl
    namespace: str
    scratch: Path

    def file(self, given: Path | None, secret: str, key: str, option: str) -> str | None:
        """Return a file's path: the user's own, or one that holds a Secret's key as long as the store is open; None for neither."""
        if given is not None:
            if not given.is_file():
                raise ConfigError(f"{option}: {given} is not a file", reason="InvalidArgument")
            return str(given)
        if not secret:
            return None
        try:
            found = self.kubectl.get("secret", secret, self.namespace)
        except LlmosError as error:
            raise ConfigError(
                f"Secret {self.namespace}/{secret} cannot be read ({error.message}); give {option}", reason="Forbidden"
            ) from error
        if found is None or key not in found.get("data", {}):
            raise ConfigError(f"Secret {self.namespace}/{secret} has no key {key}; give {option}", reason="NotFound")
        path = self.scratch / key.lstrip(".")
        path.touch(mode=0o600)
        path.write_bytes(base64.b64decode(found["data"][key]))
        return str(path)
