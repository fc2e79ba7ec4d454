"""A worker for tests: misbehaves as it is told."""

from __future__ import annotations

import os
from collections.abc import Sequence


def work(data: bytes, _arguments: Sequence[str]) -> bytes:
    """Do what the data says."""
    if data == b"environment":
        return "\n".join(os.environ).encode()
    if data == b"memory":
        return bytes(2 << 30)
    raise ValueError("the data is wrong")
