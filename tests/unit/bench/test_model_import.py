"""What the import benchmark makes of its measurements."""

from __future__ import annotations

from bench.model_import import MB, Import, Repeat, build_figures


def test_twice_the_floor_s_time_is_the_bar_and_the_worst_memory_counts() -> None:
    fast, slow = Import(1.0, 0.5, 40 * MB), Import(4.5, 0.5, 310 * MB)
    figures = {figure.name: figure for figure in build_figures([Repeat(2.0, fast, slow)] * 5, 1000 * MB)}
    assert figures["import over HTTP, folder there and checked"].verdict == "pass"
    assert figures["import over OCI, folder there and checked"].verdict == "FAIL"
    assert figures["import over OCI, folder there and checked"].value == 2.25
    assert figures["import over HTTP: peak anonymous memory"].verdict == "pass"
    assert figures["import over OCI: peak anonymous memory"].verdict == "FAIL"
