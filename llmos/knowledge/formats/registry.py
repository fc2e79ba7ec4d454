"""The formats that a build reads, by the name that a resource gives them: the one place to add one.

A format is a function from its options (a mapping of columns, say) to a parser; the options are checked before the first file is opened.
A parser reads the file at `location` from its beginning to its end and tells a `Sink` what stands there. It may be run in another process
than the one that bound it, and its findings are kept for as long as the file, the options and `FORMAT_VERSION` stay as they are: so it
must not look at anything else.
Must not: parse.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from llmos.errors import ConfigError
from llmos.knowledge.formats.hpoa import parse_hpoa
from llmos.knowledge.formats.obo import parse_obo
from llmos.knowledge.sink import Sink

__all__ = ["FORMATS", "Bind", "Parse", "bind_format", "without_options"]


class Parse(Protocol):
    """Reads one file."""

    def __call__(self, location: Path, *, package_version: str, sink: Sink) -> None:
        """Tell `sink` what the file says; OSError if it cannot be read."""


Bind = Callable[[Mapping[str, Any]], Parse]
"""Options as the resource writes them → parser; ConfigError (InvalidSpec) names a field that is wrong."""


def without_options(name: str, parse: Parse) -> Bind:
    """Register a format that has no options."""

    def bind(options: Mapping[str, Any]) -> Parse:
        if options:
            raise ConfigError(f"the format {name} has no options; remove {', '.join(sorted(options))}", reason="InvalidSpec")
        return parse

    return bind


# One line a format; add yours here.
FORMATS: Final[dict[str, Bind]] = {
    "HPOA": without_options("HPOA", parse_hpoa),
    "OBO": without_options("OBO", parse_obo),
}


def bind_format(name: str, options: Mapping[str, Any], *, path: str) -> Parse:
    """Return the parser of a file.

    Raises: ConfigError (InvalidSpec) if there is no such format, or its options are wrong.
    """
    if name not in FORMATS:
        raise ConfigError(f"the format {name!r} of {path} is unknown; it must be one of {', '.join(sorted(FORMATS))}", reason="InvalidSpec")
    return FORMATS[name](options)
