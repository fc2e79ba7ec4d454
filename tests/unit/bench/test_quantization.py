"""The judgement of bench.quantization: what counts as three times as fast, and as a point lost."""

from pathlib import Path

import numpy as np

from bench.quantization import Pair, build_figures, loss_figure


def test_a_third_of_the_time_is_three_times_as_fast(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("Float32", "Int8Dynamic")}
    for size, path in enumerate(files.values(), 1):
        path.write_bytes(b"x" * size)
    right = dict.fromkeys(("PyTorch", *files), np.ones(100, dtype=bool))
    speeds = {1: [Pair(24.0, 16.0, 6.0)] * 6, 2: [Pair(12.0, 8.0, 6.0)] * 6}
    figures = {figure.name: figure for figure in build_figures(speeds, right, files)}
    assert figures["Int8Dynamic's time of PyTorch's, 1 thread"].verdict == "pass"
    assert "4.00 times as fast" in figures["Int8Dynamic's time of PyTorch's, 1 thread"].detail
    assert figures["Int8Dynamic's time of PyTorch's, 2 threads"].verdict == "FAIL"


def test_a_loss_passes_only_if_its_whole_interval_lies_below_the_bar() -> None:
    original = np.arange(4000) % 10 < 7
    same = loss_figure("Int8Dynamic", original, original.copy(), bar=1.0)
    assert (same.verdict, same.value, same.interval) == ("pass", 0.0, (0.0, 0.0))
    worse = original.copy()
    worse[:200] = False
    assert loss_figure("Int8Dynamic", original, worse, bar=1.0).verdict == "FAIL"
    # As many won as lost: nothing is lost on average, and with so few items nothing can be told.
    few = ~original[:40]
    assert loss_figure("Int8Dynamic", original[:40], few, bar=1.0).verdict == "FAIL"
    some = original[:40].copy()
    some[0], some[7] = False, True
    assert loss_figure("Int8Dynamic", original[:40], some, bar=1.0).verdict == "unresolved"
