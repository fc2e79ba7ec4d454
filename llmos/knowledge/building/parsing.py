"""One source file → its fragment, parsed or from the cache.

Must not: merge, or know a format beyond its name.
"""

from pathlib import Path

from llmos.errors import ConfigError
from llmos.knowledge.building.cache import FragmentCache, describe_origin
from llmos.knowledge.building.fragment import Fragment, FragmentWriter
from llmos.knowledge.formats.registry import bind_format
from llmos.knowledge.source_file import SourceFile

__all__ = ["parse_file"]


def parse_file(file: SourceFile, folder: Path, *, cache: FragmentCache | None = None) -> Fragment:
    """Parse a file into a new folder, unless the cache has what it would give.

    Raises: ConfigError (InvalidSource) if it cannot be read, (InvalidSpec) if its format or options are wrong.
    """
    parse = bind_format(file.format, file.options, path=file.path)
    try:
        origin = describe_origin(file)
        if cache and (known := cache.find(origin)):
            return known
        folder.mkdir()
        writer = FragmentWriter(folder, origin=origin)
        parse(file.location, package_version=file.package_version, sink=writer)
    except OSError as error:
        raise ConfigError(
            f"{file.path} of source {file.source!r} cannot be read: {error.strerror or error}", reason="InvalidSource"
        ) from error
    fragment = writer.finish()
    if cache:
        cache.put(origin, fragment)
    return fragment
