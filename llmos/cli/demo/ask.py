"""Asks an InferenceService one question and shows the answer as a person would like to see it.

Owns: the port-forward, the request, the rendering.
Must not: decide whether the answer is right; `checks.py` does.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from llmos.errors import TransientError

__all__ = ["ask", "forwarded", "render_answer"]


@contextmanager
def forwarded(command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run `kubectl port-forward … :8080` and yield the base URL on loopback; end it afterwards.

    Raises:
        TransientError: kubectl ended before it forwarded; carries what it said.
    """
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        found = re.search(r"127\.0\.0\.1:(\d+)", line)
        if found is None:
            process.terminate()
            raise TransientError(f"kubectl could not forward a port: {process.stderr.read().strip()}", reason="PortForwardFailed")
        yield f"http://127.0.0.1:{found.group(1)}"
    finally:
        process.terminate()
        process.wait(timeout=10)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def ask(base_url: str, text: str, *, timeout_s: float = 30.0) -> dict[str, Any]:
    """POST the text to `/v1/predict`.

    Raises:
        TransientError: no answer, or an answer other than 200; carries the problem document's detail.
    """
    try:
        # trust_env: a proxy for the outside world would not find loopback.
        response = httpx.post(f"{base_url}/v1/predict", json={"text": text}, timeout=timeout_s, trust_env=False)
    except httpx.HTTPError as error:
        raise TransientError(f"the service did not answer: {error}", reason="NoAnswer") from error
    if response.status_code != 200:
        raise TransientError(f"the service answered {response.status_code}: {response.text[:500]}", reason="NoAnswer")
    answer: dict[str, Any] = response.json()
    return answer


def render_answer(text: str, answer: dict[str, Any]) -> RenderableType:
    """The question with its entities marked, the label, the facts with their sources, and what it all stands on."""
    question = Text(text)
    for entity in answer["entities"]:
        question.stylize("bold cyan underline", entity["start"], entity["end"])
    model = answer["model"]
    digests = Table(box=None, show_header=False, pad_edge=False)
    digests.add_row("model", model["name"], model["precision"], model["digest"])
    for item in answer["knowledge"]:
        digests.add_row("knowledge", item["name"], "", item["digest"])
    timings = answer["timings"]
    spent = Text("  ".join(f"{name.removesuffix('Milliseconds')} {value:.1f} ms" for name, value in timings.items()), style="dim")
    parts = [
        Text("Question", style="bold"),
        question,
        Text(),
        *_labels(answer),
        Text(),
        _entities(answer),
        Text(),
        _facts(answer),
        Text(),
        digests,
        spent,
    ]
    return Panel(Group(*parts), title="an answer, and what it stands on", title_align="left")


def _labels(answer: dict[str, Any]) -> Iterator[RenderableType]:
    yield Text("Answer", style="bold")
    for number, label in enumerate(answer["labels"][:3]):
        bar = "█" * max(1, round(label["score"] * 30))
        style = "bold green" if number == 0 else "dim"
        yield Text(f"{label['score']:6.1%} {bar:<30} {label['name']} ({label['id']})", style=style)


def _entities(answer: dict[str, Any]) -> Table:
    table = Table(
        "Entity", "Id", "In the text", "Characters", box=None, pad_edge=False, title="Recognised", title_justify="left", title_style="bold"
    )
    for item in answer["entities"]:
        table.add_row(escape(item["name"]), item["id"], escape(f"“{item['text']}”"), f"{item['start']}–{item['end']}")
    return table


def _facts(answer: dict[str, Any], *, shown: int = 12) -> Table:
    facts = answer["facts"]
    title = f"Facts ({len(facts)}" + (f", the first {shown})" if len(facts) > shown else ")")
    table = Table(
        "Subject", "Predicate", "Object", "Source", box=None, pad_edge=False, title=title, title_justify="left", title_style="bold"
    )
    for fact in facts[:shown]:
        source = fact["source"]
        end = fact["object"]
        table.add_row(
            escape(fact["subject"]["name"]),
            fact["predicate"],
            escape(str(end.get("name") or end.get("value") or end.get("id"))),
            escape(f"{source['name']} {source['version']}"),
        )
    return table
