"""Malformed lines: counted, located, and fatal only when there are so many that the file cannot be what it claims to be.

Must not: decide what is malformed; the parsers do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from llmos.errors import ConfigError

__all__ = ["MAXIMUM_PERCENT", "Problem", "refuse_if_broken"]

MAXIMUM_PERCENT: Final = 1
"""More malformed lines than this share of a file's records stop the build."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One line that could not be used."""

    source: str
    path: str
    line: int
    """Counted from 1."""

    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


def refuse_if_broken(first: Sequence[Problem], *, num_problems: int, num_records: int, path: str, format_name: str) -> None:
    """Stop when a file has no records at all, or too large a share of bad ones.

    Raises: ConfigError (InvalidSource), naming the first bad lines.
    """
    if num_records == 0:
        raise ConfigError(f"{path} has no {format_name} records; check `path` and `format` of this file", reason="InvalidSource")
    if num_problems * 100 > num_records * MAXIMUM_PERCENT:
        shown = "; ".join(str(problem) for problem in first)
        raise ConfigError(
            f"{path} has {num_problems} malformed lines for {num_records} {format_name} records, more than {MAXIMUM_PERCENT} %: {shown}",
            reason="InvalidSource",
        )
