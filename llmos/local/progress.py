"""Say what is going on, for everything that takes longer than two seconds. Owns no state beyond the step being shown."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.markup import escape

__all__ = ["console", "say", "step"]

console: Final = Console(stderr=True, highlight=False)
"""Progress goes to stderr, so that a command's result on stdout can be piped."""

QUIET_S: Final = 2.0
"""Shorter steps leave no line behind."""
REPEAT_S: Final = 30.0
"""Without a terminal, a long step says this often that it is still going on."""


def say(text: str) -> None:
    """Print one line."""
    console.print(escape(text), soft_wrap=True)


@contextmanager
def step(text: str) -> Iterator[Callable[[str], None]]:
    """Show `text` while the block runs; the yielded function replaces the detail behind it."""
    started = time.monotonic()
    detail = ""
    if console.is_terminal:
        with console.status(escape(text)) as status:
            yield lambda more: status.update(f"{escape(text)} [dim]{escape(more)}[/dim]")
    else:
        done = threading.Event()

        def update(more: str) -> None:
            nonlocal detail
            detail = f" ({more})"

        def report() -> None:
            pause_s = QUIET_S
            while not done.wait(pause_s):
                say(f"  {text}{detail} … {time.monotonic() - started:.0f} s")
                pause_s = REPEAT_S

        reporter = threading.Thread(target=report, daemon=True)
        reporter.start()
        try:
            yield update
        finally:
            done.set()
            reporter.join()
    elapsed_s = time.monotonic() - started
    if elapsed_s >= QUIET_S:
        say(f"✓ {text}: {elapsed_s:.1f} s")
