"""From measurements to a verdict: medians with a 95 % interval, bars, a table for people and one line of JSON for machines."""

import json
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Figure", "bounded", "informative", "print_figures", "ratio"]

_RESAMPLES: Final = 4000


@dataclass(frozen=True, slots=True)
class Figure:
    """One result."""

    name: str
    value: float
    unit: str
    bar: float | None = None
    """At most this; None: for information."""

    interval: tuple[float, float] | None = None
    """95 %, where it was measured often enough to have one."""

    compare: str = ""
    """Somebody else's figure for the same work."""

    detail: str = ""

    @property
    def verdict(self) -> str:
        """pass, FAIL, unresolved (the bar lies inside the interval), or '' where there is no bar."""
        if self.bar is None:
            return ""
        if self.interval and self.interval[0] <= self.bar < self.interval[1]:
            return "unresolved"
        return "pass" if self.value <= self.bar else "FAIL"

    def to_json(self) -> dict[str, Any]:
        """Return the machine's form; `ok` only if the bar is cleared."""
        document: dict[str, Any] = {"name": self.name, "value": round(self.value, 3), "unit": self.unit, "bar": self.bar}
        document["ok"] = self.verdict in ("pass", "")
        return document | ({"interval": [round(edge, 3) for edge in self.interval]} if self.interval else {})


def ratio(name: str, values: Sequence[float], *, bar: float, compare: str = "", detail: str, unit: str = "x floor") -> Figure:
    """Return the median of paired ratios; with five or more pairs also its bootstrap interval."""
    interval = _interval(values) if len(values) >= 5 else None
    return Figure(name, statistics.median(values), unit, bar, interval, compare, detail)


def bounded(name: str, values: Sequence[float], unit: str, *, bar: float, compare: str = "", detail: str = "") -> Figure:
    """Return the worst of all runs against a bar."""
    return Figure(name, max(values), unit, bar, None, compare, detail)


def informative(name: str, values: Sequence[float], unit: str, *, compare: str = "", detail: str = "") -> Figure:
    """Return a median without a bar."""
    return Figure(name, statistics.median(values), unit, None, None, compare, detail)


def _interval(values: Sequence[float]) -> tuple[float, float]:
    rng = random.Random(0)
    medians = sorted(statistics.median(rng.choices(values, k=len(values))) for _ in range(_RESAMPLES))
    return medians[int(0.025 * _RESAMPLES)], medians[int(0.975 * _RESAMPLES) - 1]


def print_figures(figures: Sequence[Figure], *, compared_with: str = "KServe 0.20 (facts from its own run)") -> None:
    """Print the table, and last the JSON.

    Args:
        compared_with: heads the column of others' figures.
    """
    print(f"\n{'':44} {'ours':>10}  {'bar':>8}  {'':10}  {compared_with}")
    for figure in figures:
        bar = "" if figure.bar is None else f"<= {figure.bar:g}"
        spread = f" [{figure.interval[0]:.2f}-{figure.interval[1]:.2f}]" if figure.interval else ""
        print(f"{figure.name:44} {figure.value:10.2f}  {bar:>8}  {figure.verdict:10}  {figure.compare}")
        if figure.detail or spread:
            print(f"{'':46}{figure.unit}{spread}  {figure.detail}")
    print()
    print(json.dumps([figure.to_json() for figure in figures]))
