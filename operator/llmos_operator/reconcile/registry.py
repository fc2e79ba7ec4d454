"""What the operator asks the registry: is there a version for these inputs, is it what it says, is all of it there, does its chain hold.

Owns: turning the registry's errors into values, so that `decide` sees them as facts; remembering what was verified (a digest never
changes; that it is still there is asked again, see `rechecks`). Must not: read payload or block.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from llmos.artifacts import Link, LinkState, Repository, SignatureProblem, Version, verify_chain_async
from llmos.errors import LlmosError, PermanentError
from llmos_operator.api import references_of
from llmos_operator.cluster import Cache
from llmos_operator.desired.context import repository_of
from llmos_operator.names import ObjectKey

__all__ = ["NOT_ASKED", "Answer", "Lookup", "RegistryReader", "VersionStore"]

_REMEMBERED = 4096


class VersionStore(Protocol):
    """The part of `llmos.artifacts.AsyncArtifacts` that is used."""

    async def find_version(self, repository: Repository, inputs_hash: str) -> Version | None:
        """Return the version made from these inputs."""

    async def get_version(self, repository: Repository, digest: str) -> Version | None:
        """Return the version with this digest."""

    async def signature_problem(self, repository: Repository, digest: str) -> SignatureProblem | None:
        """Say why a version does not count as signed; None where it does, or where nobody asks for that."""

    async def payload_state(self, repository: Repository, digest: str) -> LinkState:
        """Say whether a manifest and all its blobs are there; where they are not, whether a tombstone says why."""


class Answer(StrEnum):
    """What came of a look-up."""

    NotAsked = "NotAsked"
    Absent = "Absent"
    Found = "Found"
    Broken = "Broken"
    Unavailable = "Unavailable"
    Unsigned = "Unsigned"
    """It is there and whole, and carries no signature that this installation asks for."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """A look-up as a fact."""

    answer: Answer = Answer.NotAsked
    version: Version | None = None
    message: str = ""
    reason: str = ""
    """Of Unsigned: SignatureMissing or SignatureInvalid."""


NOT_ASKED: Final = Lookup()


class RegistryReader:
    """Asks the registry, verified."""

    def __init__(self, store: VersionStore, root: Repository, cache: Cache) -> None:
        self._store = store
        self._root = root
        self._cache = cache
        self._verified: dict[tuple[str, str], Version] = {}

    def repository(self, key: ObjectKey) -> Repository:
        """Return an object's repository."""
        return repository_of(self._root, key)

    async def find(self, key: ObjectKey, inputs_hash: str) -> Lookup:
        """Look for the version an object's Job has made from these inputs, and verify its chain."""
        return await self._ask(key, inputs_hash=inputs_hash)

    async def get(self, key: ObjectKey, digest: str) -> Lookup:
        """Look for a version by its digest, and verify its chain; one that was verified before is believed to be there."""
        if version := self._verified.get((str(key), digest)):
            return Lookup(Answer.Found, version)
        return await self.get_anew(key, digest)

    async def get_anew(self, key: ObjectKey, digest: str) -> Lookup:
        """Look for a version by its digest, whatever is remembered of it."""
        return await self._ask(key, digest=digest)

    async def _ask(self, key: ObjectKey, *, inputs_hash: str = "", digest: str = "") -> Lookup:
        try:
            repository = self.repository(key)
            version = await (self._store.get_version(repository, digest) if digest else self._store.find_version(repository, inputs_hash))
            if version is None:
                return Lookup(Answer.Absent, message=await self._why_gone(repository, digest) if digest else "")
            if lost := await self._lost_payload(repository, version):
                return lost
            if version.provenance.kind != key.kind:
                return Lookup(Answer.Broken, message=f"{digest or inputs_hash} in {repository} is a {version.provenance.kind}")
            broken = await verify_chain_async(version, lambda link: self._load(key, link))
            # Of the version itself only: its provenance names all the others by digest.
            unsigned = None if broken else await self._store.signature_problem(repository, version.digest)
        except PermanentError as error:
            return Lookup(Answer.Broken, message=error.message)
        except LlmosError as error:
            return Lookup(Answer.Unavailable, message=error.message)
        if broken:
            return Lookup(Answer.Broken, message=broken.message)
        if unsigned:
            return Lookup(Answer.Unsigned, version, unsigned.message, unsigned.reason)
        if len(self._verified) >= _REMEMBERED:
            self._verified.clear()
        self._verified[(str(key), version.digest)] = version
        return Lookup(Answer.Found, version)

    async def _why_gone(self, repository: Repository, digest: str) -> str:
        state = await self._store.payload_state(repository, digest)
        return f"it was removed on purpose ({state})" if state in (LinkState.Pruned, LinkState.Forgotten) else ""

    async def _lost_payload(self, repository: Repository, version: Version) -> Lookup | None:
        """Say which payload of a version is gone: what cannot be fetched is not adopted."""
        for payload in version.provenance.payloads:
            state = await self._store.payload_state(repository, payload.digest)
            if state is LinkState.Missing:
                return Lookup(Answer.Absent, message=f"its {payload.role} {payload.digest} is gone")
            if state is LinkState.Pruned:
                # Retention took it because nobody used it; whoever asks for it again has it made again.
                return Lookup(Answer.Absent, message=f"its {payload.role} {payload.digest} was removed on purpose ({state})")
            if state is not LinkState.Present:
                how = "is damaged" if state is LinkState.Mismatch else f"was removed on purpose ({state})"
                return Lookup(Answer.Broken, message=f"{payload.role} {payload.digest} of {version.digest} {how}")
        return None

    async def _load(self, root: ObjectKey, link: Link) -> Version | LinkState | None:
        """Load a parent from the repository of the object that plays this role.

        Names are no part of a version, so they come from the objects as they are now. Where such an object is gone its repository cannot
        be named any more; its version was verified when the child was admitted, and that stands.
        """
        key = self._find_parent(root, link.path.split("/"))
        if key is None:
            return LinkState.Present
        if version := self._verified.get((str(key), link.digest)):
            return version
        repository = self.repository(key)
        version = await self._store.get_version(repository, link.digest)
        # Pruned or forgotten on purpose is as good as present: the child was made from it, and its digest still stands for that.
        return version or await self._store.payload_state(repository, link.digest)

    def _find_parent(self, child: ObjectKey, path: list[str]) -> ObjectKey | None:
        """Follow roles from an object's spec: `trainingJob/base`, `trainingJob/knowledge/hpo`."""
        body = self._cache.get(child)
        for reference in references_of(child.kind, body["spec"]) if body else ():
            role = reference.role.split("/")
            if path[: len(role)] == role:
                # What a selector stands for only the status knows.
                name = reference.name or str((body or {}).get("status", {}).get("selection", {}).get("name", ""))
                if not name:
                    return None
                parent = ObjectKey(reference.kind, child.namespace, name)
                return self._find_parent(parent, path[len(role) :]) if path[len(role) :] else parent
        return None
