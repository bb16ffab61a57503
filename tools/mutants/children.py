"""Run tests that were collected in a child of a fork, each within a time."""

import os
import pickle
import resource
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic, process_time
from typing import IO, Any, NoReturn

import pytest

HUNG = 98
"""The exit status of a child in which a test takes too long,"""
BROKE = 99
"""and of one that raises something, but not as a test: pytest does, which asks objects of the tests, or this tool."""
MEMORY = 3 << 30
"""Bytes; a change may have a loop append without end."""


@dataclass
class Ended:
    """A child that has ended."""

    pid: int
    told: list[Any]
    """What it has told, in order."""
    status: int
    """Its exit status; negative if a signal has ended it."""
    error: str = ""
    """The traceback, if it broke."""

    @property
    def hung(self) -> bool:
        """Whether a test took too long."""
        return self.status in {HUNG, -signal.SIGXCPU}


@dataclass
class _Raised:
    """What a child tells when it breaks."""

    traceback: str


class Children:
    """The children that run."""

    def __init__(self) -> None:
        self._running: dict[int, IO[bytes]] = {}

    def __len__(self) -> int:
        return len(self._running)

    def start(self, work: Callable[[Callable[[object], None]], int]) -> int:
        """Do some work in a child, which may tell something, and whose result is its exit status."""
        said = tempfile.TemporaryFile()  # noqa: SIM115  # closed when the child has ended
        pid = os.fork()
        if not pid:
            _work(work, said)
        self._running[pid] = said
        return pid

    def wait(self) -> Ended:
        """Wait for the end of any."""
        pid, status = os.wait()
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # what its tests have started
        with self._running.pop(pid) as said:
            said.seek(0)
            told = list(_read(said))
            error = told.pop().traceback if told and isinstance(told[-1], _Raised) else ""
            return Ended(pid, told, os.waitstatus_to_exitcode(status), error)


def _read(file: IO[bytes]) -> Iterator[Any]:
    with suppress(EOFError, pickle.UnpicklingError):  # the last one was not written to its end
        while True:
            yield pickle.load(file)


def _work(work: Callable[[Callable[[object], None]], int], said: IO[bytes]) -> NoReturn:
    status = BROKE

    def tell(something: object) -> None:
        pickle.dump(something, said)
        said.flush()

    try:
        os.setpgid(0, 0)
        os.dup2(1, 2)  # which is nowhere
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        status = work(tell)
    except BaseException:
        tell(_Raised(traceback.format_exc()))
    finally:
        os._exit(status)


class Failures:
    """A plugin of pytest that notes whether a test has failed."""

    def __init__(self) -> None:
        self.any = False
        self.raised = False
        """Whether it has raised something, at least: no report can be made where an object of the test forbids it."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> None:
        """Called by pytest."""
        fine = call.excinfo is None or call.excinfo.errisinstance(pytest.skip.Exception)
        self.raised = self.raised or not fine

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called by pytest."""
        self.any = self.any or report.failed


def undisturbed() -> float:
    """The time in seconds, as if nobody else worked on this machine: without that for which we waited for a CPU."""
    try:
        with open("/proc/self/schedstat", encoding="ascii") as file:
            waited = int(file.read().split()[1]) / 1e9
    except OSError:  # not Linux
        waited = 0.0
    return monotonic() - waited


def run(items: Sequence[pytest.Item], limit: float, failures: Failures) -> Iterator[int]:
    """Run tests, and give the index of each that has ended. One that takes longer ends the process: it has hung."""
    since = 0.0
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)

    def look(*_: object) -> None:
        left = since + limit - undisturbed()
        if left <= 0:
            os._exit(HUNG)
        signal.setitimer(signal.ITIMER_REAL, max(left, 0.1))

    for index, (item, following) in enumerate(zip(items, [*items[1:], None], strict=True)):
        signal.signal(signal.SIGALRM, look)  # each time: whoever is given an index may run others meanwhile
        since = undisturbed()
        failures.any = failures.raised = False
        # A loop within C hears no signal: the system ends the process. Two processors at most work for a test.
        resource.setrlimit(resource.RLIMIT_CPU, (int(process_time() + 2 * limit) + 2, hard))
        signal.setitimer(signal.ITIMER_REAL, limit)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        signal.setitimer(signal.ITIMER_REAL, 0)
        yield index
