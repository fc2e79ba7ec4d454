"""Whether a model is good enough: a statistic, not a comparison of two numbers.

A bound is passed only if the 95 % interval clears it, failed only if the interval lies wholly beyond it, and undecided between; with the
number of items that would decide. Every bound must be passed, so no correction for many of them is due. A latency is a plain comparison: it
is the machine's, and has no interval. Pure. Must not: measure, or know where the numbers come from.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from llmos.models.evaluation.estimates import Estimate, format_decimal, items_to_decide
from llmos.models.evaluation.spec import EvaluationBounds, SliceBound

__all__ = ["Decision", "Doubt", "Failed", "GateMeasurements", "Miss", "Passed", "Undecided", "decide_gate"]


@dataclass(frozen=True, slots=True)
class GateMeasurements:
    """What one precision came to."""

    metric: str
    value: Estimate
    drop: Estimate
    """Against torch in Float32 on the same items: positive is worse."""

    latency_ms: float | None
    """Of one item alone, 95th percentile; None where it was not measured."""

    slices: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)
    """Column to value to the metric of the items with it."""


@dataclass(frozen=True, slots=True)
class Miss:
    """A number beyond its bound."""

    what: str
    value: str
    bound: Decimal
    by: str
    """How far beyond."""

    is_minimum: bool

    def __str__(self) -> str:
        side = "at least" if self.is_minimum else "at most"
        return f"{self.what} is {self.value} and must be {side} {self.bound}: missed by {self.by}"


@dataclass(frozen=True, slots=True)
class Doubt:
    """A bound inside the interval."""

    what: str
    estimate: Estimate
    bound: Decimal
    items_needed: int | None
    """None where it stands on the bound."""

    def __str__(self) -> str:
        needed = "no number of items" if self.items_needed is None else f"about {self.items_needed:,} items"
        return (
            f"{self.what} is {_describe(self.estimate)} on {self.estimate.count:,} items, which does not tell it from {self.bound}; "
            f"{needed} would (if it stays there; normal approximation, 80 % power)"
        )


@dataclass(frozen=True, slots=True)
class Passed:
    """Every bound is cleared."""


@dataclass(frozen=True, slots=True)
class Failed:
    """At least one bound is certainly missed."""

    misses: tuple[Miss, ...]

    def __str__(self) -> str:
        return "; ".join(map(str, self.misses))


@dataclass(frozen=True, slots=True)
class Undecided:
    """None is certainly missed, and at least one may be."""

    doubts: tuple[Doubt, ...]

    @property
    def items_needed(self) -> int | None:
        """How many items would decide them all; None if none would."""
        needed = [doubt.items_needed for doubt in self.doubts]
        return None if None in needed else max(count for count in needed if count is not None)

    def __str__(self) -> str:
        return "; ".join(map(str, self.doubts))


Decision = Passed | Failed | Undecided


def decide_gate(measurements: GateMeasurements, evaluation: EvaluationBounds) -> Decision:
    """Hold measurements against bounds; without bounds everything passes."""
    verdicts: list[Miss | Doubt | None] = []
    metric = measurements.metric
    if evaluation.minimum is not None:
        verdicts.append(_judge(metric, measurements.value, evaluation.minimum, is_minimum=True))
    if evaluation.maximum is not None:
        verdicts.append(_judge(metric, measurements.value, evaluation.maximum, is_minimum=False))
    if evaluation.maximum_drop is not None:
        verdicts.append(_judge(f"the drop of {metric}", measurements.drop, evaluation.maximum_drop, is_minimum=False))
    for bound in evaluation.slices:
        for value, estimate in measurements.slices.get(bound.column, {}).items():
            verdicts.append(_judge_slice(f"{metric} where {bound.column} is {value!r}", estimate, bound))
    if evaluation.maximum_latency_milliseconds is not None:
        verdicts.append(_judge_latency(measurements.latency_ms, evaluation.maximum_latency_milliseconds))
    if misses := tuple(verdict for verdict in verdicts if isinstance(verdict, Miss)):
        return Failed(misses)
    doubts = tuple(verdict for verdict in verdicts if isinstance(verdict, Doubt))
    return Undecided(doubts) if doubts else Passed()


def _judge(what: str, estimate: Estimate, bound: Decimal, *, is_minimum: bool) -> Miss | Doubt | None:
    limit = float(bound)
    if estimate.low >= limit if is_minimum else estimate.high <= limit:
        return None
    if estimate.high < limit if is_minimum else estimate.low > limit:
        return Miss(what, _describe(estimate), bound, format_decimal(abs(estimate.value - limit)), is_minimum)
    return Doubt(what, estimate, bound, items_to_decide(estimate, limit))


def _judge_slice(what: str, estimate: Estimate, bound: SliceBound) -> Miss | Doubt | None:
    limit = bound.maximum if bound.minimum is None else bound.minimum
    assert limit is not None, "a slice has one bound"
    return _judge(what, estimate, limit, is_minimum=bound.minimum is not None)


def _judge_latency(latency_ms: float | None, bound: Decimal) -> Miss | None:
    if latency_ms is None:
        return Miss("the latency in milliseconds", "not measured", bound, "an unknown amount", is_minimum=False)
    if latency_ms <= float(bound):
        return None
    return Miss("the latency in milliseconds", f"{latency_ms:.2f}", bound, f"{latency_ms - float(bound):.2f}", is_minimum=False)


def _describe(estimate: Estimate) -> str:
    return f"{format_decimal(estimate.value)} ({format_decimal(estimate.low)} to {format_decimal(estimate.high)})"
