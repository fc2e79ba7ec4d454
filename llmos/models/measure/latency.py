"""How long one run takes, in this process."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from llmos.models.measure.comparison import SEED
from llmos.models.network import Network

__all__ = ["Latency", "measure_latency"]


@dataclass(frozen=True, slots=True)
class Latency:
    """In milliseconds."""

    p50: float
    p95: float


def measure_latency(network: Network, session: Any, *, batch: int, tokens: int, runs: int = 40) -> Latency:
    """Time runs of one shape, after three unmeasured ones."""
    inputs = dict(network.make_inputs((batch, tokens), np.random.default_rng(SEED), full=True))
    times_ms = []
    for _ in range(runs + 3):
        start = time.perf_counter()
        session.run(None, inputs)
        times_ms.append((time.perf_counter() - start) * 1e3)
    p50, p95 = np.percentile(times_ms[3:], [50, 95])
    return Latency(float(p50), float(p95))
