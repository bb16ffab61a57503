"""Ends of the interpreter. What is closed is printed; the test reads it."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable

from ProxyPatternPool import Lease, Pool, PoolClosed
from ProxyPatternPool._runtime import native
from ProxyPatternPool._runtime.environment import Environment
from ProxyPatternPool._runtime.threads import at_exit
from ProxyPatternPool._scheduler.process import current_scheduler, using_scheduler
from ProxyPatternPool._scheduler.scheduler import Scheduler

PATIENCE = 20.0

logging.basicConfig()  # with a handler on stderr, where nothing may be said
kept: list[object] = []  # as modules keep what they have
using = contextlib.ExitStack()


class Thing:
    def __init__(self, number: int) -> None:
        self.number = number

    def __repr__(self) -> str:
        return f"thing {self.number}"


def close(thing: object) -> None:
    os.write(1, f"closed {thing}\n".encode())


def daemon(job: Callable[[], object]) -> None:
    threading.Thread(target=job, daemon=True).start()


def wait_for(event: threading.Event) -> None:
    assert event.wait(PATIENCE)


def start_threads_by(start: Callable[[Callable[[], None]], bool]) -> None:
    """Have a scheduler whose threads are started like this, and which ends with the interpreter."""
    scheduler = Scheduler(Environment(start_thread=start))
    at_exit(scheduler.exit)
    using.enter_context(using_scheduler(scheduler))


def get_in_vain(pool: Pool[Thing]) -> None:
    with contextlib.suppress(PoolClosed):
        pool.get()


def idle_and_lent() -> None:
    """Idle objects, one lent by get, one by a lease, one in a block of a daemon thread."""
    pool = Pool(Thing, min_size=5, closer=close)
    held = threading.Event()

    def hold() -> None:
        with pool.obj():
            held.set()
            time.sleep(3600)

    daemon(hold)
    wait_for(held)
    kept.extend([pool, pool.get(), pool.lease()])


def several_pools() -> None:
    """Every pool is closed, those too that are not referred to by anyone but their objects' borrowers."""
    kept.extend(Pool(Thing, closer=close) for _ in range(3))
    logging.getLogger("ppp").setLevel(logging.ERROR)  # not the warning that the last one is dropped while it has lent
    pool = Pool(lambda number: Thing(number + 10), closer=close)
    kept.append(pool.lease())


def closed_before() -> None:
    """What was closed is closed once."""
    pool = Pool(Thing, closer=close)
    pool.shutdown()
    kept.append(pool)


def hanging_closer() -> None:
    """A closer that hangs holds up neither the exit nor the other objects."""

    def hang(thing: Thing) -> None:
        if thing.number == 2:
            time.sleep(3600)
        close(thing)

    kept.append(Pool(Thing, min_size=4, closer=hang))
    kept.append(Pool(lambda number: Thing(number + 10), closer=close))


def two_hanging_closers() -> None:
    """Two closers that hang keep no other object open either, in a process that had nothing to do but to make them."""

    def hang(thing: Thing) -> None:
        if thing.number in (0, 1):
            time.sleep(3600)
        close(thing)

    kept.append(Pool(Thing, min_size=8, closer=hang))


def failing_closer() -> None:
    """What goes wrong now is no longer told to anybody."""

    def fail(thing: Thing) -> None:
        close(thing)
        raise ConnectionError

    kept.append(Pool(Thing, min_size=2, closer=fail))


def interrupted_closer() -> None:
    """A closer that ends its thread leaves the others to be called."""

    def end(thing: Thing) -> None:
        close(thing)
        raise SystemExit(3)

    kept.append(Pool(Thing, min_size=8, closer=end))


def returned_late() -> None:
    """A daemon thread that gives back what was closed under it hears nothing."""
    pool = Pool(Thing, closer=close)
    held, closing, returned = threading.Event(), threading.Event(), threading.Event()

    def hold() -> None:
        thing = pool.get()
        held.set()
        wait_for(closing)
        pool.ret(thing)
        returned.set()

    def slow_close(thing: object) -> None:
        closing.set()
        wait_for(returned)
        close(thing)

    daemon(hold)
    wait_for(held)
    kept.append(Pool(lambda number: Thing(number + 10), closer=slow_close))


def waiting() -> None:
    """Daemon threads that wait for objects, and one that sleeps on after PoolClosed, do not hold up the exit."""
    pool = Pool(Thing, 1, closer=close)
    kept.append(pool.get())
    for _ in range(3):
        daemon(lambda: get_in_vain(pool))
    while pool.stats()["nwaiting"] < 3:
        time.sleep(0.001)


def under_check() -> None:
    """An object that is being checked is closed after its check."""
    begun = threading.Event()

    def health(thing: Thing) -> bool:
        begun.set()
        time.sleep(0.3)
        return True

    kept.append(Pool(Thing, health=health, hk_delay=0.02, closer=close))
    wait_for(begun)


