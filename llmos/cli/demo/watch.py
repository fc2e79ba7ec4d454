"""Shows how the conditions of our four kinds change while they become ready.

Owns: reading the objects, the live table, and the verdict (all ready, or the first that only a person can mend).
Must not: change anything in the cluster.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from llmos.errors import PermanentError, TransientError
from llmos.local.kubectl import KubectlError

__all__ = ["KINDS", "Row", "read_row", "wait_until_ready"]

KINDS = ("Model", "KnowledgeBase", "TrainingJob", "InferenceService")
SILENCE_S = 30.0
"""For so long the cluster may fail to answer: on a busy machine single calls run out of time."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a person wants to know of one object, in one line."""

    kind: str
    name: str
    ready: str
    reason: str
    message: str
    progress: str
    stalled: bool

    @property
    def title(self) -> str:
        """`Kind/name`, as kubectl writes it."""
        return f"{self.kind}/{self.name}"


def read_row(document: dict[str, Any]) -> Row:
    """Read one custom resource; conditions of an older generation count as not ready yet."""
    status = document.get("status") or {}
    current = status.get("observedGeneration") == document["metadata"].get("generation")
    conditions = {item["type"]: item for item in status.get("conditions", ())} if current else {}
    ready = conditions.get("Ready", {})
    progress = status.get("progress") or {}
    shown = f"{progress.get('phase', '')} {progress['percent']} %" if "percent" in progress else str(progress.get("phase", ""))
    return Row(
        kind=document["kind"],
        name=document["metadata"]["name"],
        ready=ready.get("status", "Unknown"),
        reason=ready.get("reason", "Initializing"),
        message=ready.get("message", ""),
        progress=shown.strip(),
        stalled=conditions.get("Stalled", {}).get("status") == "True",
    )


def wait_until_ready(
    read: Callable[[], Iterable[dict[str, Any]]],
    *,
    console: Console,
    timeout_s: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Row]:
    """Watch until every object is Ready.

    Args:
        read: returns the custom resources as they are now.
        console: where the view goes: a live table on a terminal, one line a change elsewhere.
        timeout_s: how long to wait in all, in seconds.
        clock: monotonic seconds.
        sleep: waits that many seconds.

    Raises:
        PermanentError: an object is Stalled: the user must change something.
        TransientError: the time is over.
        KubectlError: the cluster has not answered for half a minute.
    """
    began = answered = clock()
    seen: dict[str, tuple[str, str, str]] = {}
    with _view(console) as show:
        while True:
            try:
                rows = [read_row(document) for document in read()]
            except KubectlError:
                if clock() - answered > SILENCE_S:
                    raise
                sleep(1.0)
                continue
            answered = clock()
            elapsed_s = answered - began
            changed = [row for row in rows if seen.get(row.title) != (row.ready, row.reason, row.message)]
            seen.update({row.title: (row.ready, row.reason, row.message) for row in changed})
            show(rows, changed, elapsed_s)
            stalled = next((row for row in rows if row.stalled), None)
            if stalled is not None:
                raise PermanentError(f"{stalled.title} is stalled: {stalled.reason}: {stalled.message}", reason=stalled.reason)
            if rows and all(row.ready == "True" for row in rows):
                return rows
            if elapsed_s > timeout_s:
                waiting = "; ".join(f"{row.title}: {row.reason}: {row.message}" for row in rows if row.ready != "True")
                raise TransientError(f"not ready after {timeout_s:.0f} s: {waiting}", reason="TimedOut")
            sleep(1.0)


@contextmanager
def _view(console: Console) -> Iterator[Callable[[list[Row], list[Row], float], None]]:
    if not console.is_terminal:
        yield lambda rows, changed, elapsed_s: _print_changes(console, changed, elapsed_s)
        return
    with Live(console=console, refresh_per_second=4) as live:
        yield lambda rows, changed, elapsed_s: live.update(_table(rows, elapsed_s))


def _print_changes(console: Console, changed: list[Row], elapsed_s: float) -> None:
    for row in changed:
        console.print(
            f"{elapsed_s:6.1f} s  {row.title:<28} Ready={row.ready:<8} {row.reason:<18} {row.message}",
            soft_wrap=True,
            markup=False,
            highlight=False,
        )


def _table(rows: list[Row], elapsed_s: float) -> Table:
    table = Table(title=f"{elapsed_s:.0f} s", title_justify="left", box=None, pad_edge=False)
    for column in ("Object", "Ready", "Reason", "Progress", "Message"):
        table.add_column(column, overflow="ellipsis", no_wrap=column != "Message")
    for row in rows:
        colour = {"True": "green", "False": "yellow"}.get(row.ready, "dim")
        table.add_row(
            row.title,
            f"[{colour}]{row.ready}[/]",
            row.reason,
            escape(row.progress),
            # It may quote Go's and Kubernetes' errors, which are full of brackets.
            escape(row.message),
            style="bold red" if row.stalled else "",
        )
    return table
