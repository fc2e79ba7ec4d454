"""Selecting a Model by what was measured: `select(candidates, wanted) -> Selection`.

Pure and deterministic: the same candidates give the same choice in whatever order they come, and names break ties. Must not: know where
candidates come from, or what is done with the choice.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from llmos_operator.api.selection import ModelSelector

__all__ = ["MAXIMUM_RUNNERS_UP", "Candidate", "RunnerUp", "Selection", "Wanted", "select"]

MAXIMUM_RUNNERS_UP: Final = 8

_UNKNOWN: Final = Decimal("Infinity")
"""What was not measured ranks behind everything that was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A Model of the namespace, as far as a selector can ask about it."""

    name: str
    task: str
    digest: str = ""
    """Of its version; empty: it has none."""

    is_ready: bool = True
    modality: str = ""
    languages: frozenset[str] = frozenset()
    object_labels: Mapping[str, str] = field(default_factory=dict)
    precisions: frozenset[str] = frozenset()
    label_ids: frozenset[str] | None = None
    """None: nobody says which labels it knows."""

    size_bytes: int | None = None
    """Of what would be used: the export in the wanted precision, or the weights."""

    latency_milliseconds: Decimal | None = None
    metrics: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for."""

    selector: ModelSelector
    precision: str = ""
    """Empty: weights are wanted, not an export."""

    metric: str = ""
    """By which accuracy is compared."""