def being_created() -> None:
    """An object that is being created is closed after its creation."""
    begun = threading.Event()

    def make(number: int) -> Thing:
        begun.set()
        time.sleep(0.3)
        return Thing(number)

    pool = Pool(make, min_size=0, closer=close)
    daemon(lambda: get_in_vain(pool))
    wait_for(begun)


def being_returned() -> None:
    """An object in its retter is closed after it."""
    begun = threading.Event()

    def reset(thing: Thing) -> None:
        begun.set()
        time.sleep(0.3)

    pool = Pool(Thing, retter=reset, closer=close)
    daemon(lambda: pool.ret(pool.get()))
    wait_for(begun)
    kept.append(pool)


def being_closed() -> None:
    """A closer that is under way comes to its end."""
    begun = threading.Event()

    def slow_close(thing: Thing) -> None:
        begun.set()
        time.sleep(0.3)
        close(thing)

    pool = Pool(Thing, min_size=0, max_avail_delay=0.01, closer=slow_close)
    pool.ret(pool.get())
    wait_for(begun)
    kept.append(pool)


def dropped_pool() -> None:
    """Objects of a pool that was dropped just before the end are closed."""
    Pool(Thing, min_size=3, closer=close)


def lent_by_a_dropped_pool() -> None:
    """An object lent by a pool that was dropped is closed, like everything else."""
    told = threading.Event()
    handler = logging.Handler()
    handler.emit = lambda record: told.set()  # type: ignore[method-assign]
    logger = logging.getLogger("ppp")
    logger.addHandler(handler)
    logger.propagate = False
    pool = Pool(Thing, min_size=2, closer=close)
    kept.append(pool.get())
    del pool
    wait_for(told)  # that it was dropped with something lent
    time.sleep(0.05)
    logger.propagate = True


def dropped_lease() -> None:
    """An object whose lease was dropped just before the end is closed, once."""
    pool = Pool(Thing, closer=close)
    kept.append(pool)
    pool.lease()


def without_closer() -> None:
    """Where there is no closer the exit has nothing to wait for; objects are freed as always."""

    class Freed(Thing):
        def __del__(self, write: Callable[[int, bytes], int] = os.write) -> None:
            write(1, f"closed {self}\n".encode())  # this module may be empty by then

    # Both are created here: without a GIL the interpreter's end need not free what other threads have created.
    pool = Pool(Freed, min_size=0, max_avail_delay=60)
    kept.extend([pool, pool.get(), pool.lease()])


def without_pools() -> None:
    """The exit of a process that has imported the package and has no pool."""


def many() -> None:
    """The closers of many objects are called side by side with the end of the script's own thread."""
    kept.append(Pool(Thing, min_size=200, closer=lambda thing: close("one")))


def lease_in_a_global() -> None:
    """A lease that the interpreter drops at its very end does no harm."""
    pool = Pool(Thing, closer=close)
    lease: Lease[Thing] = pool.lease()
    kept.append(lease)
    kept.append(pool)


def no_more_threads() -> None:
    """Where no thread can be started any more, and none was needed before, the exit closes by itself."""

    def refuse(run: Callable[[], None]) -> bool:
        return False

    start_threads_by(refuse)
    logging.getLogger("ppp").setLevel(logging.ERROR)  # that there is none is a warning
    kept.append(Pool(Thing, min_size=2, closer=close))


def threads_at_the_exit_alone() -> None:
    """Where no thread could be started before, the exit has one for the closers; one that hangs holds up that alone."""

    def refuse(run: Callable[[], None]) -> bool:
        return current_scheduler().ending and native.start_thread(run)

    def hang(thing: Thing) -> None:
        if thing.number == 0:  # the last to be closed
            time.sleep(3600)
        close(thing)

    start_threads_by(refuse)
    kept.append(Pool(Thing, min_size=3, closer=hang))


def slow_starts() -> None:
    """Threads to which the system gives no turn before the exit begins: the exit waits for their first step."""

    def start_late(run: Callable[[], None]) -> bool:
        if current_scheduler().ending:
            return False  # as 3.12 does

        def turn() -> None:
            while not current_scheduler().ending:
                time.sleep(0.001)
            time.sleep(0.05)  # as long as the end of the interpreter itself takes, and more
            os.write(1, b"began\n")
            run()

        return native.start_thread(turn)

    start_threads_by(start_late)
    kept.append(Pool(Thing, min_size=1))


def after_the_exit() -> None:
    """What is asked of a pool after all was closed: it is closed."""
    pool = Pool(Thing, closer=close)

    def ask() -> None:
        try:
            pool.get()
        except Exception as error:
            os.write(1, f"{type(error).__name__}\n".encode())

    atexit.unregister(current_scheduler().exit)
    atexit.register(ask)
    atexit.register(current_scheduler().exit)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
