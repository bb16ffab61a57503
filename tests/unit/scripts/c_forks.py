"""Forks in C: what is special about them.

The arguments are those of ``forks``; ``slow`` forks in C as well, on a system that wipes nothing.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections.abc import Callable

from ProxyPatternPool import Pool, PoolException, Scope, control, proxy
from ProxyPatternPool._runtime import process

from .forks import PATIENCE, Finalized, Thing, close, fork, fork_and_exit, kept, say, wait_for


def once(use: Callable[[Pool[Thing]], object]) -> None:
    """Whoever uses whatever of a pool in a child, what is to be done there is done once, and before."""
    pool = Pool(Thing, 5, 2, closer=close)
    done: list[int] = []
    process.call_in_child(lambda: done.append(len(pool._core.ledger.places)))

    def child() -> None:
        # Python's children have been told.
        assert len(done) == (sys.argv[2] == "python")
        for _ in range(3):
            use(pool)
            assert done == [0]

    fork(child)
    assert done == []
    os._exit(0)


def use_block(pool: Pool[Thing]) -> None:
    with pool.obj() as thing:
        assert thing.process == os.getpid()


def use_lease(pool: Pool[Thing]) -> None:
    with pool.lease() as thing:
        assert thing.process == os.getpid()


def use_get(pool: Pool[Thing]) -> None:
    thing = pool.get()
    assert thing.process == os.getpid()
    pool.ret(thing)


def use_stats(pool: Pool[Thing]) -> None:
    assert pool.stats()["nuses"] == 0


def use_owners(pool: Pool[Thing]) -> None:
    assert pool.owners() == []


def use_drain(pool: Pool[Thing]) -> None:
    pool.drain()


def use_other(pool: Pool[Thing]) -> None:
    Pool(Thing, min_size=0, name="a new one, made in the child")


def several_at_once() -> None:
    """Of several threads that use what there is at once, one starts anew, and the others wait until it has."""
    pool = Pool(Thing, 8, 2, closer=close)
    begun: list[int] = []

    def begin() -> None:
        begun.append(threading.get_ident())
        time.sleep(0.1)  # the others come

    process.call_in_child(begin)

    def child() -> None:
        got: list[Thing] = []
        gate = threading.Barrier(6)

        def job() -> None:
            gate.wait(PATIENCE)
            got.append(pool.get())

        threads = [threading.Thread(target=job) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert len(begun) == 1
        assert [thing.process for thing in got] == [os.getpid()] * 6
        assert len(set(got)) == 6

    fork(child)
    os._exit(0)


def interrupted() -> None:
    """Whatever is thrown into a thread that starts anew, the next does it, from the start."""
    pool = Pool(Thing, 8, 2, closer=close)
    mine = pool.get()
    begun: list[int] = []

    def begin() -> None:
        begun.append(len(pool._core.ledger.places))
        if len(begun) == 1:
            raise KeyboardInterrupt

    process.call_in_child(begin)

    def child() -> None:
        try:
            pool.get()
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError("not interrupted")
        assert pool.get().process == os.getpid() != mine.process
        assert begun == [0, 0]

    fork(child)
    os._exit(0)


def within() -> None:
    """A signal handler that uses a pool in the middle of it is told so, where it would wait for itself."""
    pool = Pool(Thing, 8, 2, closer=close)
    errors: list[str] = []

    def begin() -> None:
        try:
            pool.get()
        except PoolException as error:
            errors.append(str(error))

    process.call_in_child(begin)

    def child() -> None:
        assert pool.get().process == os.getpid()
        assert errors == ["called by a finalizer or signal handler while a forked process was starting anew"]

    fork(child)
    os._exit(0)


def proxies() -> None:
    """What owners keep is the parent's, until somebody uses anything of ours but a proxy that has its object."""
    for size in (2, None):
        db = proxy(fun=Thing, max_size=size, closer=close)
        everyones = proxy(fun=Thing, scope=Scope.SHARED)
        kept.extend([db, everyones])
        assert db.process == everyones.process == os.getpid()

        def child(db: Thing = db, everyones: Thing = everyones) -> None:
            assert not control(db).has()
            assert db.process == everyones.process == os.getpid()
            control(db).ret()

        fork(child)
        assert control(db).has()

        def second_child(db: Thing = db, everyones: Thing = everyones) -> None:
            assert control(everyones).get().process == control(db).get().process == os.getpid()

        fork(second_child)
    os._exit(0)


def dropped_unused() -> None:
    """Of a pool that a child drops without having used it nothing is freed there."""
    pools: list[Pool[Finalized]] = [Pool(Finalized, 5, 2)]
    lent = pools[0].get()
    if fork_and_exit():
        pools.clear()
        del lent
        gc.collect()
    else:
        os._exit(0)


def returned_by_ret() -> None:
    """What the parent had borrowed, and a child gives back, is not reset there, not closed, not lent, and not freed."""
    pool: Pool[Finalized] = Pool(Finalized, 2, 0, retter=lambda thing: say("returned"))
    thing = pool.get()
    if fork_and_exit():
        pool.ret(thing)
        del thing
        assert pool.get().process == os.getpid()
        pool.shutdown()
        gc.collect()
        os._exit(0)
    os._exit(0)


def returned_as_broken() -> None:
    """What the parent had borrowed, and a child discards, is not closed there, and not freed."""
    pool: Pool[Finalized] = Pool(Finalized, 2, 0, closer=lambda thing: say("closed"))
    thing = pool.get()
    if fork_and_exit():
        pool.discard(thing)
        del thing
        assert pool.stats()["nobjs"] == 0
        gc.collect()
        os._exit(0)
    os._exit(0)


def threads_in_the_child() -> None:
    """The child's scheduler is a thread of the child's."""
    expired = threading.Event()

    def close_and_tell(thing: Thing) -> None:
        say(f"closed {thing}")
        expired.set()

    pool = Pool(Thing, min_size=0, max_avail_delay=0.05, closer=close_and_tell)
    pool.ret(pool.get())
    wait_for(expired)  # so it is there
    expired.clear()

    def child() -> None:
        pool.ret(pool.get())
        wait_for(expired)

    fork(child)
    os._exit(0)


def cannot(process: process.Process) -> bool:
    return False


if __name__ == "__main__":
    case, who, *use = sys.argv[1:]
    if who == "slow":
        process.wipe_on_fork = cannot
    globals()[case](*(globals()[f"use_{name}"] for name in use))
