"""The termination message: the digest and one line that a finished pod leaves for the operator.

Must not: fail a Job that did its work. The registry is the record; this file is only the quick way to it.
"""

import json
import logging
from pathlib import Path
from typing import Final

from llmos.workload.logs import redact

__all__ = ["DEFAULT_TERMINATION_PATH", "write_termination"]

DEFAULT_TERMINATION_PATH: Final = Path("/dev/termination-log")
MAX_BYTES: Final = 4096
"""The kubelet's limit; it cuts off the rest, and then it is no JSON any more."""

_log = logging.getLogger(__name__)


def write_termination(*, reason: str, message: str, digest: str = "", inputs_hash: str = "", path: Path = DEFAULT_TERMINATION_PATH) -> None:
    """Write the message; a text that is too long is cut at its end, everything else is kept.

    Args:
        reason: CamelCase, becomes the condition's reason.
        message: made one line, credentials blanked.
        digest: the version's digest, '' on failure.
    """
    document = {"reason": reason, "message": " ".join(redact(message).split())}
    document |= {"digest": digest} if digest else {}
    document |= {"inputsHash": inputs_hash} if inputs_hash else {}
    try:
        path.write_bytes(_encode(document))
    except OSError as error:
        # Outside a pod there is no such file.
        _log.warning("termination message not written to %s: %s", path, error)


def _encode(document: dict[str, str]) -> bytes:
    text = document["message"]
    keep = len(text)
    while True:
        shown = text if keep == len(text) else text[:keep].rstrip() + "…"
        data = json.dumps(document | {"message": shown}, ensure_ascii=False).encode()
        if len(data) <= MAX_BYTES or keep == 0:
            return data
        # A character takes one to six bytes here; dropping a sixth of the excess at a time always ends, and cuts little too much.
        keep = max(0, keep - max(1, (len(data) - MAX_BYTES) // 6))
