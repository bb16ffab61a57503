"""Twenty-four threads, everything that can go wrong going wrong, and books that must balance at the end."""

import ctypes
import faulthandler
import gc
import logging
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from typing import ClassVar

from ProxyPatternPool import HookError, Pool, TimeOut
from ProxyPatternPool._runtime.environment import Environment
from ProxyPatternPool._runtime.process import call_in_child
from ProxyPatternPool._runtime.waiting import NativeSleeper, Sleeper, do_nothing
from ProxyPatternPool._scheduler.process import using_scheduler
from ProxyPatternPool._scheduler.scheduler import Scheduler
from ProxyPatternPool._scheduler.timing import Timing

from ..unit.diary import Auditor
from .books import at_rest, audit, check_at_end, check_at_rest
from .deaths import deaths_noticed
from .faults import Faults, borrow_at_once, signalled
from .oracle import CreationFailed, Oracle, Thing

THREADS = 24
BOUND = 5
PERIOD, CALM = 0.4, 0.05
"""Seconds: everyone works, then everyone rests, and maintenance has its turn."""
PATIENT = 60.0
"""Seconds within which a waiter must be served: nobody holds anything for longer than milliseconds."""


class Interrupted(BaseException):
    """Thrown into a thread that waits."""


class Interruptible(NativeSleeper):
    """A sleeper in which a thread can be interrupted, and only there: the oracle's own books are no part of the test.

    Exceptions are thrown with the gate held, and arrive at the latest when the sleeper lets go of it.
    """

    __slots__ = ()
    gate = threading.RLock()
    asleep: ClassVar[set[int]] = set()

    def sleep(self, seconds: float | None) -> bool:
        ident = threading.get_ident()
        try:  # from here on: one may arrive as soon as the gate is let go of
            with self.gate:
                self.asleep.add(ident)
            return super().sleep(seconds)
        finally:
            try:
                with self.gate:
                    self.asleep.discard(ident)  # first of all calls here, and so done before anything arrives
            except Interrupted:
                # Python 3.14 raises it when the lock is acquired, and forgets that (python/cpython#148874).
                self.asleep.discard(ident)
                with suppress(RuntimeError):  # it is not held
                    self.gate.release()
                raise


OPERATOR = "operator"


def _interruptible(lost: Callable[[], None] = do_nothing, /) -> Sleeper:
    """Borrowers are interrupted in their sleep, and whoever operates the pool is not: he would end."""
    return NativeSleeper() if threading.current_thread().name == OPERATOR else Interruptible()


@contextmanager
def hostile_interpreter() -> Generator[None, None, None]:
    """Collect garbage at every chance and switch threads at every other."""
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(1)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        gc.set_threshold(*threshold)


class Worker(threading.Thread):
    """Borrows in every way there is, until the time is over."""

    def __init__(self, number: int, pool: Pool[Thing], oracle: Oracle, seed: int, end: float) -> None:
        super().__init__(name=f"worker-{number}", daemon=True)
        self.pool, self.oracle, self.end = pool, oracle, end
        self.random = random.Random(seed * 1000 + number)
        self.did: Counter[str] = Counter()

    def run(self) -> None:
        while (now := time.monotonic()) < self.end:
            if now % PERIOD < CALM:
                time.sleep(CALM)
                self.did["calm"] += 1
                continue
            try:
                self._once()
            except TimeOut:
                self.did["timed out"] += 1
            except CreationFailed:
                self.did["creation failed"] += 1
            except HookError:
                self.did["hook failed"] += 1
            except Interrupted:
                self.did["interrupted"] += 1

    def _timeout(self) -> float:
        # A patient waiter that is not served is a lost wake-up.
        return PATIENT if self.random.random() < 0.8 else self.random.random() * 0.002

    def _once(self) -> None:
        timeout = self._timeout()
        start = time.monotonic()
        try:
            lease = self.pool.lease(timeout)
        except TimeOut:
            late = time.monotonic() - start - timeout
            if timeout == PATIENT:
                self.oracle.complain(f"not served within {PATIENT} s: {self.pool!r}")
            self.did["most ms late"] = max(self.did["most ms late"], int(late * 1000))
            raise
        self._use(lease.obj)
        chance = self.random.random()
        if chance < 0.6:
            lease.release()
        elif chance < 0.65:
            lease.discard()
        elif chance < 0.7:
            lease.release()
            lease.release()
        elif chance < 0.8:
            del lease
        elif chance < 0.85:
            cycle: list[object] = [lease]
            cycle.append(cycle)
        else:
            lease.release()
            with self.pool.obj(PATIENT) as thing:
                self._use(thing)
        self.did["borrowed"] += 1

    def _use(self, thing: Thing) -> None:
        thing.users += 1
        if thing.users != 1:
            self.oracle.complain(f"thing {thing.serial} has {thing.users} users")
        try:
            if self.random.random() < 0.3:
                time.sleep(self.random.random() * 0.001)
            if self.random.random() < 0.002:
                time.sleep(0.04)  # long enough to be warned about and killed
        except Interrupted:
            self.oracle.complain("interrupted while it did not wait: a fault of this test")
            raise
        finally:
            thing.users -= 1


def _interrupt(seed: int, end: float) -> int:
    """Throw exceptions into waiting threads until the time is over."""
    chance = random.Random(seed)
    thrown = 0
    while time.monotonic() < end:
        time.sleep(0.002)
        with Interruptible.gate:
            if Interruptible.asleep:
                ident = chance.choice(sorted(Interruptible.asleep))
                thrown += ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(ident), ctypes.py_object(Interrupted)
                )
    return thrown


