"""What happens to a process while its threads work: threads that die, forks, signals, pauses, no more threads."""

from __future__ import annotations

import gc
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
"""Seconds for which the process is stopped."""
DAY = 86400.0
PATIENT = 60.0


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

    def __init__(self, seed: int, clock: Clock, starter: Starter) -> None:
        # Python 3.12 and later warn of any fork with threads.
        warnings.filterwarnings("ignore", ".*fork", DeprecationWarning)
        self.did: Counter[str] = Counter()
        self._chance = random.Random(seed)
        self._clock, self._starter = clock, starter
        self._stopping: subprocess.Popen[bytes] | None = None

    def go_on(self, pool: Pool[Thing], oracle: Oracle, gate: AbstractContextManager[object], end: float) -> None:
        """Do so until the time is over. Forks are made with the gate held, and the oracle's lock."""
        events: list[Callable[[], None]] = [
            self._freeze,
            self._set_clock,
            self._refuse_threads,
            lambda: self._die(pool),
        ]
        if os.name == "posix":
            events.append(self._stop)
        if os.name == "posix" and native.GIL:
            events.append(lambda: self._fork(pool, oracle, gate))
        while time.monotonic() < end:
            time.sleep(PERIOD)
            event = self._chance.choice(events)
            event()
        if self._stopping is not None:
            self._stopping.wait(PATIENT)
        self.did["threads refused"] = self._starter.refused

    def _freeze(self) -> None:
        gc.freeze()
        time.sleep(PERIOD)
        gc.unfreeze()
        self.did["frozen"] += 1

    def _set_clock(self) -> None:
        self._clock.offset = self._chance.uniform(-DAY, DAY)
        self.did["clock set"] += 1

    def _refuse_threads(self) -> None:
        self._starter.refuses = True
        time.sleep(2 * PERIOD)
        self._starter.refuses = False

    def _die(self, pool: Pool[Thing]) -> None:
        """Have a thread die that has borrowed."""

        def die() -> None:
            lease = None
            with suppress(BaseException):  # it is interrupted as any other, too
                lease = pool.lease(0.1)
            raise SystemExit(lease)

        threading.Thread(target=die, name="dies", daemon=True).start()
        self.did["died"] += 1

    def _stop(self) -> None:
        """Have this process stopped by another, which has it go on a moment later."""
        if self._stopping is not None:
            if self._stopping.poll() is None:
                return
            self._stopping = None
        if self._chance.random() < 0.3:
            own = os.getpid()
            command = ["/bin/sh", "-c", f"kill -STOP {own}; sleep {PAUSE}; kill -CONT {own}"]
            self._stopping = subprocess.Popen(command)
            self.did["stopped"] += 1

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


@contextmanager
def signalled(pool: Pool[Thing], did: Counter[str]) -> Generator[None, None, None]:
    """Have a signal handler borrow, in the main thread, which has nothing of the pool meanwhile."""

    def handle(number: int, frame: FrameType | None) -> None:
        did["signalled"] += 1
        with suppress(TimeOut, CreationFailed, HookError):
            pool.ret(pool.get(0))
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
