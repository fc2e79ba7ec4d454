"""Trying again what may succeed later, within one process: exponential, jittered, bounded.

Must not: know what is tried. Waiting for minutes is the Job controller's business, and the operator's; this bridges seconds.
"""

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from llmos.errors import TransientError

__all__ = ["retry_transient"]

T = TypeVar("T")

_ATTEMPTS: Final = 6
_FIRST_DELAY_S: Final = 0.5
_MAX_DELAY_S: Final = 30.0


def retry_transient(
    action: Callable[[], T], *, sleep: Callable[[float], None] = time.sleep, progress: Callable[[], int] | None = None
) -> T:
    """Run an action until it succeeds, fails for good, or six attempts in a row are used up.

    Args:
        action: raises TransientError for what may succeed later.
        sleep: waits that many seconds.
        progress: how far the action has come; an attempt that came further than all before it begins the count anew.

    Raises: the last TransientError; anything else at once.
    """
    attempt, furthest = 0, progress() if progress else 0
    while True:
        try:
            return action()
        except TransientError:
            attempt += 1
            if progress and (reached := progress()) > furthest:
                attempt, furthest = 1, reached
            if attempt == _ATTEMPTS:
                raise
            # Full jitter: many pods that lost the same server must not return in step.
            sleep(min(_MAX_DELAY_S, _FIRST_DELAY_S * 2 ** (attempt - 1)) * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
