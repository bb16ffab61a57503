"""Ends of the interpreter, and forks, with proxies in use. What is closed is printed; the test reads it."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextvars import copy_context

from ProxyPatternPool import Kept, Proxy, Scope

PATIENCE = 20.0
PARENT = os.getpid()

# From 3.12 on a fork among threads is warned about. Here it is what is to be tested.
warnings.filterwarnings("ignore", "This process", DeprecationWarning)
logging.basicConfig()  # with a handler on stderr, where nothing may be said
kept: list[object] = []  # as modules keep what they have


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def process() -> str:
    return "parent" if os.getpid() == PARENT else "child"


class Thing:
    """An object that knows whose it is."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.process = process()


def close(thing: Thing) -> None:
    say(f"closed {thing.number}")


def hold(db: Proxy[Thing], count: int) -> None:
    """Have daemon threads use a proxy, and hang."""
    for number in range(count):
        held = threading.Event()

        def use(held: threading.Event = held) -> None:
            assert db.number >= 0
            held.set()
            time.sleep(3600)

        threading.Thread(target=use, daemon=True, name=f"holder {number}").start()
        assert held.wait(PATIENCE)


def exit_threads() -> None:
    """Three daemon threads and the main thread have one each, from a pool."""
    db = Proxy(fun=Thing, max_size=5, closer=close)
    assert db.number == 0
    hold(db, 3)
    kept.append(db)


def exit_threads_without_pool() -> None:
    """The same, each with an object of its own."""
    db = Proxy(fun=Thing, closer=close)
    assert db.number == 0
    hold(db, 3)
    kept.append(db)


def exit_shared() -> None:
    """One object for all, made by a function."""
    db = Proxy(fun=Thing, scope=Scope.SHARED, closer=close)
    hold(db, 2)
    kept.append(db)


def exit_context() -> None:
    """A context that a module keeps."""
    db = Proxy(fun=Thing, scope=Scope.CONTEXT, closer=close)
    context = copy_context()
    context.run(db._get_obj)
    kept.extend([db, context])


def exit_loop() -> None:
    """A loop that is never closed, in a daemon thread, with a task that hangs."""
    db = Proxy(fun=Thing, scope=Scope.CONTEXT, max_size=1, closer=close)
    held = threading.Event()

    async def use() -> None:
        assert db.number == 0
        held.set()
        await asyncio.sleep(3600)

    threading.Thread(target=lambda: asyncio.run(use()), daemon=True).start()
    assert held.wait(PATIENCE)
    kept.append(db)


def exit_without_closer() -> None:
    """Threads with objects that need no closing."""
    db = Proxy(fun=Thing, max_size=3)
    hold(db, 2)
    kept.append(db)


# --- forks


def close_here(thing: Thing) -> None:
    say(f"{process()}: closed {thing.process}'s {thing.number}")


def use(db: Proxy[Thing]) -> None:
    say(f"{process()}: uses {db.process}'s {db.number}")


def fork(in_child: Callable[[], object]) -> None:
    """Do something in a child, which ends as processes do."""
    child = os.fork()
    if child == 0:
        in_child()
        sys.exit()
    _, status = os.waitpid(child, 0)
    assert status == 0, status


def around_a_fork(db: Proxy[Thing], in_child: Callable[[], object] | None = None) -> None:
    """Use a proxy before, within and after."""
    kept.append(db)
    use(db)

    def child() -> None:
        use(db)
        if in_child is not None:
            in_child()

    fork(child)
    use(db)


def fork_pool() -> None:
    """With a pool, of one object: in the child it is free."""
    around_a_fork(Proxy(fun=Thing, max_size=1, timeout=0, closer=close_here))


def fork_each() -> None:
    """Without a pool."""
    around_a_fork(Proxy(fun=Thing, closer=close_here))


def fork_by_hand() -> None:
    """With a pool whose objects do not come back by themselves."""
    around_a_fork(Proxy(fun=Thing, max_size=1, timeout=0, auto_return=False, closer=close_here))


def fork_context() -> None:
    """In a context, which is the child's as well."""
    around_a_fork(Proxy(fun=Thing, scope=Scope.CONTEXT, max_size=1, timeout=0, closer=close_here))


def fork_shared() -> None:
    """One object for all, made by a function, and one that was given."""
    given = Proxy(Thing(7))
    made = Proxy(fun=Thing, scope=Scope.SHARED, closer=close_here)
    around_a_fork(made, lambda: say(f"{process()}: given {given.process}'s {given.number}"))


def fork_threads() -> None:
    """Another thread has an object as well."""
    db = Proxy(fun=Thing, max_size=2, timeout=0, closer=close_here)
    around = threading.Event()
    assert db.number == 0
    hold(db, 1)
    around.set()
    around_a_fork(db)


def fork_finalizers() -> None:
    """The objects have finalizers, and no closer."""

    class Freed(Thing):
        def __del__(self) -> None:
            say(f"{process()}: freed {self.process}'s {self.number}")

    dbs: list[Proxy[Freed]] = [Proxy(fun=Freed, max_size=1, timeout=0)]
    assert dbs[0].number == 0

    def child() -> None:
        assert dbs[0].process == "child"
        dbs.clear()
        gc.collect()

    fork(child)
    pool = dbs[0]._pool
    assert pool is not None
    dbs[0]._ret_obj()
    pool.shutdown()
    gc.collect()


class Slow:
    """A strategy in which a thread stays, with whatever a slot holds meanwhile."""

    def __init__(self) -> None:
        self.kept: dict[int, Kept[Thing]] = {}
        self.inside, self.leave = threading.Event(), threading.Event()

    def get(self) -> Kept[Thing] | None:
        return self.kept.get(threading.get_ident())

    def set(self, kept: Kept[Thing], /) -> None:
        if threading.current_thread() is not threading.main_thread():
            self.inside.set()
            assert self.leave.wait(PATIENCE)
        self.kept[threading.get_ident()] = kept

    def delete(self) -> None:
        self.kept.pop(threading.get_ident(), None)


def strategy_forked() -> None:
    """Another thread is in the strategy when the process forks."""
    strategy = Slow()
    db = Proxy(fun=Thing, scope=strategy)
    other = threading.Thread(target=db._get_obj)
    other.start()
    assert strategy.inside.wait(PATIENCE)
    fork(lambda: say(f"{db.process}'s own"))
    strategy.leave.set()
    other.join()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
