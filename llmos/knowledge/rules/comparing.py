"""Values of attributes as rules compare them: numbers as numbers, everything else as text. `body` says the same in SQL.

Must not: know entities.
"""

import operator
from collections.abc import Callable
from typing import Any, Final

from llmos.knowledge.rules.syntax import Operator
from llmos.knowledge.rules.tokens import NUMBER

__all__ = ["comparable", "compare"]

_TESTS: Final[dict[Operator, Callable[[Any, Any], bool]]] = {
    Operator.Equal: operator.eq,
    Operator.Different: operator.ne,
    Operator.Less: operator.lt,
    Operator.LessOrEqual: operator.le,
    Operator.Greater: operator.gt,
    Operator.GreaterOrEqual: operator.ge,
}


def comparable(text: str) -> float | str:
    """Return a number for what is one, the text otherwise; a number never equals a text."""
    return float(text) if NUMBER.fullmatch(text) else text


def compare(left: float | str, comparison: Operator, right: float | str) -> bool:
    """Compare two values; what is no number is neither smaller nor larger than anything."""
    if comparison.is_order and (isinstance(left, str) or isinstance(right, str)):
        return False
    return _TESTS[comparison](left, right)
