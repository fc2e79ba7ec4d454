"""Kubernetes quantities as numbers: `1024Mi` is `1Gi`, `500m` is `0.5`.

Pure. Must not: format quantities; what a user wrote is passed on as it is.
"""

import re
from decimal import Decimal
from typing import Any, Final

__all__ = ["quantity"]

_QUANTITY: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?[0-9]+)?\Z")
_FACTORS: Final = {
    **{unit: Decimal(1024) ** (index + 1) for index, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))},
    **{unit: Decimal(1000) ** (index + 1) for index, unit in enumerate(("k", "M", "G", "T", "P", "E"))},
    **{"m": Decimal("0.001"), "u": Decimal("0.000001"), "n": Decimal("0.000000001")},
}


def quantity(value: Any) -> Decimal | None:
    """Return the number a quantity stands for, or None if the value is not one."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    match = _QUANTITY.match(str(value))
    if not match:
        return None
    number, unit = match.groups()
    if unit and unit[0] in "eE" and len(unit) > 1 and unit != "Ei":
        return Decimal(f"{number}{unit}")
    return Decimal(number) * _FACTORS.get(unit or "", Decimal(1))
