"""Fetching a source from an OCI registry: ModelPack artifacts (anybody's), and plain ones whose layers have file names (ORAS).

A tag is resolved to a digest once, and everything after goes by digests. Must not: run or import anything, unpack links, or fetch layers of
code and data sets; nor send credentials anywhere but to the registry they stand under and the token server it names.
"""

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import httpx

from llmos.artifacts import Registry, RegistryAccess, Repository
from llmos.artifacts.download import RECORD_NAME
from llmos.artifacts.manifests import FILEPATH_ANNOTATION, OCI_INDEX, Descriptor, Manifest, check_payload_paths, parse_manifest
from llmos.errors import ConfigError, LlmosError, NotFoundError, PermanentError, TransientError
from llmos.workload.archive import TarForm, unpack_tar
from llmos.workload.report import Reporter
from llmos.workload.source_secret import AllowedHosts, SourceSecret
from llmos.workload.transfer import NO_MODEL, Meter, check_room
from llmos.workload.wheel import MAX_UNPACKED_BYTES

__all__ = ["OciReference", "fetch_oci_artifact"]

_TITLE: Final = "org.opencontainers.image.title"
_UNPACK: Final = "io.deis.oras.content.unpack"
_MODELPACK: Final = re.compile(
    r"application/vnd\.cncf\.model\.(weight|weight\.config|doc|code|dataset)\.v1\.(raw|tar|tar\+gzip|tar\+zstd)\Z"
)
_FORMS: Final[dict[str, TarForm]] = {"tar": "r|", "tar+gzip": "r|gz"}
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\Z")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}\Z")
_DOCKER_CONFIGS: Final = (".dockerconfigjson", "config.json")


@dataclass(frozen=True, slots=True)
class OciReference:
    """`host[:port]/repository[:tag][@digest]`."""

    repository: Repository
    tag: str = "latest"
    digest: str = ""
    """Decides where it is given; the tag is then for people."""

    @classmethod
    def parse(cls, text: str) -> "OciReference":
        """Parse it; raises ConfigError (InvalidSpec) that says what is wrong."""
        name, at, digest = text.partition("@")
        head, colon, tag = name.rpartition(":")
        if not colon or "/" in tag:
            head, tag = name, "latest"
        try:
            repository = Repository.parse(head)
        except ValueError as error:
            raise ConfigError(f"oci.reference {text!r:.300}: {error}", reason="InvalidSpec") from error
        if not _TAG.match(tag) or (at and not _DIGEST.match(digest)):
            raise ConfigError(
                f"oci.reference {text!r:.300} must be host[:port]/repository[:tag][@sha256:<64 hex digits>]", reason="InvalidSpec"
            )
        return cls(repository, tag, digest)

    def __str__(self) -> str:
        return f"{self.repository}@{self.digest}" if self.digest else f"{self.repository}:{self.tag}"


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer that is fetched."""

    blob: Descriptor
    form: TarForm | None = None
    """How it is unpacked; None: it is the file itself."""

    @property
    def path(self) -> str:
        return f".{self.blob.digest.removeprefix('sha256:')}.tar" if self.form else self.blob.path


def fetch_oci_artifact(
    reference: str,
    into: Path,
    *,
    wanted: Callable[[str], bool],
    missing: str = NO_MODEL,
    plain_http: bool = False,
    secret: SourceSecret | None = None,
    reporter: Reporter | None = None,
    transport: httpx.BaseTransport | None = None,
    sleep: Callable[[float], None] = time.sleep,
    maximum_bytes: int = MAX_UNPACKED_BYTES,
) -> str:
    """Bring the wanted files of an artifact into a new folder.

    Args:
        into: must not exist yet; it appears when everything is there and checked.
        wanted: says of a file's path whether it is taken.
        missing: what the artifact holds, if nothing of it is wanted.
        secret: a docker `config.json`; plain HTTP only where its `hosts` says `http://…`.
        maximum_bytes: bound on what archives unpack to.

    Returns: `repository@digest`: what the reference stood for.
    Raises: ConfigError (InvalidSpec); NotFoundError if there is no such artifact (yet); TransientError if the registry does not answer, or
        refuses us; PermanentError (InvalidSource, ChecksumMismatch) for what cannot be used.
    """
    asked = OciReference.parse(reference)
    access = RegistryAccess(plain_http=plain_http, credentials_file=_credentials(secret, asked, plain_http))
    with _about_a_source(), Registry(access, transport=transport, sleep=sleep) as registry:
        manifest, data = _resolve(registry, asked)
        layers = _choose(manifest, wanted, asked, missing)
        size_bytes = sum(layer.blob.size_bytes for layer in layers)
        into.parent.mkdir(parents=True, exist_ok=True)
        check_room(into.parent, size_bytes, name=str(asked), total_bytes=size_bytes)
        meter = Meter(reporter)
        meter.begin(str(asked))
        chosen = replace(manifest, layers=tuple(_placed(layer) for layer in layers))
        downloaded = into.with_name(f"{into.name}.layers")
        try:
            registry.fetch_manifest(asked.repository, chosen, data, downloaded, on_progress=meter.tell)
            (downloaded / RECORD_NAME).unlink()
            for layer in layers:
                if layer.form is not None:
                    name = f"layer {layer.blob.digest[:19]}… of {asked}"
                    unpack_tar(downloaded / layer.path, downloaded, form=layer.form, wanted=wanted, name=name, maximum_bytes=maximum_bytes)
                    (downloaded / layer.path).unlink()
            downloaded.rename(into)
        finally:
            shutil.rmtree(downloaded, ignore_errors=True)
    return f"{asked.repository}@{manifest.digest}"


def _credentials(secret: SourceSecret | None, asked: OciReference, plain_http: bool) -> str | None:
    """Return the docker config of a Secret, having seen that it may be sent to this registry."""
    if secret is None:
        return None
    path = next((secret.path(key) for key in _DOCKER_CONFIGS if secret.path(key).is_file()), None)
    if path is None:
        raise TransientError(
            "the Secret of the source must be of type kubernetes.io/dockerconfigjson, or have a key `config.json`", reason="InvalidConfig"
        )
    url = f"{'http' if plain_http else 'https'}://{asked.repository.host}"
    hosts = secret.find_hosts()
    if hosts is None:
        # A docker config names the hosts itself; all of them over TLS, unless a key says http://.
        hosts = AllowedHosts("\n".join(_hosts_of(path)), where="`auths`")
    hosts.check(url)
    return str(path)


def _hosts_of(path: Path) -> list[str]:
    try:
        return [key.removesuffix("/v1/").removesuffix("/v2/") for key in json.loads(path.read_text()).get("auths") or {}]
    except (OSError, ValueError, AttributeError) as error:
        raise TransientError(
            f"the Secret of the source has a `{path.name}` that is no docker config ({type(error).__name__})", reason="InvalidConfig"
        ) from None


@contextmanager
def _about_a_source() -> Iterator[None]:
    """Name the source as the culprit, where the client would name our own registry: its advice is not for other people's artifacts."""
    try:
        yield
    except LlmosError as error:
        if error.reason not in ("RegistryUnavailable", "ChainBroken"):
            raise
        raise type(error)(error.message.partition("; delete it in the registry")[0], reason="InvalidSource") from error


