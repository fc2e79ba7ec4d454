"""Which snapshots answer: follows `active.yaml`, and swaps whole sets.

The kubelet swaps the mounted file; we look at it every second. A new set is fetched, opened and warmed beside the old one, must answer its
golden request, and only then takes over, in one assignment; requests under way finish with the set they started with. If anything fails,
the old set keeps serving, the failure is shown, and it is tried again. The previous set is kept, so that going back costs nothing.
Must not: answer questions itself.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from llmos.errors import ConfigError, LlmosError, PermanentError, TransientError
from llmos.knowledge import Snapshot
from llmos.knowledge.rules import RuleSet
from llmos.runtime.assets import PodPaths
from llmos.runtime.pipeline import ActiveSnapshot, SnapshotKey
from llmos.runtime.snapshots import remove_snapshot
from llmos.workload import KnowledgeConfig, KnowledgeRef, load_knowledge_config

__all__ = ["ActiveKnowledge", "SwitchState", "choose_golden_text"]

_RETRY_S: Final = (2.0, 5.0, 15.0, 60.0)
_RETRY_STAGED_S: Final = 2.0
_GOLDEN_CANDIDATES: Final = 1000

_log = logging.getLogger(__name__)

LoadSnapshot = Callable[[KnowledgeRef], Snapshot]
"""Fetches, verifies and opens; blocking, so it is called in a thread."""

Verify = Callable[[Sequence[ActiveSnapshot]], Awaitable[None]]
"""Sends the golden request through the whole path; raises LlmosError."""


@dataclass(frozen=True, slots=True)
class SwitchState:
    """What became of the wanted set."""

    wanted: Sequence[SnapshotKey] = ()
    """As the file says."""

    error: str = ""
    """Why it does not serve yet; empty if it does, or is on its way."""

    attempts: int = 0


class ActiveKnowledge:
    """The snapshots that answer now."""

    def __init__(
        self,
        paths: PodPaths,
        *,
        load: LoadSnapshot,
        verify: Verify,
        on_switch: Callable[[Sequence[ActiveSnapshot]], None],
        retire_after_s: float,
    ) -> None:
        """Prepare; nothing is served before `follow`.

        Args:
            load: how a snapshot is brought.
            verify: what a new set must pass.
            on_switch: told the new set after it took over.
            retire_after_s: how long requests may still use a set that was replaced twice.
        """
        self._paths = paths
        self._load = load
        self._verify = verify
        self._on_switch = on_switch
        self._retire_after_s = retire_after_s
        self._current: tuple[ActiveSnapshot, ...] | None = None
        self._previous: tuple[ActiveSnapshot, ...] = ()
        self._staged: dict[SnapshotKey, ActiveSnapshot] = {}
        self._waits_for_answer = False
        self._retiring: set[asyncio.Task[None]] = set()
        self.state = SwitchState()

    @property
    def current(self) -> tuple[ActiveSnapshot, ...] | None:
        """The set that answers, or None before the first one was verified."""
        return self._current

    async def follow(self, interval_s: float = 1.0) -> None:
        """Follow the file until cancelled."""
        while True:
            await self._sleep(interval_s if await self.step() else self._retry_s(), interval_s)

    def _retry_s(self) -> float:
        # A staged set waits only for its golden answer, usually for a Triton that is still starting: asking again is cheap.
        return _RETRY_STAGED_S if self._waits_for_answer else _RETRY_S[min(self.state.attempts, len(_RETRY_S)) - 1]

    async def _sleep(self, seconds: float, interval_s: float) -> None:
        """Wait, but no longer than until the file says something new."""
        waited = 0.0
        while waited < seconds:
            await asyncio.sleep(min(interval_s, seconds - waited))
            waited += interval_s
            wanted = await asyncio.to_thread(self._read)
            if isinstance(wanted, KnowledgeConfig) and _key(wanted.knowledge) != self.state.wanted:
                return

    def _read(self) -> KnowledgeConfig | ConfigError:
        try:
            return load_knowledge_config(self._paths.active)
        except ConfigError as error:
            return error

    async def step(self) -> bool:
        """Look once, and switch if the file wants another set; returns whether what is wanted is served."""
        wanted = await asyncio.to_thread(self._read)
        if isinstance(wanted, ConfigError):
            self._fail(self.state.wanted, wanted)
            return False
        key = _key(wanted.knowledge)
        if self._current is not None and key == _active_key(self._current):
            self.state = SwitchState(key)
            return True
        if key != self.state.wanted:
            self.state = SwitchState(key)
        self._waits_for_answer = False
        try:
            await self._stage(wanted.knowledge)
            self._waits_for_answer = True
            candidates = tuple(self._staged.values())
            await self._verify(candidates)
        except LlmosError as error:
            self._fail(key, error)
            return False
        except sqlite3.Error as error:
            # Its files are gone or damaged: what is staged would fail in the same way for ever, so it is opened anew.
            self._drop_staged()
            self._fail(key, TransientError(f"the wanted snapshots cannot be read: {error}", reason="MountFailed"))
            return False
        self._staged = {}
        self._swap(candidates)
        self.state = SwitchState(key)
        return True

    def _fail(self, key: Sequence[SnapshotKey], error: LlmosError) -> None:
        kept = "; the old snapshots keep serving" if self._current is not None else ""
        if error.message != self.state.error:
            _log.warning("cannot serve the wanted snapshots: %s%s", error.message, kept)
        self.state = SwitchState(key, error.message, self.state.attempts + 1)

    async def _stage(self, references: Sequence[KnowledgeRef]) -> None:
        """Open what is not open already: a snapshot of the current, the previous or the last staged set is used again as it is."""
        serving = self._serving()
        known = self._staged | serving
        staged: dict[SnapshotKey, ActiveSnapshot] = {}
        for reference in references:
            key = _key_of(reference)
            staged[key] = known[key] if key in known else await asyncio.to_thread(self._open_one, reference)
        for key, item in self._staged.items():
            if key not in staged and key not in serving:
                item.snapshot.close()
        self._staged = staged

    def _serving(self) -> dict[SnapshotKey, ActiveSnapshot]:
        return {item.key: item for item in (*self._previous, *(self._current or ()))}

    def _drop_staged(self) -> None:
        serving = self._serving()
        for key, item in self._staged.items():
            if key not in serving:
                item.snapshot.close()
        self._staged, self._waits_for_answer = {}, False

    def _open_one(self, reference: KnowledgeRef) -> ActiveSnapshot:
        snapshot = self._load(reference)
        return ActiveSnapshot(
            reference.name,
            reference.digest,
            snapshot,
            choose_golden_text(snapshot, reference.name),
            reference.partitions,
            RuleSet.load(snapshot),
        )

    def _swap(self, candidates: tuple[ActiveSnapshot, ...]) -> None:
        retired = set(self._previous) - set(candidates) - set(self._current or ())
        self._previous, self._current = self._current or (), candidates
        self._on_switch(candidates)
        _log.info("serving the snapshots %s", ", ".join(f"{item.name} {item.digest}" for item in candidates) or "(none)")
        if retired:
            task = asyncio.create_task(self._retire(retired))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    async def _retire(self, retired: set[ActiveSnapshot]) -> None:
        """Close what was replaced twice, when no request can be using it, and free its place on the volume."""
        await asyncio.sleep(self._retire_after_s)
        # What is staged is kept, too: it may be wanted again, and be waiting for its golden answer.
        kept = {*self._previous, *(self._current or ()), *self._staged.values()}
        for item in retired - kept:
            item.snapshot.close()
            if item.digest not in {other.digest for other in kept}:
                await asyncio.to_thread(remove_snapshot, item.digest, self._paths)


def choose_golden_text(snapshot: Snapshot, name: str) -> str:
    """Return the first entity's name that the snapshot finds again.

    Raises: PermanentError (InvalidSource) if it finds none of a thousand: linking is broken, whatever the digests say.
    """
    for id, text in islice(snapshot.entities(), _GOLDEN_CANDIDATES):
        if any(id in mention.candidates for mention in snapshot.link(text)):
            return text
    raise PermanentError(
        f"the snapshot of {name} finds none of its own names that this service may see; "
        "name partitions in spec.knowledge, or build the KnowledgeBase anew",
        reason="InvalidSource",
    )


def _key(references: Sequence[KnowledgeRef]) -> tuple[SnapshotKey, ...]:
    return tuple(_key_of(item) for item in references)


def _key_of(reference: KnowledgeRef) -> SnapshotKey:
    return (reference.name, reference.digest, reference.partitions)


def _active_key(items: Sequence[ActiveSnapshot]) -> tuple[SnapshotKey, ...]:
    return tuple(item.key for item in items)
