"""Logging of a workload: one JSON object a line on stderr, without secrets.

Must not: be configured anywhere else in a pod; libraries only call `logging.getLogger`.
"""

import json
import logging
import re
import sys
import time
from typing import Final, TextIO

__all__ = ["configure_logging", "hide", "redact"]

_SECRETS: Final = (
    # An index or proxy URL with a password in it, as pip prints them.
    (re.compile(r"(://)[^/\s@:]*:[^/\s@]*@"), r"\1***@"),
    (re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), r"\1 ***"),
    (re.compile(r"\b(token|password|passwd|secret|api[_-]?key|signature|x-amz-[a-z-]+)=[^\s&\"']+", re.IGNORECASE), r"\1=***"),
)

_HIDDEN: Final[set[str]] = set()
_SHORTEST_HIDDEN: Final = 4
"""Shorter ones would blank out parts of ordinary words."""


def hide(secret: str) -> None:
    """Blank out this very text from now on, wherever it turns up."""
    if len(secret) >= _SHORTEST_HIDDEN:
        _HIDDEN.add(secret)


def redact(text: str) -> str:
    """Blank out what looks like a credential, and what is known to be one."""
    for secret in sorted(_HIDDEN, key=len, reverse=True):
        text = text.replace(secret, "***")
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


class _JsonLines(logging.Formatter):
    """Formats a record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        if record.exc_info:
            line["exception"] = redact(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def configure_logging(level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Send all logging to stderr as JSON lines."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # It logs every URL at INFO: noise, and presigned URLs are secrets.
    logging.getLogger("httpx").setLevel(logging.WARNING)
