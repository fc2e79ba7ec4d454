"""What every parsed spec is made of: camelCase parts, decimals as text, and one sentence for what is wrong.

Must not: know a kind.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from llmos.errors import ConfigError
from llmos.workload.spec_part import SpecPart

__all__ = ["Decimals", "PythonPackageSource", "SpecPart", "parse_spec"]

SpecType = TypeVar("SpecType", bound=BaseModel)


def _parse_decimal(value: Any) -> Any:
    # Specs carry decimals as text, because a float has no canonical form to hash.
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str):
        raise ValueError('must be a decimal number as text, for example "0.001"')
    return Decimal(value) if value.replace(".", "", 1).isascii() and value.replace(".", "", 1).isdigit() else value


Decimals = Annotated[Decimal, BeforeValidator(_parse_decimal)]


class PythonPackageSource(SpecPart):
    """A folder or a file of a wheel."""

    name: Annotated[str, Field(min_length=1, max_length=128)]
    version: Annotated[str, Field(min_length=1, max_length=64)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Of the wheel."""

    path: Annotated[str, Field(min_length=1, max_length=256)]
    """Inside the wheel: for a Model's source, the folder with config.json."""


def parse_spec(model: type[SpecType], document: Mapping[str, Any]) -> SpecType:
    """Parse a spec document with a pydantic model; raises ConfigError (InvalidSpec) with one sentence."""
    try:
        # Snake-case names are for Python; a document that used them would hash to something else than it says.
        return model.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(("spec", *(str(part) for part in first["loc"])))
        if first["type"] == "extra_forbidden":
            sentence = f"{field} is unknown; remove it, or use an image of the operator's version"
        elif first["type"] == "missing":
            sentence = f"{field} is missing"
        else:
            found = first["input"]
            shown = f", found {found!r:.100}" if isinstance(found, str | int | float | bool | None) else ""
            sentence = f"{field}: {first['msg'].removeprefix('Value error, ')}{shown}"
        raise ConfigError(sentence, reason="InvalidSpec") from error
