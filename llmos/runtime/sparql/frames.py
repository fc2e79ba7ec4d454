"""What sidecar and worker say to each other over a pipe: a length, a JSON object, and after an answer its bytes.

Must not: carry code: JSON and bytes only.
"""

import asyncio
import json
import struct
from typing import Any, BinaryIO, Final

__all__ = ["MAXIMUM_HEADER_BYTES", "pack", "read_frame", "read_frame_async"]

_LENGTH: Final = struct.Struct(">I")
MAXIMUM_HEADER_BYTES: Final = 1 << 20


def pack(document: dict[str, Any]) -> bytes:
    """Return the frame of a document."""
    data = json.dumps(document).encode()
    assert len(data) <= MAXIMUM_HEADER_BYTES
    return _LENGTH.pack(len(data)) + data


def read_frame(stream: BinaryIO) -> dict[str, Any] | None:
    """Read a document; None at the end."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    document: dict[str, Any] = json.loads(stream.read(_LENGTH.unpack(head)[0]))
    return document


async def read_frame_async(stream: asyncio.StreamReader) -> dict[str, Any]:
    """Read a document; raises IncompleteReadError if the other side is gone, ValueError if it makes no sense."""
    (length,) = _LENGTH.unpack(await stream.readexactly(_LENGTH.size))
    if length > MAXIMUM_HEADER_BYTES:
        raise ValueError(f"a frame of {length} bytes")
    document: dict[str, Any] = json.loads(await stream.readexactly(length))
    return document