def _resolve(registry: Registry, asked: OciReference) -> tuple[Manifest, bytes]:
    """Return the manifest a reference stands for now; of an index with one entry, that entry's."""
    data = registry.get_manifest(asked.repository, asked.digest or asked.tag)
    if data is not None and (entries := _entries(data)) is not None:
        if len(entries) != 1 or not _DIGEST.match(entries[0]):
            raise PermanentError(
                f"{asked} is an index of {len(entries)} artifacts; name one by its digest in oci.reference", reason="InvalidSource"
            )
        data = registry.get_manifest(asked.repository, entries[0])
    if data is None:
        raise NotFoundError(
            f"{asked} is not in the registry; push it, or correct oci.reference; it is looked for again by itself", reason="InvalidSource"
        )
    try:
        return parse_manifest(data), data
    except ValueError as error:
        raise PermanentError(f"{asked} cannot be used: {error}", reason="InvalidSource") from error


def _entries(data: bytes) -> list[str] | None:
    """Return the digests an index lists; None if it is no index."""
    try:
        document = json.loads(data)
        if document.get("mediaType") != OCI_INDEX and "manifests" not in document:
            return None
        return [str(entry["digest"]) for entry in document["manifests"]]
    except (ValueError, AttributeError, KeyError, TypeError):
        return None


def _choose(manifest: Manifest, wanted: Callable[[str], bool], asked: OciReference, missing: str) -> list[_Layer]:
    """Return the layers that hold what is wanted.

    Raises: PermanentError (InvalidSource) if there is none, or one cannot be unpacked safely.
    """
    found = [layer for blob in manifest.layers if (layer := _read_layer(blob, asked)) is not None]
    chosen = [layer for layer in found if layer.form or wanted(layer.path)]
    if not chosen:
        names = ", ".join(sorted(layer.path for layer in found)[:8]) or "no layer with a file name"
        raise PermanentError(f"{asked} holds {missing}; it has {names}", reason="InvalidSource")
    # Some tools list the same file twice; its bytes are then the same, too.
    chosen = list({(layer.path, layer.blob.digest): layer for layer in chosen}.values())
    try:
        check_payload_paths([layer.path for layer in chosen])
    except ValueError as error:
        raise PermanentError(f"{asked} cannot be used: {error}", reason="InvalidSource") from error
    return chosen


def _read_layer(blob: Descriptor, asked: OciReference) -> _Layer | None:
    """Return what a layer is; None for one that is no file, or that is never fetched."""
    modelpack = _MODELPACK.match(blob.media_type)
    kind, form = modelpack.groups() if modelpack else ("", "raw")
    if kind in ("code", "dataset"):
        return None
    if blob.annotations.get(_UNPACK) == "true":
        form = "tar" if blob.media_type.endswith(".tar") else "tar+gzip"
    path = blob.path or blob.annotations.get(_TITLE, "")
    if form == "raw":
        return _Layer(replace(blob, annotations={FILEPATH_ANNOTATION: path})) if path else None
    if form not in _FORMS:
        raise PermanentError(f"{path or blob.digest} of {asked} is {form}, which is not unpacked here; push it raw", reason="InvalidSource")
    return _Layer(blob, _FORMS[form])


def _placed(layer: _Layer) -> Descriptor:
    return replace(layer.blob, annotations={FILEPATH_ANNOTATION: layer.path})
