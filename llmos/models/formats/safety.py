"""What no fetched folder may hold, whatever its format: code of its own to be run, and links to somewhere else.

Must not: open weights; each converter checks its own file.
"""

import json
from collections.abc import Collection
from pathlib import Path

from llmos.errors import ConfigError

__all__ = ["choose_file", "refuse_foreign_code", "refuse_links"]


def refuse_links(folder: Path) -> None:
    """Refuse a folder with a symbolic link in it: what it points to was never checked.

    Raises: ConfigError (InvalidSource) naming the link.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise ConfigError(
                f"{path.relative_to(folder)} is a link to {path.readlink()}; a model folder must hold the files themselves",
                reason="InvalidSource",
            )


def refuse_foreign_code(folder: Path) -> None:
    """Refuse a folder whose configuration names code of its own (`auto_map`): it is never run, and without it the model is another.

    Raises: ConfigError (InvalidSource) naming file and code.
    """
    for path in sorted(folder.glob("*.json")):
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # whoever needs the file says what is wrong with it
        if isinstance(document, dict) and document.get("auto_map"):
            raise ConfigError(
                f"{path.name} names code of its own (auto_map: {document['auto_map']!r:.120}), which is never run; "
                "choose a model of an architecture that transformers knows",
                reason="InvalidSource",
            )


def choose_file(folder: Path, named: str | None, suffixes: Collection[str], *, format_name: str) -> Path:
    """Return the one file of a format: the named one, or the only one with a suffix.

    Raises: ConfigError (InvalidSource) if it is missing or there are several.
    """
    if named is not None:
        path = folder / named
        if not path.is_file():
            raise ConfigError(f"spec.format.file is {named}, and {folder.name} has no such file", reason="InvalidSource")
        return path
    found = sorted(path for path in folder.rglob("*") if path.suffix in suffixes)
    if len(found) != 1:
        names = ", ".join(str(path.relative_to(folder)) for path in found[:5])
        raise ConfigError(
            f"spec.format is {format_name}, and {folder.name} has {names or 'no file with ' + ' or '.join(sorted(suffixes))}; "
            f"{'name one in spec.format.file' if found else 'name the folder that holds it in the source'}",
            reason="InvalidSource",
        )
    return found[0]
