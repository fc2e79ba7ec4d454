"""What the measurements of precisions mean: which difference is too large, whether requests may be joined, and which one is served.

Pure. Must not: know a metric; what an answer is worth is the gate's to say.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from llmos.models.config import Precision

__all__ = ["Batching", "Choice", "choose_precision", "decide_batching", "difference_bound"]

_RELATIVE: Final[Mapping[Precision, float]] = {Precision.FLOAT16: 0.01, Precision.BFLOAT16: 0.05}
"""Of the largest output number: about twenty roundings of a number of 11, or of 8, significant bits."""


def difference_bound(precision: Precision, *, maximum_difference: Decimal, largest: float) -> float:
    """Return how far an output number may be from torch's.

    Args:
        maximum_difference: of the spec; it holds for Float32.
        largest: absolute output number of the original.

    Returns: for quantized precisions infinity: only a metric can say what their difference costs, and the gate has it. A finite number is
        always asked for (`Comparison.is_within`).
    """
    if precision.is_quantized:
        return math.inf
    return max(float(maximum_difference), _RELATIVE.get(precision, 0.0) * largest)


@dataclass(frozen=True, slots=True)
class Batching:
    """Whether a server may join requests."""

    is_joined: bool
    reason: str
    """A sentence without numbers of one machine: it is part of the artifact."""


def decide_batching(*, difference: float, flips: float | None, maximum_difference: Decimal) -> Batching:
    """Decide from how far answers moved with what stood beside them.

    Args:
        difference: largest, of any output number.
        flips: share of answers whose highest score was another; None where there are no scores.
        maximum_difference: of the spec: answers that far apart are the same to the user.
    """
    if not difference <= float(maximum_difference):
        return Batching(
            False, f"each request runs alone: its answer moved by more than {maximum_difference} with what stood beside it in a batch"
        )
    if flips:
        return Batching(False, "each request runs alone: labels flipped with what stood beside it in a batch")
    return Batching(True, f"requests of one length are joined: no answer moved by more than {maximum_difference}, and no label flipped")


@dataclass(frozen=True, slots=True)
class Choice:
    """The precision a service serves that names none."""

    precision: Precision
    reason: str


_SHORT: Final = "p50MillisecondsBatch1"


def choose_precision(measured: Mapping[str, Mapping[str, Any]], *, passed: Iterable[str] | None = None) -> Choice | None:
    """Choose the fastest of those that passed, by the median time of one short request; then the smaller, then the more exact.

    Args:
        measured: precision → its measurements, as in the contract.
        passed: those the gate let through; None where there is no gate. Without a gate nothing says what a quantized answer is worth:
            then one of the others is chosen while there is one.

    Returns: None if none passed.
    """
    candidates = [precision for precision in Precision if precision in measured and (passed is None or precision in set(passed))]
    ungated = passed is None
    if ungated:
        candidates = [precision for precision in candidates if not precision.is_quantized] or candidates
    if not candidates:
        return None
    order = list(Precision)
    chosen = min(candidates, key=lambda each: (_time(measured[each]), int(measured[each]["sizeBytes"]), order.index(each)))
    others = [precision for precision in measured if precision != chosen]
    values = measured[chosen]
    why = f"{values['tokensPerSecond']} tokens a second" if "tokensPerSecond" in values else f"{values[_SHORT]} ms for a short text"
    if len(candidates) > 1:
        why += f", the fastest of {', '.join(candidates)}"
    elif others and ungated and not chosen.is_quantized:
        why += "; spec.evaluation sets no bound, so nothing says what a quantized answer is worth"
    elif others:
        why += f"; {', '.join(others)} did not pass" if not ungated else ""
    return Choice(chosen, why)


def _time(values: Mapping[str, Any]) -> float:
    """Return milliseconds: of a short request, or of a token where a model writes."""
    return 1e3 / max(float(values["tokensPerSecond"]), 1e-3) if "tokensPerSecond" in values else float(values[_SHORT])
