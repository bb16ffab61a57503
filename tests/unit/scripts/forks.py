"""Forks. What is closed is printed with the name of the process; the test reads it.

The first argument is a case. The second says who forks: ``python``, or ``c``, of which Python's hooks hear nothing.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import select
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from typing import cast

from ProxyPatternPool import DiscardReason, Pool, PoolClosed, PoolObserver, TimeOut
from ProxyPatternPool._scheduler.process import current_scheduler

from .at_rest import come_to_rest

PATIENCE = 20.0
PARENT = os.getpid()

# From 3.12 on a fork among threads is warned about. Here it is what is to be tested.
warnings.filterwarnings("ignore", "This process", DeprecationWarning)
kept: list[object] = []  # as modules keep what they have


def say(line: str) -> None:
    who = "parent" if os.getpid() == PARENT else "child"
    os.write(1, f"{who}: {line}\n".encode())


class Thing:
    """An object that knows whose it is."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.process = os.getpid()

    def __repr__(self) -> str:
        return f"{'parent' if self.process == PARENT else 'child'}'s thing {self.number}"


def close(thing: Thing) -> None:
    say(f"closed {thing}")


def fork_process() -> int:
    """Fork as the command line says; what C returns is 0 in the child as well."""
    if sys.argv[2] == "python":
        return os.fork()
    come_to_rest()
    return int(ctypes.PyDLL(None).fork())


def wait_for(event: threading.Event) -> None:
    assert event.wait(PATIENCE)


def fork(job: Callable[[], object]) -> None:
    """Do something in a child, which must come to an end; it leaves by the back door, where nothing is closed."""
    result, to_result = os.pipe()
    child = fork_process()
    if child == 0:
        try:
            job()
            os.write(to_result, b"fine")
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(0)
    os.close(to_result)
    readable, _, _ = select.select([result], [], [], PATIENCE)
    if not readable:
        os.kill(child, signal.SIGKILL)
    answer = os.read(result, 4) if readable else b"hang"
    os.waitpid(child, 0)
    os.close(result)
    assert answer == b"fine", answer


def fork_and_exit() -> bool:
    """Fork, and say whether this is the child, which will end as processes do; the parent waits for that."""
    child = fork_process()
    if child:
        _, status = os.waitpid(child, 0)
        assert status == 0, status
    return child == 0


def starts_empty() -> None:
    """A child's pool has nothing in it and has done nothing; the parent's goes on."""
    pool = Pool(Thing, 5, 3, closer=close, health=lambda thing: True, retter=lambda thing: None)
    mine = pool.get()
    pool.housekeep()
    before = pool.stats()

    def child() -> None:
        stats = pool.stats()
        for key in ("nobjs", "navail", "nusing", "nuses", "ncreated", "nborrows", "nreturns", "nhealth", "hk_rounds"):
            assert stats[key] == 0, (key, stats)
        assert stats["sem"] == {"value": 5, "init": 5}
        assert stats["name"] == before["name"]
        things = [pool.get(PATIENCE) for _ in range(5)]  # maintenance may be creating one of them
        assert [thing.process for thing in things] == [os.getpid()] * 5
        try:
            pool.get(0)
        except TimeOut:
            pass
        else:
            raise AssertionError("more than the bound")

    fork(child)
    after = pool.stats()
    assert after["nobjs"] == before["nobjs"] == 3
    assert [pool.get(PATIENCE).process for _ in range(4)] == [PARENT] * 4
    pool.ret(mine)
    say("fine")
    os._exit(0)


def filled_again() -> None:
    """As soon as a child uses its pool it is filled up to min_size, with the child's own objects."""
    pool = Pool(Thing, 5, 3, closer=close)

    def child() -> None:
        assert pool.get().process == os.getpid()
        deadline = time.monotonic() + PATIENCE
        while pool.stats()["nobjs"] < 3:
            assert time.monotonic() < deadline
            time.sleep(0.001)

    fork(child)
    os._exit(0)


def closes_its_own() -> None:
    """A child that shuts its pool down closes what it has created, and nothing else."""
    pool = Pool(Thing, 5, 2, closer=close)
    kept.append(pool.get())

    def child() -> None:
        pool.ret(pool.get())
        pool.shutdown()

    fork(child)
    assert len(pool.stats()["avail"]) == 1
    say("fine")
    os._exit(0)


