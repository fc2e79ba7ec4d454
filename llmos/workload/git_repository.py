"""Fetching a source from a Git repository: the named files of one commit, read from its objects.

No working tree is made: no link is followed, no filter runs, no submodule is fetched. The names of objects are hashes over their content
(SHA-1, or what the server uses), and are computed here from what arrived. Must not: keep history, or anything but the named files.
"""

import re
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx

from llmos.errors import ConfigError, LlmosError, NotFoundError, PermanentError, TransientError
from llmos.retrying import retry_transient
from llmos.workload.git_client import GitRemote
from llmos.workload.http_stream import TIMEOUT_S, open_client, shown
from llmos.workload.report import Reporter
from llmos.workload.source_secret import SourceSecret
from llmos.workload.transfer import Arrival, Meter, arriving_folder, check_room, place_inside

if TYPE_CHECKING:
    from dulwich.object_store import DiskObjectStore
    from dulwich.objects import Blob, ShaFile

__all__ = ["MAX_PACK_BYTES", "fetch_git_files", "resolve_git"]

MAX_PACK_BYTES: Final = 2 << 30
"""A commit whose pack is larger is refused."""

_ROOM_EVERY_BYTES: Final = 16 << 20
_COMMIT: Final = re.compile(r"[0-9a-f]{40}\Z")
_LFS: Final = b"version https://git-lfs.github.com/spec/"
_LINK, _SUBMODULE, _KIND = 0o120000, 0o160000, 0o170000


def fetch_git_files(
    repository: str,
    ref: str | None,
    paths: Sequence[str],
    into: Path,
    *,
    secret: SourceSecret | None = None,
    reporter: Reporter | None = None,
    transport: httpx.BaseTransport | None = None,
    sleep: Callable[[float], None] = time.sleep,
    maximum_bytes: int = MAX_PACK_BYTES,
) -> str:
    """Bring files of a repository into a new folder.

    Args:
        repository: `https://…`, or `http://…` inside a cluster.
        ref: a branch, a tag, a full name such as `refs/heads/main`, or a commit; None: the server's HEAD.
        paths: of the files, inside the repository.
        into: must not exist yet; it appears when all files are there.
        secret: a login, as for HTTP; the repository's host must be of its `hosts`.
        transport: for tests.
        maximum_bytes: bound on what the server may send.

    Returns: the commit, in hex.
    Raises: ConfigError (InvalidSpec) for a reference that stands for two; NotFoundError if the repository, reference or a file is not there
        (yet); TransientError if the server does not answer, or refuses us; PermanentError (InvalidSource) for links, submodules, pointers
        of Git LFS, and packs that cannot be read.
    """
    with _remote(repository, secret, transport) as remote:
        commit = retry_transient(lambda: _resolve(remote, repository, ref), sleep=sleep)
        what = f"commit {commit[:12]} of {shown(repository)}"
        meter = Meter(reporter)
        meter.begin(what)
        with _scratch(into.with_name(f"{into.name}.git")) as scratch:

            def fetch() -> "DiskObjectStore":
                return _fetch_pack(remote, commit, scratch, meter, what, maximum_bytes)

            store = retry_transient(fetch, sleep=sleep)
            try:
                with _readable(what), arriving_folder(into) as folder:
                    for path in paths:
                        _write(_find(store, commit, path, what), path, folder, what)
            finally:
                store.close()
    return commit


