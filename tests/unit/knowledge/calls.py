"""A format for tests: a file that lists the calls of a `Sink`, as JSON."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmos.knowledge import SourceFile
from llmos.knowledge.formats import registry
from llmos.knowledge.sink import Scope, Sink

FORMAT = "Calls"


def bind(options: Mapping[str, Any]) -> registry.Parse:
    def parse(location: Path, *, package_version: str, sink: Sink) -> None:
        for method, *arguments, named in json.loads(location.read_text()):
            if "scope" in named:
                named["scope"] = Scope(named["scope"])
            getattr(sink, method)(*arguments, **named)

    return parse


def write_calls(location: Path, *calls: Any, source: str = "s", path: str = "", partition: str = "") -> SourceFile:
    """Write a file; a call is (method, argument, ..., {named arguments}), the last of which may be left out."""
    location.write_text(json.dumps([call if isinstance(call[-1], dict) else (*call, {}) for call in calls]))
    return SourceFile(source=source, path=path or location.name, format=FORMAT, package_version="1", location=location, partition=partition)
