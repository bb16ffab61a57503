"""What happens to a process while threads or tasks work: it is stopped, signalled, has no threads or files, forks."""

from __future__ import annotations

import gc
import math
import os
import random
import signal
import subprocess
import threading
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from types import FrameType

from ProxyPatternPool import HookError, Pool, TimeOut
from ProxyPatternPool._runtime import native

from .oracle import CreationFailed, Oracle, Thing

PERIOD = 0.05
"""Seconds between two events."""
PAUSE = 0.2
"""Seconds for which the process is stopped, again and again."""
LONG_PAUSE = 10.0
"""Seconds for which it is stopped once, if there is time for that: whoever waits is patient for longer."""
TIME_FOR_LONG_PAUSE = 60.0
"""Seconds of a stress from which on there is."""
DAY = 86400.0
PATIENT = 60.0
DIES = "dies"
"""The name of a thread that is to die."""


class Clock:
    """The time of day, which is set again and again."""

    def __init__(self) -> None:
        self.offset = 0.0

    def __call__(self) -> float:
        return time.time() + self.offset


class Starter:
    """Starts threads, unless the system has no more of them."""

    def __init__(self) -> None:
        self.refuses = False
        self.refused = 0

    def __call__(self, run: Callable[[], None]) -> bool:
        if self.refuses:
            self.refused += 1
            return False
        return native.start_thread(run)


class Faults:
    """Has something happen to the process, again and again."""

    def __init__(self, seed: int, seconds: float) -> None:
        # Python 3.12 and later warn of any fork with threads.
        warnings.filterwarnings("ignore", ".*fork", DeprecationWarning)
        self.did: Counter[str] = Counter()
        self.clock, self.starter = Clock(), Starter()
        self._chance = random.Random(seed)
        self._stopping: subprocess.Popen[bytes] | None = None
        self._end = time.monotonic() + seconds
        # When a third of the time is over: so all else goes on before and after it.
        self._long_pause_at = self._end - seconds * 2 / 3 if seconds >= TIME_FOR_LONG_PAUSE else math.inf

    def of_threads(
        self, pool: Pool[Thing], oracle: Oracle, gate: AbstractContextManager[object]
    ) -> list[Callable[[], None]]:
        """What happens to a process of threads. Forks are made with the gate held, and the oracle's lock."""
        events = [*self.of_any(), lambda: self._die(pool)]
        # Not without a GIL: on Python 3.13 one child in some hangs there. A thread that waits for the lock of an object
        # is within a step in C meanwhile, and may hold other locks of the interpreter, which nobody releases in the
        # child. Where threads rest test_fork forks.
        if os.name == "posix" and native.GIL:
            events.append(lambda: self._fork(pool, oracle, gate))
        return events

    def of_any(self) -> list[Callable[[], None]]:
        """What may happen to any process."""
        events = [self._freeze, self._set_clock, self._refuse_threads]
        return [*events, self._stop, self._refuse_files] if os.name == "posix" else events

    def go_on(self, events: list[Callable[[], None]]) -> None:
        """Do so until the time is over."""
        try:
            while time.monotonic() < self._end:
                time.sleep(PERIOD)
                event = self._chance.choice(events)
                event()
            if self._stopping is not None:
                self._stopping.wait(PATIENT)
        finally:  # even if it dies: the books are compared all the same
            self.starter.refuses = False
            self.did["threads refused"] = self.starter.refused

    def _freeze(self) -> None:
        gc.freeze()
        time.sleep(PERIOD)
        gc.unfreeze()
        self.did["frozen"] += 1

    def _set_clock(self) -> None:
        self.clock.offset = self._chance.uniform(-DAY, DAY)
        self.did["clock set"] += 1

    def _refuse_threads(self) -> None:
        self.starter.refuses = True
        time.sleep(2 * PERIOD)
        self.starter.refuses = False

    def _refuse_files(self) -> None:
        """Have the system open no more files for this process."""
        import resource  # not on Windows

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest = os.open(os.devnull, os.O_RDONLY)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))  # not 0: then nothing can be polled
        try:
            time.sleep(PERIOD)
            try:
                os.close(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                self.did["files refused"] += 1
            time.sleep(PERIOD)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    def _die(self, pool: Pool[Thing]) -> None:
        """Have a thread die that has borrowed."""

        def die() -> None:
            lease = None
            with suppress(BaseException):  # it is interrupted as any other, too
                lease = pool.lease(0.1)
            raise SystemExit(lease)

        threading.Thread(target=die, name=DIES, daemon=True).start()
        self.did["died"] += 1

    def _stop(self) -> None:
        """Have this process stopped by another, which has it go on some time later."""
        if self._stopping is not None:
            if self._stopping.poll() is None:
                return
            self._stopping = None
        if time.monotonic() >= self._long_pause_at:
            self._long_pause_at = math.inf
            self._begin_stop(LONG_PAUSE, "stopped for 10 s")
        elif self._chance.random() < 0.3:
            self._begin_stop(PAUSE, "stopped")

    def _begin_stop(self, seconds: float, what: str) -> None:
        own = os.getpid()
        command = ["/bin/sh", "-c", f"kill -STOP {own}; sleep {seconds}; kill -CONT {own}"]
        self._stopping = subprocess.Popen(command)
        self.did[what] += 1

    def _fork(self, pool: Pool[Thing], oracle: Oracle, gate: AbstractContextManager[object]) -> None:
        """Have a child use the pool, which is empty there."""
        if self._chance.random() < 0.5:
            return
        with gate, oracle.lock:
            child = os.fork()
        if child == 0:
            oracle.start_empty()
            os._exit(_use_in_child(pool))
        until = time.monotonic() + PATIENT
        ended, status = os.waitpid(child, os.WNOHANG)
        while not ended and time.monotonic() < until:
            time.sleep(0.01)
            ended, status = os.waitpid(child, os.WNOHANG)
        if not ended:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        if not ended or status:
            oracle.complain(f"a child of a fork ended with {status}" if ended else "a child of a fork hangs")
        self.did["forked"] += 1


def _use_in_child(pool: Pool[Thing]) -> int:
    """Borrow two objects, and close the pool; give the status of the process."""
    gc.set_threshold(700)

    try:
        for _ in range(20):
            with suppress(CreationFailed, HookError), pool.obj(PATIENT), pool.obj(PATIENT):
                break
        pool.shutdown(PATIENT)
        return int(pool.stats()["nobjs"] != 0)
    except BaseException:
        traceback.print_exc()
        return 2


def borrow_at_once(pool: Pool[Thing]) -> None:
    """Borrow and return, if possible: in a signal handler of a thread that has nothing of the pool meanwhile."""
    with suppress(TimeOut, CreationFailed, HookError):
        pool.ret(pool.get(0))


@contextmanager
def signalled(do: Callable[[], object], did: Counter[str]) -> Generator[None, None, None]:
    """Have a signal handler do something, in the main thread."""

    def handle(number: int, frame: FrameType | None) -> None:
        did["signalled"] += 1
        do()
        signal.setitimer(signal.ITIMER_REAL, PERIOD)  # not before its end: it would come into itself

    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, PERIOD)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
