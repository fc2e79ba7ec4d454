"""A source of any kind into a folder: what Models and KnowledgeBases share.

Owns: which fetcher is for which kind, and what is recorded of a name that may move. Must not: know a protocol, or what the files are for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from llmos.errors import ConfigError
from llmos.workload.config import SourceAccess
from llmos.workload.config_map import fetch_config_map
from llmos.workload.git_repository import fetch_git_files
from llmos.workload.http_files import HttpFile, fetch_http_files
from llmos.workload.object_store import fetch_from_s3
from llmos.workload.oci_artifact import fetch_oci_artifact
from llmos.workload.report import Reporter
from llmos.workload.s3_folder import S3Folder
from llmos.workload.source_secret import SourceSecret
from llmos.workload.source_spec import ConfigMapSource, GitSource, HttpSource, OciSource, OutsideSource, PvcSource, S3Source
from llmos.workload.transfer import NO_MODEL
from llmos.workload.volume import fetch_from_volume

__all__ = ["Reach", "Resolved", "Wanted", "fetch_source"]


@dataclass(frozen=True, slots=True)
class Reach:
    """How a source is reached; it decides no content."""

    secret: SourceSecret | None = None
    volume: Path | None = None
    """Where its volume or ConfigMap is mounted."""

    plain_http: bool = False

    @classmethod
    def of(cls, access: SourceAccess) -> "Reach":
        """Return it as the kubelet has mounted it."""
        secret = SourceSecret(access.secret_directory) if access.secret_directory else None
        return cls(secret, access.volume_directory, access.plain_http)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which files are taken of what a source holds."""

    is_wanted: Callable[[str], bool]
    """Says so of a path, where a source is listed."""

    missing: str = NO_MODEL
    """What a source holds, in messages, if it has nothing that is wanted."""

    paths: Sequence[str] = ()
    """Where they are known: `git`, `configMap` and `s3` are then asked for these and nothing else."""

    @classmethod
    def files(cls, paths: Sequence[str]) -> "Wanted":
        """Want exactly these files."""
        return cls(frozenset(paths).__contains__, f"none of the files that are read ({', '.join(paths[:8])})", tuple(paths))


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a source stood for when it was read."""

    name: str = ""
    """`registry/repository@sha256:…`, `repository@commit`, `claim/path@sha256:…`; empty where the spec itself says it all."""

    objects: str = ""
    """Of a bucket: a JSON list of each object's path, entity tag and version."""

    @property
    def revision(self) -> str:
        """The part that moves: a digest, or a commit."""
        return self.name.rpartition("@")[2]


PINNED: Final = Resolved()
"""Nothing can have moved."""


def fetch_source(source: OutsideSource, into: Path, *, wanted: Wanted, reach: Reach, reporter: Reporter | None = None) -> Resolved:
    """Bring the wanted files of a source into a new folder.

    Args:
        source: what is asked for.
        into: must not exist yet; it appears when everything is there and checked.
        wanted: which files are taken; of `http`, whatever it names.
        reach: its Secret, its volume.

    Returns: what it stood for.
    Raises: as the fetcher of its kind; ConfigError (InvalidSpec) if its volume is not mounted.
    """
    secret, is_wanted, missing = reach.secret, wanted.is_wanted, wanted.missing
    match source:
        case HttpSource():
            files = [HttpFile(file.url, file.sha256, file.path) for file in source.files]
            fetch_http_files(files, into, secret=secret, reporter=reporter)
            return PINNED
        case OciSource():
            return Resolved(
                fetch_oci_artifact(
                    source.reference,
                    into,
                    wanted=is_wanted,
                    missing=missing,
                    plain_http=reach.plain_http,
                    secret=secret,
                    reporter=reporter,
                )
            )
        case PvcSource():
            name = f"{source.claim_name}/{source.path}".rstrip("/")
            mounted = _mounted(reach, "pvc")
            digest = fetch_from_volume(
                mounted, source.path, into, wanted=is_wanted, name=f"volume {name}", missing=missing, reporter=reporter
            )
            return Resolved(f"{name}@{digest}")
        case S3Source():
            folder = _s3_folder(source, wanted.paths)
            digest, objects = fetch_from_s3(folder, into, wanted=is_wanted, missing=missing, secret=secret, reporter=reporter)
            return Resolved(f"{folder}@{digest}", objects)
        case GitSource():
            commit = fetch_git_files(source.repository, source.ref, wanted.paths, into, secret=secret, reporter=reporter)
            return Resolved(f"{source.repository}@{commit}")
        case ConfigMapSource():
            digest = fetch_config_map(_mounted(reach, "configMap"), wanted.paths, into, name=source.name)
            return Resolved(f"{source.name}@{digest}")


def _s3_folder(source: S3Source, paths: Sequence[str]) -> S3Folder:
    """Return what of a bucket a source means."""
    files: Mapping[str, str] | None = {file.path: file.sha256 for file in source.files} if source.files is not None else None
    return S3Folder(source.bucket, source.prefix, source.endpoint or "", source.region or "", files, paths)


def _mounted(reach: Reach, kind: str) -> Path:
    if reach.volume is None:
        raise ConfigError(f"the source is {kind}, and no source.volumeDirectory says where it is mounted", reason="InvalidSpec")
    return reach.volume