@dataclass(frozen=True, slots=True)
class RunnerUp:
    """A Model that was not chosen, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Selection:
    """What came of it."""

    chosen: Candidate | None
    reason: str
    """Why this one; or, where none fits, the nearest miss."""

    runners_up: tuple[RunnerUp, ...] = ()
    """The best others, at most MAXIMUM_RUNNERS_UP."""


def select(candidates: Iterable[Candidate], wanted: Wanted) -> Selection:
    """Choose the best candidate that fits."""
    # A selector speaks about Models of its task and labels; others are not worth a word.
    concerned = [item for item in sorted(candidates, key=lambda item: item.name) if _concerns(item, wanted.selector)]
    misses = {item.name: [miss for check in _CHECKS if (miss := check(item, wanted))] for item in concerned}
    fitting = _ranked([item for item in concerned if not misses[item.name]], wanted)
    missing = sorted(
        (item for item in concerned if misses[item.name]), key=lambda item: (len(misses[item.name]), _cost(item, wanted), item.name)
    )
    losers = [RunnerUp(item.name, "; ".join(misses[item.name])) for item in missing]
    if not fitting:
        return Selection(None, _nearest(losers, wanted), tuple(losers[:MAXIMUM_RUNNERS_UP]))
    best = fitting[0]
    reason = f"the best of {len(fitting)} that fit, by {_preference(wanted)}: {_facts(best, wanted)}"
    if len(fitting) == 1:
        reason = f"the only one that fits: {_facts(best, wanted)}"
    behind = [RunnerUp(item.name, f"fits, and ranks behind: {_facts(item, wanted)}") for item in fitting[1:]]
    return Selection(best, reason, tuple([*behind, *losers][:MAXIMUM_RUNNERS_UP]))


def _concerns(item: Candidate, selector: ModelSelector) -> bool:
    return item.task == selector.task and all(item.object_labels.get(name) == value for name, value in selector.match_labels.items())


def _nearest(losers: list[RunnerUp], wanted: Wanted) -> str:
    if not losers:
        labelled = " with these labels" if wanted.selector.match_labels else ""
        return f"this namespace has no Model for {wanted.selector.task}{labelled}"
    return f"the nearest is {losers[0].name}: {losers[0].reason}"


def _check_ready(item: Candidate, _wanted: Wanted) -> str:
    return "" if item.digest and item.is_ready else "it is not ready"


def _check_modality(item: Candidate, wanted: Wanted) -> str:
    asked = wanted.selector.modality
    return f"it takes {item.modality}, and {asked} is asked" if asked and item.modality != asked else ""


def _check_language(item: Candidate, wanted: Wanted) -> str:
    asked = wanted.selector.language
    if not asked or asked in item.languages:
        return ""
    return f"its card names {', '.join(sorted(item.languages))}, and {asked} is asked" if item.languages else "its card names no language"


def _check_precision(item: Candidate, wanted: Wanted) -> str:
    return f"it has no {wanted.precision}" if wanted.precision and item.digest and wanted.precision not in item.precisions else ""


def _check_labels(item: Candidate, wanted: Wanted) -> str:
    asked = wanted.selector.labels
    if not asked or not item.digest:
        return ""
    if item.label_ids is None:
        return "it does not say which labels it knows; import it again"
    missing = [label for label in asked if label not in item.label_ids]
    more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    return f"it does not know {', '.join(missing[:3])}{more}" if missing else ""


def _check_size(item: Candidate, wanted: Wanted) -> str:
    limit = wanted.selector.maximum_size_bytes
    if limit is None or not item.digest:
        return ""
    if item.size_bytes is None:
        return "it does not say its size"
    return f"it has {item.size_bytes} bytes, and at most {limit} are asked" if item.size_bytes > limit else ""


def _check_latency(item: Candidate, wanted: Wanted) -> str:
    limit = wanted.selector.maximum_latency_milliseconds
    if limit is None or not item.digest:
        return ""
    if item.latency_milliseconds is None:
        return "its latency was not measured"
    return f"it takes {item.latency_milliseconds} ms, and at most {limit} are asked" if item.latency_milliseconds > limit else ""


def _check_metric(item: Candidate, wanted: Wanted) -> str:
    selector = wanted.selector
    if selector.metric is None or not item.digest:
        return ""
    found = item.metrics.get(selector.metric)
    if found is None:
        return f"{selector.metric} was not measured"
    if selector.minimum is not None and found < Decimal(selector.minimum):
        return f"it has {selector.metric} {found}, and {selector.minimum} is asked"
    return ""


_CHECKS: Final[tuple[Callable[[Candidate, Wanted], str], ...]] = (
    _check_ready,
    _check_modality,
    _check_language,
    _check_precision,
    _check_labels,
    _check_size,
    _check_latency,
    _check_metric,
)


_LOWER_IS_BETTER: Final = ("wordErrorRate", "bitsPerByte")


def _cost(item: Candidate, wanted: Wanted) -> Decimal:
    """Lower is better: the metric, turned round where higher is."""
    found = item.metrics.get(wanted.metric)
    if found is None:
        return _UNKNOWN
    return found if wanted.metric in _LOWER_IS_BETTER else -found


def _latency(item: Candidate) -> Decimal:
    return _UNKNOWN if item.latency_milliseconds is None else item.latency_milliseconds


def _size(item: Candidate) -> Decimal:
    return _UNKNOWN if item.size_bytes is None else Decimal(item.size_bytes)


def _ranked(fitting: list[Candidate], wanted: Wanted) -> list[Candidate]:
    """Order the candidates, best first; what the preference leaves equal is decided by the other two, then by name."""
    by_latency, by_size = _latency, _size

    def by_metric(item: Candidate) -> Decimal:
        return _cost(item, wanted)

    orders: dict[str, Callable[[Candidate], tuple[Decimal, ...]]] = {
        "Accuracy": lambda item: (by_metric(item), by_latency(item), by_size(item)),
        "Latency": lambda item: (by_latency(item), by_metric(item), by_size(item)),
        "Size": lambda item: (by_size(item), by_metric(item), by_latency(item)),
    }
    if wanted.selector.preference == "Balanced":
        places = [_places(fitting, key) for key in (by_metric, by_latency, by_size)]
        # The sum of the three places: no unit has to be weighed against another, and no outlier outweighs the rest.
        return sorted(fitting, key=lambda item: (sum(place[item.name] for place in places), by_metric(item), item.name))
    order = orders[wanted.selector.preference]
    return sorted(fitting, key=lambda item: (order(item), item.name))


def _places(fitting: list[Candidate], key: Callable[[Candidate], Decimal]) -> dict[str, int]:
    """Return each candidate's place by one measure: how many others are better."""
    values = sorted(key(item) for item in fitting)
    return {item.name: values.index(key(item)) for item in fitting}


def _preference(wanted: Wanted) -> str:
    names = {"Accuracy": wanted.metric or "accuracy", "Latency": "latency", "Size": "size"}
    return names.get(wanted.selector.preference, "the sum of their places in accuracy, latency and size")


def _facts(item: Candidate, wanted: Wanted) -> str:
    found = item.metrics.get(wanted.metric)
    parts = [
        f"{wanted.metric} {found}" if found is not None else f"{wanted.metric or 'accuracy'} not measured",
        f"{item.latency_milliseconds} ms" if item.latency_milliseconds is not None else "",
        f"{item.size_bytes / 1e6:.1f} MB" if item.size_bytes is not None else "",
    ]
    return ", ".join(part for part in parts if part)