def exits() -> None:
    """A child that ends as processes do closes what it has created; then the parent closes what is its."""
    pool = Pool(Thing, 5, 2, closer=close)
    kept.extend([pool, pool.get(), pool.lease()])
    if fork_and_exit():
        kept.append(pool.get())
        gc.collect()


def exits_unused() -> None:
    """A child that has not used the pool closes nothing at its end."""
    pool = Pool(Thing, 5, 2, closer=close, max_avail_delay=60)
    kept.extend([pool, pool.get(), pool.lease()])
    fork_and_exit()


class Finalized(Thing):
    """An object that speaks to its server when it is freed, even at the very end, when modules are empty."""

    def __del__(self, write: Callable[[int, bytes], int] = os.write) -> None:
        write(1, b"freed")


def finalizers() -> None:
    """Objects of the parent's are not even freed in a child, by whatever it does, or by its end."""
    pool: Pool[Finalized] = Pool(Finalized, 5, 2)
    waiting_to_be_closed: Pool[Finalized] = Pool(Finalized, min_size=0, max_avail_delay=3600)
    waiting_to_be_closed.ret(waiting_to_be_closed.get())
    waiting_to_be_closed._core.chores.anywhere.append(lambda: None)
    lease = pool.lease()
    if fork_and_exit():
        lease.release()
        pool.shutdown()
        del pool, lease, waiting_to_be_closed
        gc.collect()
    else:
        os._exit(0)


def finalizers_of_what_is_being_closed() -> None:
    """An object that a worker is about to close when the process forks is not freed in the child either."""
    begun, go_on = threading.Event(), threading.Event()

    def wait_and_close(thing: Thing) -> None:
        begun.set()
        wait_for(go_on)

    pool: Pool[Finalized] = Pool(Finalized, min_size=0, closer=wait_and_close)  # no rounds: threads come to rest
    for thing in [pool.get(), pool.get(), pool.get()]:
        pool.ret(thing)
    del thing
    threading.Thread(target=pool.clear, daemon=True).start()  # closes one, and leaves the others to workers
    wait_for(begun)
    if fork_and_exit():
        pool.shutdown()
        gc.collect()
    else:
        os._exit(0)


def without_ctypes() -> None:
    """An interpreter without ctypes keeps the parent's objects until its end, and everything else works."""
    cast("dict[str, object]", sys.modules)["ctypes"] = None
    pool = Pool(Thing, 5, 2, closer=close)

    def child() -> None:
        pool.ret(pool.get())
        pool.shutdown()

    fork(child)
    os._exit(0)


def lease_over_a_fork() -> None:
    """A loan of the parent's ends in the parent: whatever the child does with it does nothing."""
    logging.basicConfig()
    pool = Pool(Thing, 3, 0, closer=close, retter=lambda thing: say("returned"))
    lease, other, block = pool.lease(), pool.lease(), pool.obj()
    block.__enter__()

    def child() -> None:
        assert lease.obj.process == PARENT
        lease.release()
        other.discard()
        block.__exit__(None, None, None)
        assert pool.stats()["nobjs"] == 0

    fork(child)
    assert pool.stats()["nusing"] == 3
    lease.release()
    other.discard()
    block.__exit__(None, None, None)
    pool.shutdown()


def lease_dropped_in_the_child() -> None:
    """A lease of the parent's that is dropped in a child gives nothing back, there or here."""
    logging.basicConfig()
    pool = Pool(Thing, 1, closer=close)
    leases = [pool.lease()]

    def child() -> None:
        leases.clear()
        gc.collect()
        assert pool.stats()["nobjs"] == 0
        assert pool.get().process == os.getpid()

    fork(child)
    assert pool.stats()["nusing"] == 1
    os._exit(0)


def returned_in_the_child() -> None:
    """What the parent had borrowed cannot be given back in a child: it is not lent there."""
    logging.getLogger("ppp").setLevel(logging.CRITICAL)
    pool = Pool(Thing, 2, closer=close, retter=lambda thing: say("returned"))
    thing = pool.get()

    def child() -> None:
        pool.ret(thing)
        pool.discard(thing)
        assert pool.stats()["nobjs"] == 0

    fork(child)
    pool.shutdown()
    pool.ret(thing)


class Witness(PoolObserver[Thing]):
    """Says what it is told of things."""

    def created(self, pool: str, obj: Thing, took: float, /) -> None:
        say(f"created {obj}")

    def lent(self, pool: str, obj: Thing, waited: float, /) -> None:
        say(f"lent {obj}")

    def returned(self, pool: str, obj: Thing, used: float, /) -> None:
        say(f"returned {obj}")

    def discarded(self, pool: str, obj: Thing, reason: DiscardReason, /) -> None:
        say(f"{reason} {obj}")


