"""Memory that grows in a long stress is noticed."""

import tracemalloc
from functools import partial
from pathlib import Path

import pytest

from . import memory
from .memory import STATUS, Memory, sample

HOUR = 3600


def after_an_hour(monkeypatch: pytest.MonkeyPatch, allocated: dict[int, int]) -> Memory:
    """What is said of an hour in which so many KiB were allocated, from each of these seconds on."""
    watch = Memory(HOUR)
    for second in range(HOUR + 100):
        kib = [kib for begin, kib in allocated.items() if begin <= second][-1]
        monkeypatch.setattr(memory, "sample", partial(tuple[int, ...], (kib, 9000, 4)))
        watch.note(second)
    return watch


def test_what_grows_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The minute before 10 minutes and the last of the hour are compared; what comes after the hour is not."""
    watch = after_an_hour(monkeypatch, {0: 900, 560: 1000, 610: 5000, 3550: 1021, HOUR + 10: 9000})
    assert watch.growth() == {"KiB allocated": [1000, 1021], "KiB resident": [9000, 9000], "threads": [4, 4]}
    assert watch.grown() == ["KiB allocated"]


def test_memory_may_change_a_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two in a hundred more are no growth, nor is a peak in a few of the seconds."""
    assert after_an_hour(monkeypatch, {0: 1000, 3550: 1020, 3590: 2000}).grown() == []


@pytest.mark.skipif(not STATUS.exists(), reason="the system does not say what a process has")
def test_a_sample_is_of_this_process() -> None:
    """The threads of this process are counted, and there is memory in it."""
    _, resident, threads = sample()
    assert resident > 1000
    assert threads >= 1


def test_what_tracemalloc_needs_is_not_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its tables double when there are a few more objects than ever before."""
    status = tmp_path / "status"
    status.write_text("VmPeak:\t9000 kB\nVmRSS:\t5000 kB\nThreads:\t3\n", encoding="ascii")
    monkeypatch.setattr(memory, "STATUS", status)
    monkeypatch.setattr(tracemalloc, "get_traced_memory", lambda: (2048, 9999))
    monkeypatch.setattr(tracemalloc, "get_tracemalloc_memory", lambda: 1000 * 1024)
    assert sample() == (2, 4000, 3)
