"""Fetching a source from an S3 bucket: what lies below a prefix, or the files that are named, each from the state it was listed in.

obstore speaks S3 (signing, listing, ranges, short retries of its own); what is here is the resumption of a stream, the hashing, and the
errors. Must not: write to the bucket; take credentials for a Secret's from the environment; or go on with an object that was replaced
meanwhile.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from llmos.artifacts import canonical_json
from llmos.errors import NotFoundError, PermanentError, TransientError
from llmos.retrying import retry_transient
from llmos.workload.report import Reporter
from llmos.workload.s3_folder import S3Folder, explained, replaced
from llmos.workload.source_secret import SourceSecret
from llmos.workload.transfer import NO_MODEL, Arrival, Meter, arriving_folder, folder_digest, place_inside

if TYPE_CHECKING:
    from obstore.store import S3Store

__all__ = ["S3Folder", "fetch_from_s3"]

MAX_LISTED: Final = 10_000
MAX_FILES: Final = 256
_MAX_RECORD_BYTES: Final = 32_000
"""The provenance, which records the objects, is a document of at most 64 KiB."""

_PIECE_BYTES: Final = 1 << 20
_RETRIES: Final = 2
"""Of a single request, by the library; ours come on top."""
_CREDENTIAL_VARIABLES: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


@dataclass(frozen=True, slots=True)
class _Object:
    """An object, in the state in which it is taken."""

    key: str
    path: str
    size_bytes: int
    etag: str
    version: str

    @property
    def record(self) -> dict[str, str]:
        """What is kept of it in the provenance."""
        found = {"path": self.path, "etag": self.etag.strip('"'), "version": self.version}
        return {name: value for name, value in found.items() if value}


def fetch_from_s3(
    folder: S3Folder,
    into: Path,
    *,
    wanted: Callable[[str], bool],
    missing: str = NO_MODEL,
    secret: SourceSecret | None = None,
    reporter: Reporter | None = None,
    sleep: Callable[[float], None] = time.sleep,
    read_timeout_s: float = 60.0,
) -> tuple[str, str]:
    """Bring the wanted objects below a prefix into a new folder.

    Args:
        into: must not exist yet; it appears when everything is there and checked.
        wanted: says of a path below the prefix whether it is taken, where neither `folder.files` nor `folder.paths` does.
        missing: what the prefix holds, if nothing of it is wanted.
        secret: `accessKeyId`, `secretAccessKey` and perhaps `sessionToken`, for an endpoint among its `hosts`. Without one, the AWS
            variables of the environment are used, else no credentials at all.
        read_timeout_s: without a byte for this long, a connection is given up and resumed.

    Returns: the digest over paths, sizes and hashes; and a JSON list of each object's path, entity tag and version.
    Raises: NotFoundError for what is not there (yet), or was replaced meanwhile; TransientError if the store does not answer, or refuses
        us; PermanentError (InvalidSource, ChecksumMismatch); ConfigError (InvalidSpec).
    """
    if secret is not None:
        secret.hosts.check(folder.used_endpoint)
    store = _open(folder, secret, read_timeout_s)
    objects = retry_transient(partial(_choose, store, folder, wanted, missing), sleep=sleep)
    record = canonical_json([item.record for item in objects]).decode()
    if len(objects) > MAX_FILES or len(record) > _MAX_RECORD_BYTES:
        raise PermanentError(f"{folder} holds {len(objects)} files; name a narrower prefix", reason="InvalidSource")
    meter = Meter(reporter, num_files=len(objects))
    seen: dict[str, tuple[str, int]] = {}
    with arriving_folder(into) as partial_folder:
        for item in objects:
            meter.begin(item.path)
            with Arrival(place_inside(partial_folder, item.path, str(folder))) as arrival:
                arrival.check_room(item.size_bytes)
                bring = partial(_bring, store, folder, item, arrival, meter)
                retry_transient(bring, sleep=sleep, progress=partial(_size, arrival))
            seen[item.path] = arrival.digest(), arrival.size
            _check(folder, item, arrival.digest())
    return folder_digest(seen), record


def _size(arrival: Arrival) -> int:
    return arrival.size


def _open(folder: S3Folder, secret: SourceSecret | None, read_timeout_s: float) -> "S3Store":
    # Imported late: only the trainer's image has it.
    from obstore.store import S3Store

    endpoint = folder.used_endpoint
    client: dict[str, Any] = {
        "allow_http": endpoint.startswith("http://"),
        "connect_timeout": "30s",
        "read_timeout": f"{read_timeout_s}s",
        # Theirs is over the whole body, and 30 s: no large object would ever arrive.
        "timeout": "7d",
    }
    if authority := os.environ.get("SSL_CERT_FILE"):
        client["root_certificate"] = Path(authority).read_bytes()
    has_environment = any(os.environ.get(name) for name in _CREDENTIAL_VARIABLES)
    return S3Store(
        folder.bucket,
        endpoint=endpoint,
        region=folder.used_region,
        virtual_hosted_style_request=False,
        skip_signature=secret is None and not has_environment,
        client_options=client,  # type: ignore[arg-type]
        retry_config={"max_retries": _RETRIES},
        credential_provider=partial(_credentials, secret) if secret is not None else None,  # type: ignore[arg-type]
    )


def _credentials(secret: SourceSecret) -> dict[str, Any]:
    """Return what obstore signs with, read from the Secret as it is now."""
    found = {
        "access_key_id": secret.value("accessKeyId", is_secret=False),
        "secret_access_key": secret.value("secretAccessKey"),
        "token": secret.find("sessionToken"),
    }
    return {**{name: value for name, value in found.items() if value}, "expires_at": None}


def _choose(store: "S3Store", folder: S3Folder, wanted: Callable[[str], bool], missing: str) -> Sequence[_Object]:
    """Return what is taken, in the order of paths."""
    import obstore

    if named := sorted(folder.files if folder.files is not None else folder.paths):
        found = []
        for path in named:
            with explained(folder, path):
                found.append(_object(obstore.head(store, _key(folder, path)), path))
        return found
    found = []
    listed = 0
    with explained(folder):
        for chunk in obstore.list(store, prefix=folder.prefix or None):
            listed += len(chunk)
            if listed > MAX_LISTED:
                raise PermanentError(f"{folder} holds more than {MAX_LISTED} objects; name a narrower prefix", reason="InvalidSource")
            paths = [(item, item["path"].removeprefix(folder.prefix).removeprefix("/")) for item in chunk]
            found += [_object(item, path) for item, path in paths if wanted(path)]
    if not listed:
        raise NotFoundError(
            f"{folder} holds nothing; copy the files there, or correct s3.prefix; it is looked for again by itself", reason="InvalidSource"
        )
    if not found:
        raise PermanentError(
            f"{folder} holds {missing} among {listed} objects; copy them there, or correct s3.prefix", reason="InvalidSource"
        )
    return sorted(found, key=lambda item: item.path)


def _key(folder: S3Folder, path: str) -> str:
    return f"{folder.prefix}/{path}".removeprefix("/")


def _object(meta: Mapping[str, Any], path: str) -> _Object:
    return _Object(meta["path"], path, int(meta["size"]), meta.get("e_tag") or "", meta.get("version") or "")


def _bring(store: "S3Store", folder: S3Folder, item: _Object, arrival: Arrival, meter: Meter) -> None:
    """Go on with one object where its stream stopped."""
    import obstore

    options: dict[str, Any] = {"if_match": item.etag} if item.etag else {}
    if arrival.size:
        if arrival.size == item.size_bytes:
            return
        options["range"] = {"offset": arrival.size}
    if item.version:
        # Where the bucket keeps versions; the tag alone would be enough, if all stores kept their word.
        options["version"] = item.version
    with explained(folder, item.path):
        answer = obstore.get(store, item.key, options=options)  # type: ignore[arg-type]
        if answer.meta["size"] != item.size_bytes:
            raise replaced(folder, item.path)
        for piece in answer.stream(min_chunk_size=_PIECE_BYTES):
            arrival.append(piece)
            meter.tell(arrival.size, item.size_bytes)
    if arrival.size != item.size_bytes:
        raise TransientError(f"{item.path} of {folder} ended after {arrival.size} of {item.size_bytes} bytes", reason="InvalidSource")


def _check(folder: S3Folder, item: _Object, found: str) -> None:
    expected = (folder.files or {}).get(item.path, found)
    if found != expected:
        raise PermanentError(
            f"{item.path} of {folder} must have sha256 {expected} and has {found}; correct s3.files, or ask who changed the object",
            reason="ChecksumMismatch",
        )
