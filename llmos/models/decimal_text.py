"""Measured numbers as the decimal text that documents carry: they are hashed and compared, and a float has no canonical form."""

import math
from decimal import ROUND_UP, Decimal

__all__ = ["bound_text"]


def bound_text(value: float) -> str:
    """Write a measured bound with two significant digits, without an exponent and never below the value itself."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    exact = Decimal(value)
    return format(exact.quantize(Decimal(1).scaleb(exact.adjusted() - 1), rounding=ROUND_UP), "f")
