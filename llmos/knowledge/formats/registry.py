"""The formats that a build reads, by the name that a resource gives them: the one place to add one.

A format is a function from its options (a mapping of columns, say) to a parser; the options are checked before the first file is opened.
A parser reads the file at `location` from its beginning to its end and tells a `Sink` what stands there. It may be run in another process
than the one that bound it, and its findings are kept for as long as the file, the options and `FORMAT_VERSION` stay as they are: so it
must not look at anything else.
Must not: parse.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from llmos.errors import ConfigError
from llmos.knowledge.formats.hpoa import parse_hpoa
from llmos.knowledge.formats.obo import parse_obo
from llmos.knowledge.sink import Sink

__all__ = ["FORMATS", "OPTIONS_OF", "Bind", "Parse", "bind_format", "without_options"]


_Options = TypeVar("_Options")


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


def _checked(name: str, field: str, options_type: type[_Options], options: Mapping[str, Any]) -> _Options:
    try:
        return TypeAdapter(options_type).validate_python(dict(options), by_alias=True, by_name=False)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in (field, *first["loc"]))
        raise ConfigError(f"{place} of a file of format {name}: {first['msg']}", reason="InvalidSpec") from error


def _rdf(name: str) -> Bind:
    """Register a syntax of RDF; the options are `files[].rdf`."""

    def bind(options: Mapping[str, Any]) -> Parse:
        from llmos.knowledge.formats.identifiers import shortener
        from llmos.knowledge.formats.rdf import RDF_FORMATS, RdfOptions, parse_rdf

        checked = _checked(name, "rdf", RdfOptions, options)
        shortener(checked.prefixes)  # refuses prefixes that contradict each other
        return partial(parse_rdf, syntax=RDF_FORMATS[name], options=checked)

    return bind


def _table(name: str) -> Bind:
    """Register a format of tables; the options are `files[].mapping`."""

    def bind(options: Mapping[str, Any]) -> Parse:
        from llmos.knowledge.formats.table import parse_table
        from llmos.knowledge.formats.table_mapping import TableMapping

        checked = _checked(name, "mapping", TableMapping, options)
        if checked.delimiter is not None and name != "CSV":
            raise ConfigError(f"`mapping.delimiter` is for CSV only; remove it from a file of format {name}", reason="InvalidSpec")
        return partial(parse_table, format=name, options=checked)

    return bind


# One line a format; add yours here. What only one format needs is imported when a file of it is read.
FORMATS: Final[dict[str, Bind]] = {
    "CSV": _table("CSV"),
    "HPOA": without_options("HPOA", parse_hpoa),
    "JSONL": _table("JSONL"),
    "JSONLD": _rdf("JSONLD"),
    "NTriples": _rdf("NTriples"),
    "OBO": without_options("OBO", parse_obo),
    "Parquet": _table("Parquet"),
    "RDFXML": _rdf("RDFXML"),
    "TSV": _table("TSV"),
    "Turtle": _rdf("Turtle"),
}

OPTIONS_OF: Final = {
    "rdf": frozenset({"JSONLD", "NTriples", "RDFXML", "Turtle"}),
    "mapping": frozenset({"CSV", "JSONL", "Parquet", "TSV"}),
}
"""Field of a file in the resource → the formats whose options stand there."""


def bind_format(name: str, options: Mapping[str, Any], *, path: str) -> Parse:
    """Return the parser of a file.

    Raises: ConfigError (InvalidSpec) if there is no such format, or its options are wrong.
    """
    if name not in FORMATS:
        raise ConfigError(f"the format {name!r} of {path} is unknown; it must be one of {', '.join(sorted(FORMATS))}", reason="InvalidSpec")
    return FORMATS[name](options)
