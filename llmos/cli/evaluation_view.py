"""An evaluation as one document, and that document as tables. Must not: fetch, or compute a metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from llmos.models.evaluation.answers import Comparison, count_confusion, score_labels
from llmos.models.evaluation.estimates import format_decimal

if TYPE_CHECKING:
    from llmos.cli.evaluation import EvaluatedVersion

__all__ = ["describe", "render"]

_SHOWN_LABELS: Final = 20
_SHOWN_CONFUSIONS: Final = 15
_SHOWN_ERRORS: Final = 10
_SHOWN_SLICES: Final = 5
_WIDEST_MATRIX: Final = 8
"""Labels; of more, the commonest confusions say more than a matrix nobody can read."""


def describe(found: EvaluatedVersion, compared: tuple[EvaluatedVersion, Comparison] | None) -> dict[str, Any]:
    """Return all that is known, as `--output json` prints it; decimals as text."""
    confusion = count_confusion(found.report.answers, found.precision)
    document: dict[str, Any] = {
        "model": found.name,
        "digest": found.digest,
        "precision": found.precision,
        "refused": found.refused,
        "evaluation": dict(found.evaluation),
        "measured": dict(found.measured),
        "confusion": [{"label": label, "answer": given, "items": count} for (label, given), count in sorted(confusion.items())],
        "labels": [
            {
                "id": score.id,
                "items": score.items,
                "recall": format_decimal(score.recall),
                "precision": format_decimal(score.precision),
                "f1": format_decimal(score.f1),
            }
            for score in score_labels(confusion)
        ],
        "slices": dict(found.report.slices.get(found.precision, {})),
        "errors": [dict(row) for row in found.report.errors if row.get("precision") == found.precision],
    }
    return document if compared is None else {**document, "against": _describe_comparison(*compared)}


def _describe_comparison(other: EvaluatedVersion, comparison: Comparison) -> dict[str, Any]:
    gain = comparison.gain
    return {
        "model": other.name,
        "digest": other.digest,
        "precision": other.precision,
        "items": comparison.items,
        **comparison.first.to_document("value"),
        **comparison.second.to_document("other"),
        **gain.to_document("gain"),
        "onlyThis": comparison.only_first,
        "onlyOther": comparison.only_second,
        "verdict": "Better" if gain.low > 0 else "Worse" if gain.high < 0 else "Unresolved",
    }


def render(document: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Yield what a terminal shows."""
    evaluation = document["evaluation"]
    yield f"[bold]model/{escape(document['model'])}[/bold] {document['digest']} {escape(document['precision'])}"
    uses = f", measured on {evaluation['uses']:,} times in the namespace when it was made" if evaluation.get("uses", 1) > 1 else ""
    yield f"[dim]{evaluation['items']:,} items of {evaluation['digest']}{uses}[/dim]"
    if document["refused"]:
        yield f"[red]not in the version: {_clean(document['refused'])}[/red]"
    yield _render_metrics(document)
    if "against" in document:
        yield from _render_comparison(document)
    if document["confusion"]:
        yield _render_labels(document)
        yield _render_confusion(document)
    if document["slices"]:
        yield _render_slices(document)
    if document["errors"]:
        yield _render_errors(document)


def _render_metrics(document: Mapping[str, Any]) -> Table:
    table = Table("", "value", "95 % interval", "original, Float32")
    measured, source = document["measured"], document["evaluation"]["source"]
    keys = [name.removesuffix("Low") for name in measured if name.endswith("Low")]
    for key in keys:
        table.add_row(key, measured[key], f"{measured[f'{key}Low']} to {measured[f'{key}High']}", source.get(key, ""))
    if "calibrationError" in measured:
        table.add_row("calibration error", measured["calibrationError"], f"at temperature {measured['temperature']}", "")
    for coverage, risk in measured.get("riskAtCoveragePercent", {}).items():
        table.add_row(f"wrong among the surest {coverage} %", risk, "", "")
    return table


def _render_comparison(document: Mapping[str, Any]) -> Iterator[RenderableType]:
    against, metric = document["against"], document["evaluation"]["metric"]
    # Where answers are counted, an item is not right or wrong, but better or worse.
    alone = "right where the other is wrong" if document["confusion"] else "better than the other"
    table = Table(metric, "value", "95 % interval", alone, title=f"on the {against['items']:,} items of both")
    table.add_row(
        f"model/{document['model']}", against["value"], f"{against['valueLow']} to {against['valueHigh']}", str(against["onlyThis"])
    )
    table.add_row(
        f"model/{against['model']}", against["other"], f"{against['otherLow']} to {against['otherHigh']}", str(against["onlyOther"])
    )
    table.add_row("paired difference", against["gain"], f"{against['gainLow']} to {against['gainHigh']}", "")
    yield table
    verdict = {"Better": "[green]better[/green]", "Worse": "[red]worse[/red]", "Unresolved": "[yellow]unresolved[/yellow]"}
    yield f"model/{escape(document['model'])} against model/{escape(against['model'])}: {verdict[against['verdict']]}"


def _render_labels(document: Mapping[str, Any]) -> Table:
    table = Table("label", "items", "recall", "precision", "F1", title="labels, the worst first")
    for row in document["labels"][:_SHOWN_LABELS]:
        table.add_row(_clean(row["id"]), f"{row['items']:,}", row["recall"], row["precision"], row["f1"])
    return table


def _render_confusion(document: Mapping[str, Any]) -> Table:
    counts = {(row["label"], row["answer"]): row["items"] for row in document["confusion"]}
    ids = sorted({id for pair in counts for id in pair})
    if len(ids) <= _WIDEST_MATRIX:
        table = Table("right \\ answer", *map(_clean, ids), title="confusion")
        for label in ids:
            table.add_row(_clean(label), *(_cell(counts.get((label, given), 0), is_right=label == given) for given in ids))
        return table
    table = Table("right label", "answer", "items", title="commonest confusions")
    wrong = sorted(((count, pair) for pair, count in counts.items() if pair[0] != pair[1]), key=lambda item: (-item[0], item[1]))
    for count, (label, given) in wrong[:_SHOWN_CONFUSIONS]:
        table.add_row(_clean(label), _clean(given), f"{count:,}")
    return table


def _cell(count: int, *, is_right: bool) -> str:
    return f"[green]{count}[/green]" if is_right else str(count) if count else "[dim]0[/dim]"


def _render_slices(document: Mapping[str, Any]) -> Table:
    metric = document["evaluation"]["metric"]
    key = metric[:1].lower() + metric[1:]
    table = Table("column", "value", "items", metric, "95 % interval", title="slices, the worst first")
    for column, rows in document["slices"].items():
        for row in rows[:_SHOWN_SLICES]:
            table.add_row(_clean(column), _clean(row["value"]), f"{row['items']:,}", row[key], f"{row[f'{key}Low']} to {row[f'{key}High']}")
    return table


def _render_errors(document: Mapping[str, Any]) -> Table:
    is_sure = bool(document["confusion"])
    title = "errors, the surest first" if is_sure else "items, the worst first"
    table = Table("text", "right", "answer", "score" if is_sure else document["evaluation"]["metric"], title=title)
    for row in document["errors"][:_SHOWN_ERRORS]:
        text = row["text"] if "secondText" not in row else f"{row['text']} ⸺ {row['secondText']}"
        table.add_row(_clean(text)[:120], _clean(row["label"]), _clean(row["answer"]), row["score"])
    return table


def _clean(text: str) -> str:
    """Return a text of others so that a terminal shows it and does not obey it."""
    return escape("".join(letter if letter.isprintable() else " " for letter in text))
