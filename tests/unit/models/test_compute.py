import os
from pathlib import Path

import pytest

from llmos.models import count_cpus
from llmos.models.compute import memory_limit


@pytest.fixture(autouse=True)
def _eight_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 8),
        ({"cpu.max": "max 100000"}, 8),
        ({"cpu.max": "200000 100000"}, 2),
        ({"cpu.max": "250000 100000"}, 3),
        ({"cpu.max": "10000 100000"}, 1),
        ({"cpu.max": "6400000 100000"}, 8),
        ({"cpu/cpu.cfs_quota_us": "150000", "cpu/cpu.cfs_period_us": "100000"}, 2),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
        ({"cpu.max": "nonsense"}, 8),
    ],
)
def test_the_limit_of_the_container_counts_rounded_up(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert count_cpus(tmp_path) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 2 << 30),
        ({"memory.max": "max"}, 2 << 30),
        ({"memory.max": "1048576"}, 1048576),
        ({"memory/memory.limit_in_bytes": "4096"}, 4096),
        ({"memory/memory.limit_in_bytes": "9223372036854771712"}, 2 << 30),
    ],
)
def test_memory_is_what_the_container_may_use_and_at_most_what_the_machine_has(
    tmp_path: Path, files: dict[str, str], expected: int
) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:        2097152 kB\nMemFree: 1 kB\n")
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert memory_limit(tmp_path, tmp_path / "meminfo") == expected
