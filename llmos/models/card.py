"""Model cards in Hugging Face's format: YAML front matter that hubs and tools read, and tables for people.

Rendered from facts alone, the same facts to the same bytes. Must not: state what nobody measured, or hold a time or a machine's name: a
card inside a payload is part of its digest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["Card", "CardMetric", "pipeline_tag", "render_card"]

_PIPELINES: Final = {
    "FeatureExtraction": "feature-extraction",
    "TextClassification": "text-classification",
    "SequencePair": "text-classification",
    "TokenClassification": "token-classification",
    "MaskedLM": "fill-mask",
    "ImageClassification": "image-classification",
    "AudioClassification": "audio-classification",
    "SpeechRecognition": "automatic-speech-recognition",
    "TextGeneration": "text-generation",
    "Summarization": "summarization",
}
_METRICS: Final = {"macroF1": "f1", "microF1": "f1", "wordErrorRate": "wer"}
"""What hubs call a metric, where that is not our name."""


def pipeline_tag(task: str) -> str | None:
    """Return Hugging Face's name of a task; None for one it has no name for."""
    return _PIPELINES.get(task)


@dataclass(frozen=True, slots=True, kw_only=True)
class CardMetric:
    """One number that was measured."""

    name: str
    value: str
    """A decimal number."""

    dataset: str
    """What people call the set of items."""

    dataset_digest: str
    precision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a card says; what is empty is left out."""

    title: str
    task: str = ""
    library: str = ""
    """What loads the files: `onnx`, `transformers`."""

    base_model: str = ""
    """What it was made from: a repository of a hub, or a digest."""

    languages: Sequence[str] = ()
    license: str = ""
    description: str = ""
    metrics: Sequence[CardMetric] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    """Rows of the first table."""

    sections: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)
    """Heading → table, its first row the columns' names."""


def render_card(card: Card) -> str:
    """Return the card as Markdown.

    Raises: ValueError if a metric's value is no number.
    """
    parts = [f"---\n{front}\n---\n" if (front := _front_matter(card)) else "", f"# {card.title}\n"]
    parts += [f"{card.description.strip()}\n"] if card.description else []
    parts += [_table([["", ""], *([name, value] for name, value in card.facts.items())])] if card.facts else []
    for heading, rows in card.sections.items():
        parts.append(f"## {heading}\n\n{_table(rows)}")
    return "\n".join(part for part in parts if part)


def _front_matter(card: Card) -> str:
    # Imported late: it takes a moment, and only cards need it.
    from huggingface_hub import EvalResult, ModelCardData

    tag = pipeline_tag(card.task)
    results = [
        EvalResult(
            task_type=tag or card.task,
            dataset_type=metric.dataset_digest,
            dataset_name=metric.dataset,
            metric_type=_METRICS.get(metric.name, metric.name),
            metric_name=f"{metric.name} {metric.precision}".strip(),
            metric_value=float(metric.value),
        )
        for metric in card.metrics
    ]
    known: dict[str, Any] = {
        "language": list(card.languages) or None,
        "license": card.license or None,
        "library_name": card.library or None,
        "pipeline_tag": tag,
        "base_model": card.base_model or None,
    }
    if not results and not any(known.values()):
        return ""
    data = ModelCardData(**known, model_name=card.title if results else None, eval_results=results or None, tags=["llmos"])
    return str(data.to_yaml()).strip()


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = [f"|{'|'.join(_cell(cell) for cell in row)}|" for row in rows]
    return "\n".join([head, f"|{'---|' * len(rows[0])}", *body]) + "\n"


def _cell(text: str) -> str:
    line = " ".join(text.split()).replace("|", "\\|")
    return f" {line} " if line else " "
