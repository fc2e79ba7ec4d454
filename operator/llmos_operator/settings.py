"""The operator's configuration file (`/etc/llmos/operator.yaml`), strict: an unknown or missing key is an error with its path.

Must not: have opinions about custom resources. Every field is one line of the contract page, section 7.
"""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.alias_generators import to_camel

from llmos.artifacts import RegistryAccess, Repository, load_public_keys
from llmos.errors import ConfigError

__all__ = ["Settings", "load_settings"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, protected_namespaces=())


class VerificationSettings(_Section):
    """Whose signature a version must carry to be admitted."""

    public_key: str = ""
    """PEM keys, any of which may have signed; empty: signatures are not asked for."""

    @field_validator("public_key")
    @classmethod
    def _is_key(cls, value: str) -> str:
        if value:
            try:
                load_public_keys(value)
            except ConfigError as error:
                raise ValueError(error.message) from error
        return value


class ArtifactSettings(_Section):
    """Where artifacts live and how the operator and every pod reach them."""

    repository: str
    plain_http: bool = Field(default=False, alias="plainHTTP")
    ca_secret_name: str = ""
    credentials_secret_name: str = ""
    ca_file: str = ""
    """The operator's own copy of the registry's CA; default: where the Secret is mounted."""
    credentials_file: str = ""
    """The operator's own docker config.json; default: where the Secret is mounted."""
    verification: VerificationSettings = VerificationSettings()

    @field_validator("repository")
    @classmethod
    def _is_repository(cls, value: str) -> str:
        Repository.parse(value)
        return value

    @property
    def root(self) -> Repository:
        """The repository all others are below."""
        return Repository.parse(self.repository)

    def operator_access(self) -> RegistryAccess:
        """Return how the operator itself reads the registry."""
        ca_file = self.ca_file or ("/etc/llmos/registry-ca/ca.crt" if self.ca_secret_name else "")
        credentials = self.credentials_file or ("/etc/llmos/registry/config.json" if self.credentials_secret_name else "")
        return RegistryAccess(
            plain_http=self.plain_http,
            ca_file=ca_file or None,
            credentials_file=credentials or None,
            public_key=self.verification.public_key or None,
        )


class ImageSettings(_Section):
    """Image references, digest or tag, as they go into pods."""

    trainer: str
    sidecar: str
    triton: str


class NamedSecret(_Section):
    """A reference by name."""

    name: str


class WorkloadSettings(_Section):
    """Defaults for every workload pod; the custom resource's own `workload` wins."""

    ca_bundle_config_map_name: str = ""
    env: tuple[dict[str, Any], ...] = ()


class ReportSettings(_Section):
    """Where pods send progress; an empty URL switches reports off."""

    url: str = ""
    port: int = Field(default=8443, ge=1, le=65535)
    certificate_directory: str = ""


class NetworkPolicySettings(_Section):
    """Whether inference pods get a NetworkPolicy."""

    enabled: bool = True
    operator_namespace: str = "llmos-system"


class QueueSettings(_Section):
    """The work queue."""

    workers: int = Field(default=8, ge=1, le=64)
    resync_seconds: int = Field(default=600, ge=10)
    rolling_services: int = Field(default=4, ge=1)
    """How many inference services may roll at once when only the installation changed (an upgrade), not their spec."""


class PortSettings(_Section):
    """A port to listen on; 0 lets the system choose (tests)."""

    port: int = Field(ge=0, le=65535)


class Settings(_Section):
    """The whole file."""

    installation_id: str
    artifacts: ArtifactSettings
    images: ImageSettings
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    image_pull_secrets: tuple[NamedSecret, ...] = ()
    workloads: WorkloadSettings = WorkloadSettings()
    report: ReportSettings = ReportSettings()
    network_policies: NetworkPolicySettings = NetworkPolicySettings()
    watch_namespaces: tuple[str, ...] = ()
    queue: QueueSettings = QueueSettings()
    probes: PortSettings = PortSettings(port=8081)
    metrics: PortSettings = PortSettings(port=9090)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


def load_settings(path: Path) -> Settings:
    """Read the file.

    Raises: ConfigError naming the first wrong field, its value and the file.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Settings.model_validate(document or {})
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"the operator's configuration {path} cannot be read: {error}", reason="InvalidConfig") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"{path}: {field or 'the document'}: {first['msg']}, found {first['input']!r:.80}", reason="InvalidConfig"
        ) from error