def observed() -> None:
    """An observer is told in each process of what is that process's."""
    logging.getLogger("ppp").setLevel(logging.CRITICAL)
    pool = Pool(Thing, 2, 0, observer=Witness())
    thing, lease = pool.get(), pool.lease()

    def child() -> None:
        nonlocal lease
        pool.ret(thing)
        lease.discard()
        del lease
        with pool.obj():
            pass
        pool.shutdown()
        assert pool.stats()["observer_errors"] == 0

    fork(child)
    pool.discard(thing)
    lease.release()
    pool.shutdown()


def lock_held() -> None:
    """Whatever lock another thread held in the moment of the fork, the child does not wait for it."""
    pool = Pool(Thing, 2, closer=close, opener=lambda thing: 1 / 0, name="books")
    logging.getLogger("ppp").setLevel(logging.CRITICAL)
    locks = [pool._core.guard.lock, pool._core.tally._lock, current_scheduler()._lock]
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with locks[0], locks[1], locks[2]:
            held.set()
            wait_for(go_on)

    holding = threading.Thread(target=hold)
    holding.start()
    wait_for(held)

    def child() -> None:
        with pool.obj() as thing:
            assert thing.process == os.getpid()
        assert pool.stats()["hook_errors"] in {1, 2}, "maintenance may have created one before this thread did"
        pool.shutdown()

    fork(child)
    go_on.set()
    holding.join()
    assert pool.stats()["nobjs"] == 1
    os._exit(0)


def closed_before() -> None:
    """A closed pool stays closed."""
    pool = Pool(Thing, closer=close)
    pool.shutdown()

    def child() -> None:
        try:
            pool.get()
        except PoolClosed:
            say("refused")
        assert pool.stats()["shutdown"]

    fork(child)


def waiter_in_the_parent() -> None:
    """Who waits in the parent does not wait in the child, and is served in the parent."""
    pool = Pool(Thing, 1, closer=close)
    mine = pool.get()
    served: list[Thing] = []
    waiting = threading.Thread(target=lambda: served.append(pool.get()))
    waiting.start()
    while not pool.stats()["nwaiting"]:
        time.sleep(0.001)

    def child() -> None:
        assert pool.stats()["nwaiting"] == 0
        assert pool.get(PATIENCE).process == os.getpid()  # maintenance may be creating it

    fork(child)
    pool.ret(mine)
    waiting.join(PATIENCE)
    assert served == [mine]
    os._exit(0)


def maintenance() -> None:
    """A child has maintenance of its own, as soon as there is something to keep."""
    pool = Pool(Thing, min_size=0, max_avail_delay=0.05, closer=close)
    pool.ret(pool.get())

    def child() -> None:
        pool.ret(pool.get())
        deadline = time.monotonic() + PATIENCE
        while pool.stats()["nobjs"]:
            assert time.monotonic() < deadline
            time.sleep(0.001)

    fork(child)
    os._exit(0)


def grandchild() -> None:
    """A child's child has nothing of the child's."""
    pool = Pool(Thing, 5, 2, closer=close)

    def child() -> None:
        mine = pool.get()
        process = os.getpid()

        def child_of_child() -> None:
            assert pool.stats()["nobjs"] == 0
            assert pool.get().process == os.getpid() != process

        fork(child_of_child)
        pool.ret(mine)
        pool.shutdown()

    fork(child)
    os._exit(0)


def from_a_thread() -> None:
    """A child may be forked by any thread, in the middle of its loan."""
    pool = Pool(Thing, 2, closer=close)

    def job() -> None:
        with pool.obj() as thing:
            fork(lambda: say(f"{pool.stats()['nobjs']} {thing}"))

    thread = threading.Thread(target=job)
    thread.start()
    thread.join(PATIENCE)
    assert pool.stats()["navail"] == 1
    os._exit(0)


def dropped_in_the_child() -> None:
    """A pool dropped in a child closes what the child has created."""
    done = threading.Event()

    def close_and_tell(thing: Thing) -> None:
        close(thing)
        done.set()

    pools = [Pool(Thing, 5, 2, closer=close_and_tell)]

    def child() -> None:
        pools[0].ret(pools[0].get())
        pools.clear()
        wait_for(done)

    fork(child)
    os._exit(0)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
