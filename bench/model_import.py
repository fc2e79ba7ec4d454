"""How fast a model folder is brought here and checked: `python -m bench.model_import`. docs/benchmarks.md says what is measured.

Each repeat is interleaved: `cp` and `sha256sum` of the file (the floor), then the same file imported over HTTP and from an OCI registry,
each by a fresh process. Everything is on one disk and this machine's loopback; the folder is removed at the end.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.figures import Figure, bounded, informative, print_figures, ratio
from bench.import_servers import Served, serve_http, serve_registry
from llmos.local.progress import say

MB: Final = 1_000_000
_PIECE_BYTES: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class Import:
    """One import by a process of its own."""

    seconds: float
    """From the call until the folder is there."""
    cpu_s: float
    anonymous_bytes: int
    """Largest anonymous resident memory of the process, sampled a hundred times a second."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """One interleaved repeat."""

    floor_s: float
    http: Import
    oci: Import


def make_model(folder: Path, size_bytes: int) -> Path:
    """Write a folder that passes for a model: a config, and safetensors of so many random bytes."""
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "bert"}')
    header = json.dumps({"weights": {"dtype": "U8", "shape": [size_bytes], "data_offsets": [0, size_bytes]}}).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for offset in range(0, size_bytes, _PIECE_BYTES):
            file.write(os.urandom(min(_PIECE_BYTES, size_bytes - offset)))
    return folder


def measure_floor(model: Path, folder: Path) -> float:
    """Copy the weights and hash the copy with the tools everybody has; return the seconds."""
    copy = folder / "copy"
    began = time.monotonic()
    subprocess.run(["cp", str(model / "model.safetensors"), str(copy)], check=True)
    subprocess.run(["sha256sum", str(copy)], check=True, capture_output=True)
    seconds = time.monotonic() - began
    copy.unlink()
    return seconds


def measure_import(served: Served, folder: Path, profile: Path | None = None) -> Import:
    """Import once in a fresh process, and see that what arrived is what was served."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        request = {"into": f"{scratch}/model", **served.request, **({"profile": str(profile)} if profile else {})}
        argv = [sys.executable, "-m", "bench.import_process", json.dumps(request)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"the import ended with {done.returncode}:\n{done.stderr[-3000:]}")
        arrived = Path(scratch) / "model" / "model.safetensors"
        if arrived.stat().st_size != served.size_bytes:
            raise RuntimeError(f"{arrived.stat().st_size} of {served.size_bytes} bytes arrived")
        return Import(**json.loads(done.stdout.splitlines()[-1]))


@contextmanager
def temporary_folder(parent: Path | None) -> Iterator[Path]:
    """Yield a folder that is removed at the end, whatever happens."""
    with tempfile.TemporaryDirectory(prefix="llmos-bench-", dir=parent) as name:
        yield Path(name)


def measure(size_bytes: int, repeats: int, parent: Path | None, profile: Path | None) -> list[Repeat]:
    """Run all repeats."""
    found: list[Repeat] = []
    with temporary_folder(parent) as folder:
        say(f"making {size_bytes / MB:.0f} MB of random weights in {folder}; {repeats} repeats, {os.cpu_count()} cores")
        model = make_model(folder / "model", size_bytes)
        with serve_http(model) as http, serve_registry(model, folder) as oci:
            for number in range(repeats):
                floor_s = measure_floor(model, folder)
                repeat = Repeat(floor_s, measure_import(http, folder, profile), measure_import(oci, folder))
                found.append(repeat)
                say(f"repeat {number + 1}: {describe(repeat)}")
    return found


def describe(repeat: Repeat) -> str:
    """Return one line about a repeat."""
    peak = max(repeat.http.anonymous_bytes, repeat.oci.anonymous_bytes) / MB
    return f"cp and sha256sum {repeat.floor_s:.2f} s, HTTP {repeat.http.seconds:.2f} s, OCI {repeat.oci.seconds:.2f} s; {peak:.0f} MB"


def build_figures(found: Sequence[Repeat], size_bytes: int) -> list[Figure]:
    """Return what is printed: the bar is half the floor's speed, so twice its time."""
    figures = [informative("floor: cp and sha256sum of the file", [repeat.floor_s for repeat in found], "s")]
    for name, imports in (("HTTP", [repeat.http for repeat in found]), ("OCI", [repeat.oci for repeat in found])):
        ratios = [one.seconds / repeat.floor_s for one, repeat in zip(imports, found, strict=True)]
        rates = ", ".join(f"{size_bytes / MB / one.seconds:.0f}" for one in imports)
        figures.append(ratio(f"import over {name}, folder there and checked", ratios, bar=2, compare="", detail=f"MB/s: {rates}"))
        figures.append(bounded(f"import over {name}: peak anonymous memory", [one.anonymous_bytes / MB for one in imports], "MB", bar=300))
        figures.append(informative(f"import over {name}: CPU time", [one.cpu_s for one in imports], "s"))
    return figures


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; 0 if every bar is cleared."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1000, help="size of the weights (default 1000)")
    parser.add_argument("--repeats", type=int, default=10, help="how many repeats (default 10; fewer than 5 give no interval)")
    parser.add_argument("--folder", type=Path, help="where to work: about four times the weights' size (default: the system's)")
    parser.add_argument("--profile", type=Path, help="write cProfile's figures of the HTTP import here; the times are then worth nothing")
    arguments = parser.parse_args(argv)
    if arguments.megabytes < 1 or arguments.repeats < 1:
        parser.error("--megabytes and --repeats must be at least 1")
    size_bytes = arguments.megabytes * MB
    figures = build_figures(measure(size_bytes, arguments.repeats, arguments.folder, arguments.profile), size_bytes)
    print_figures(figures, compared_with="")
    return 0 if all(figure.verdict in ("pass", "") for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