def _operate(pool: Pool[Thing], seed: int, end: float) -> Counter[str]:
    """Do what operators do, again and again, until the time is over."""
    chance = random.Random(seed)
    did: Counter[str] = Counter()
    while time.monotonic() < end:
        time.sleep(0.02)
        what = chance.choice(["drained", "cleared", "resized", "resized", "ready"])
        if time.monotonic() % PERIOD < CALM and chance.random() < 0.5:
            what = "cleared"  # when there is something idle
        did[what] += 1
        if what == "drained":
            pool.drain()
        elif what == "cleared":
            pool.clear()
        elif what == "resized":
            pool.resize(min_size=chance.randrange(3), max_size=chance.randrange(2, BOUND + 1))
        else:
            pool.wait_ready(PATIENT)
    pool.resize(min_size=2, max_size=BOUND)
    return did


def stress(seconds: float, seed: int, threads: int = THREADS) -> dict[str, int]:
    """Run, and give what was done; the seed chooses among some options, too.

    Raises:
        AssertionError: an object was lent twice, a bound exceeded, a wake-up lost, a thread died, or a number is
            wrong.
    """
    oracle = Oracle(BOUND, seed)
    # Every other pair of runs is without: an observer has all that comes back looked at closely.
    auditor = Auditor() if seed // 2 % 2 else None
    logging.getLogger("ppp").setLevel(logging.CRITICAL)
    faults = Faults(seed, seconds)
    environment = Environment(new_sleeper=_interruptible, wall_clock=faults.clock, start_thread=faults.starter)
    scheduler = Scheduler(environment, Timing(worker_idle=0.05))
    call_in_child(scheduler.after_fork)
    with using_scheduler(scheduler):
        pool = Pool(
            oracle.make,
            BOUND,
            2,
            PATIENT,
            name="stress",
            max_use=20,
            max_lifetime=0.03 if seed % 3 else 0.0,
            health_before_get=(None, 0.0, 0.005)[seed // 2 % 3],
            backoff=(0.001, 0.01),
            max_avail_delay=0.01,
            max_using_delay=0.02,
            max_using_delay_kill=0.03,
            hk_delay=None,
            opener=oracle.open,
            getter=oracle.get,
            retter=oracle.ret,
            closer=oracle.close,
            health=oracle.healthy,
            stats=lambda thing: thing.serial,
            hook_errors="discard" if seed % 2 else "log",
            observer=auditor,
        )
    end = time.monotonic() + seconds
    workers = [Worker(number, pool, oracle, seed, end) for number in range(threads)]
    operated: Counter[str] = Counter()

    def count_interruption(what: type[BaseException]) -> bool:
        if what is Interrupted:  # thrown into a finalizer, it is lost
            faults.did["interruptions lost in a finalizer"] += 1
        return what is Interrupted

    faulthandler.dump_traceback_later(seconds + 2 * PATIENT, exit=True)
    try:
        with deaths_noticed(oracle.complain, count_interruption):
            with hostile_interpreter():
                for worker in workers:
                    worker.start()
                operator = threading.Thread(
                    target=lambda: operated.update(_operate(pool, seed, end)), name=OPERATOR, daemon=True
                )
                operator.start()
                events = faults.of_threads(pool, oracle, Interruptible.gate)
                others = threading.Thread(target=faults.go_on, args=(events,), name="faults", daemon=True)
                others.start()
                with signalled(partial(borrow_at_once, pool), faults.did):
                    thrown = _interrupt(seed, end)
                others.join(2 * PATIENT)
                operator.join(2 * PATIENT)
                for worker in workers:
                    worker.join(2 * PATIENT)
            assert not oracle.wrong, oracle.wrong[:5]
            stuck = [worker.name for worker in workers if worker.is_alive()]
            assert not operator.is_alive(), f"the operator is stuck, {pool!r}"
            assert not others.is_alive(), f"the faults have not ended, {pool!r}"
            assert not stuck, f"stuck: {stuck}, {pool!r}"
            gc.collect()
            did = _balance(pool, oracle)
            if auditor is not None:
                audit(pool.stats(), oracle, auditor, auditor.failed_creations.count("HookError"))
                did["events"] = len(auditor.loans) * 2 + len(auditor.reasons) * 2
        assert not oracle.wrong, oracle.wrong[:5]
    finally:
        faulthandler.cancel_dump_traceback_later()
    for worker in workers:
        for what, times in worker.did.items():
            did[what] = max(did[what], times) if what.startswith("most") else did[what] + times
    did["interruptions thrown"] = thrown
    did.update(operated)
    did.update(faults.did)
    return dict(did)


def _eventually(pool: Pool[Thing], least: int) -> bool:
    """Whether the pool comes to rest."""
    until = time.monotonic() + PATIENT
    while time.monotonic() < until:
        if at_rest(pool.stats(), least):
            return True
        time.sleep(0.001)
    return False


def _balance(pool: Pool[Thing], oracle: Oracle) -> Counter[str]:
    """Compare the pool's books with the oracle's, at rest and after the end."""
    rests = _eventually(pool, 2)
    assert rests, f"never at rest: {pool}"
    check_at_rest(pool.stats(), oracle)
    pool.shutdown(PATIENT)
    return check_at_end(pool.stats(), oracle)
