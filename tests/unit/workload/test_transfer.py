"""Files as they arrive, and what is said about them on the way."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path
from typing import Any

import pytest

from llmos.errors import ConfigError, TransientError
from llmos.retrying import retry_transient
from llmos.workload.transfer import Arrival, Meter, arriving_folder, limited_room


class Told:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[tuple[int | None, str]] = []

    def progress(self, _phase: str, percent: int | None = None, message: str = "") -> None:
        self.lines.append((percent, message))


def meter(told: Told, seconds: list[float], *, num_files: int = 1) -> Meter:
    return Meter(told, num_files=num_files, clock=lambda: seconds[0])  # type: ignore[arg-type]


def test_progress_has_bytes_rate_and_remaining_time() -> None:
    told, now = Told(), [0.0]
    one = meter(told, now, num_files=3)
    one.begin("model.safetensors")
    one.tell(0, 1_000_000_000)
    now[0] = 2.0
    one.tell(200_000_000, 1_000_000_000)
    assert told.lines[-1] == (20, "model.safetensors (1 of 3): 200 of 1000 MB at 100 MB/s, 8 s left")


def test_what_was_there_before_a_resumption_does_not_make_the_rate_better() -> None:
    told, now = Told(), [0.0]
    one = meter(told, now)
    one.begin("a")
    one.tell(500_000_000, 1_000_000_000)
    now[0] = 10.0
    one.tell(600_000_000, 1_000_000_000)
    assert told.lines[-1][1] == "a: 600 of 1000 MB at 10 MB/s, 40 s left"


def test_a_file_of_unknown_size_has_no_share_and_no_end() -> None:
    told, now = Told(), [0.0]
    one = meter(told, now)
    one.begin("a")
    now[0] = 2.0
    one.tell(3_000_000)
    assert told.lines[-1] == (None, "a: 3.0 MB at 0 MB/s")


def test_thousands_of_pieces_are_told_twice_a_second_and_at_the_end() -> None:
    told, now = Told(), [0.0]
    one = meter(told, now)
    one.begin("a")
    for number in range(1, 1001):
        now[0] = number / 1000
        one.tell(number, 1000)
    assert [percent for percent, _ in told.lines] == [None, 0, 50, 100]


@pytest.mark.parametrize(("seconds", "text"), [(99, "99 s"), (600, "10 min"), (36000, "10 h")])
def test_remaining_time_is_said_in_its_own_unit(seconds: int, text: str) -> None:
    told, now = Told(), [0.0]
    one = meter(told, now)
    one.begin("a")
    one.tell(0, (seconds + 1) * 10)
    now[0] = 1.0
    one.tell(10, (seconds + 1) * 10)
    assert told.lines[-1][1].endswith(f", {text} left")


def test_an_arrival_is_hashed_as_it_passes_and_can_start_over(tmp_path: Path) -> None:
    with Arrival(tmp_path / "a") as arrival:
        arrival.append(b"wrong")
        arrival.restart()
        arrival.append(b"right")
        arrival.append(memoryview(b"!"))
    assert (tmp_path / "a").read_bytes() == b"right!"
    assert (arrival.size, arrival.digest()) == (6, hashlib.sha256(b"right!").hexdigest())


def test_git_s_own_hash_of_a_file_can_be_asked_for(tmp_path: Path) -> None:
    with Arrival(tmp_path / "a", algorithm="sha1", prefix=b"blob 6\0") as arrival:
        arrival.append(b"wrong")
        arrival.restart()
        arrival.append(b"hello\n")
    assert arrival.digest() == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_a_full_disk_names_the_field_to_raise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    arrival = Arrival(tmp_path / "model")
    arrival.append(b"all")
    monkeypatch.setattr("llmos.workload.transfer.os.fsync", full)
    with pytest.raises(ConfigError, match=r"model has more bytes than scratch has left; raise spec\.workload\.scratch\.sizeLimit"), arrival:
        pass


def test_a_file_that_cannot_fit_is_refused_before_it_is_fetched(tmp_path: Path) -> None:
    with Arrival(tmp_path / "model") as arrival, pytest.raises(ConfigError, match=r"scratch has .* MB left"):
        arrival.check_room(1 << 60)


def test_the_limit_of_scratch_counts_what_is_in_it_already(tmp_path: Path) -> None:
    (tmp_path / "scratch" / "deep").mkdir(parents=True)
    (tmp_path / "scratch" / "earlier").write_bytes(b"x" * 600)
    with Arrival(tmp_path / "scratch" / "deep" / "model") as arrival:
        with limited_room(tmp_path / "scratch", 1000):
            arrival.check_room(400)
            with pytest.raises(ConfigError, match=r"model has .* raise spec\.workload\.scratch\.sizeLimit") as caught:
                arrival.check_room(401)
        arrival.check_room(401)
    assert caught.value.reason == "ResourcesTooSmall"


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    def fail() -> None:
        with arriving_folder(tmp_path / "model") as folder:
            (folder / "a").write_text("a")
            raise ValueError("half-way")

    with pytest.raises(ValueError, match="half-way"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_attempts_that_come_further_are_not_counted() -> None:
    """A download of a hundred gigabytes may break off a hundred times."""
    reached, slept = [0], []

    def step() -> int:
        if reached[0] < 20:
            reached[0] += 1
            raise TransientError("lost", reason="InvalidSource")
        return reached[0]

    assert retry_transient(step, sleep=slept.append, progress=lambda: reached[0]) == 20
    assert max(slept) <= 0.5


def test_attempts_that_come_no_further_are() -> None:
    slept: list[float] = []

    def step() -> None:
        raise TransientError("lost", reason="InvalidSource")

    with pytest.raises(TransientError):
        retry_transient(step, sleep=slept.append, progress=lambda: 7)
    assert len(slept) == 5
