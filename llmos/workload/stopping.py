"""What SIGTERM does to a workload that works through a list and ends: it stops at once, and closes and removes what it holds.

Must not: be used by a server, which has to drain first.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

__all__ = ["EXIT_TERMINATED", "Terminated", "sigterm_raises"]

EXIT_TERMINATED: Final = 128 + signal.SIGTERM


class Terminated(BaseException):
    """SIGTERM came; not an Exception, so that no `except Exception` on the way swallows it."""


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that files are closed and scratch is removed. As PID 1 the default would ignore it."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise Terminated

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