def resolve_git(
    repository: str,
    ref: str | None,
    *,
    secret: SourceSecret | None = None,
    transport: httpx.BaseTransport | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Return the commit that a reference stands for now; nothing is fetched. Raises as `fetch_git_files`."""
    with _remote(repository, secret, transport) as remote:
        return retry_transient(lambda: _resolve(remote, repository, ref), sleep=sleep)


@contextmanager
def _remote(repository: str, secret: SourceSecret | None, transport: httpx.BaseTransport | None) -> Iterator[GitRemote]:
    if secret is not None:
        secret.hosts.check(repository)
    auth = secret.http_auth() if secret is not None else None
    with open_client(auth, transport=transport, timeout_s=TIMEOUT_S) as client:
        yield GitRemote(client, repository, has_login=secret is not None)


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _resolve(remote: GitRemote, repository: str, ref: str | None) -> str:
    if ref and _COMMIT.match(ref):
        return ref
    names = _candidates(ref)
    references = remote.references(names)
    found = {name: _peeled(references, name) for name in names if name in references}
    if not found:
        raise NotFoundError(
            f"{shown(repository)} has no branch or tag {ref or 'HEAD'!r}; push it, or correct git.ref; it is looked for again by itself",
            reason="InvalidSource",
        )
    if len(set(found.values())) > 1:
        full = " or ".join(sorted(name.decode() for name in found))
        raise ConfigError(f"{shown(repository)} has a branch and a tag {ref!r}; write {full} in git.ref", reason="InvalidSpec")
    return next(iter(found.values())).decode()


def _candidates(ref: str | None) -> list[bytes]:
    if ref is None:
        return [b"HEAD"]
    if ref.startswith("refs/") or ref == "HEAD":
        return [ref.encode()]
    return [f"refs/heads/{ref}".encode(), f"refs/tags/{ref}".encode()]


def _peeled(references: Mapping[bytes, bytes], name: bytes) -> bytes:
    return references.get(name + b"^{}", references[name])


def _fetch_pack(remote: GitRemote, commit: str, scratch: Path, meter: Meter, what: str, maximum_bytes: int) -> "DiskObjectStore":
    """Take the pack of a commit, bounded, and name its objects by what they are."""
    from dulwich.object_store import DiskObjectStore

    shutil.rmtree(scratch)
    scratch.mkdir()
    store = DiskObjectStore.init(str(scratch))
    file, commit_pack, abort = store.add_pack()
    size = 0

    def write(piece: bytes) -> int:
        nonlocal size
        size += len(piece)
        if size > maximum_bytes:
            raise PermanentError(
                f"{what} has a pack of more than {maximum_bytes >> 20} MB; keep knowledge in a repository of its own",
                reason="InvalidSource",
            )
        if size // _ROOM_EVERY_BYTES != (size - len(piece)) // _ROOM_EVERY_BYTES:
            # A little ahead: what is left is counted file by file, so not for each piece.
            check_room(scratch, _ROOM_EVERY_BYTES, name=what, total_bytes=size)
        meter.tell(size)
        return file.write(piece)

    try:
        remote.fetch_commit(commit.encode(), write)
    except BaseException:
        abort()
        store.close()
        raise
    with _readable(what):
        commit_pack()
    return store


@contextmanager
def _readable(what: str) -> Iterator[None]:
    """Turn what dulwich says of damaged packs and objects into our errors: what arrived may have been cut or changed on the way."""
    from dulwich.errors import (
        ApplyDeltaError,
        ChecksumMismatch,
        FileFormatException,
        NotCommitError,
        NotTreeError,
        ObjectFormatException,
    )
    from dulwich.pack import UnresolvedDeltas

    damage = (ChecksumMismatch, FileFormatException, NotCommitError, NotTreeError, ObjectFormatException, ApplyDeltaError, UnresolvedDeltas)
    try:
        yield
    except LlmosError:
        raise
    except (*damage, zlib.error, AssertionError, ValueError, KeyError) as error:
        raise TransientError(f"{what} cannot be read: {type(error).__name__}: {error!s:.200}", reason="InvalidSource") from error


def _find(store: "DiskObjectStore", commit: str, path: str, what: str) -> "Blob":
    """Return a file's object, having walked to it folder by folder."""
    from dulwich.objects import Blob, Commit, Tag, Tree

    item: ShaFile = store[commit.encode()]  # type: ignore[index]
    while isinstance(item, Tag):
        item = store[item.object[1]]
    if not isinstance(item, Commit):
        raise PermanentError(f"{what} is no commit; correct git.ref", reason="InvalidSource")
    item = store[item.tree]
    for part in path.split("/"):
        if not isinstance(item, Tree) or part.encode() not in item:
            beside = ", ".join(sorted(name.decode(errors="replace") for name in item)[:8]) if isinstance(item, Tree) else "no folder"
            raise NotFoundError(f"{what} has no {path!r:.100}: there is {beside}; add it, or correct files", reason="InvalidSource")
        mode, name = item[part.encode()]
        if mode & _KIND in (_LINK, _SUBMODULE):
            kind = "a link" if mode & _KIND == _LINK else "a submodule"
            raise PermanentError(f"{path!r:.100} in {what}: {part!r:.100} is {kind}; it is refused", reason="InvalidSource")
        item = store[name]
    if not isinstance(item, Blob):
        raise PermanentError(f"{path!r:.100} in {what} is a folder; name the files in it", reason="InvalidSource")
    return item


def _write(blob: "Blob", path: str, folder: Path, what: str) -> None:
    chunks = blob.as_raw_chunks()
    if b"".join(chunks[:1])[: len(_LFS)] == _LFS:
        raise PermanentError(
            f"{path} in {what} is a pointer of Git LFS, which is not followed; use http or s3 for it", reason="InvalidSource"
        )
    with Arrival(place_inside(folder, path, "files")) as arrival:
        arrival.check_room(blob.raw_length())
        for chunk in chunks:
            arrival.append(chunk)
