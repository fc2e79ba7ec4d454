"""The same seed, the same weights: on the same kind of processor, with the same number of threads.

Sums of floats depend on the order in which threads add them up, so both are part of what must be equal; torch is told to refuse operations
that have no fixed order. Must not: leave any of it set afterwards.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from llmos.models.compute import count_cpus

__all__ = ["choose_device", "deterministic"]


def choose_device() -> torch.device:
    """Return the first GPU if this process sees one, else the CPU."""
    return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")


@contextmanager
def deterministic(seed: int, *, num_threads: int | None = None) -> Iterator[None]:
    """Seed torch, fix its algorithms and its number of threads, and put everything back at the end.

    Args:
        num_threads: by default the processors this process may use.
    """
    # cuBLAS reads it when its first handle is made; on the CPU it means nothing.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        torch.set_num_threads(num_threads or count_cpus())
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.set_num_threads(before[0])
            torch.use_deterministic_algorithms(before[1])
