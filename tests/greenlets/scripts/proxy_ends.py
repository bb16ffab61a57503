"""Every end of a greenlet, and what else an owner is among greenlets."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import copy_context

from greenlet import greenlet

from ProxyPatternPool import Control, Proxy, Scope, TimeOut, control
from ProxyPatternPool._scope import greenlets
from ProxyPatternPool._scope.greenlets import link

from ..green_env import Native, Task, Ticker, Token, green, raised

OWN = Scope[sys.argv[1].upper()]


class Failure(Exception):
    """What a greenlet dies of."""


def nothing_used(controls: Control[Token]) -> Callable[[], bool]:
    pool = controls.pool
    assert pool is not None
    return lambda: pool.stats()["nusing"] == 0


def ends() -> None:
    """A greenlet returns, brings an error, or is killed, and is still referred to: its object comes back."""
    db = Proxy(fun=Token, scope=OWN, max_size=1)
    held: list[int] = []

    def finish() -> None:
        held.append(db.number)

    def fail() -> None:
        held.append(db.number)
        raise Failure

    def guarded() -> Failure:
        try:
            fail()
        except Failure as error:
            return error  # and with it the frames
        raise AssertionError

    def hang() -> None:
        held.append(db.number)
        green.sleep(20)

    tasks: list[Task] = []
    for die in (finish, guarded, hang):
        task = green.spawn(die)
        tasks.append(task)
        green.eventually(lambda: len(held) == len(tasks))
        if die is hang:
            assert not nothing_used(control(db))()
            task.kill()
        green.eventually(nothing_used(control(db)))
    assert held == [0, 0, 0], "one object for all, in turn"


def waited_for() -> None:
    """Whoever waits for the object of a greenlet that ends gets it."""
    db = Proxy(fun=Token, scope=OWN, max_size=1)
    go = False

    def hold() -> int:
        number: int = db.number
        green.eventually(lambda: go)
        return number

    holder = green.spawn(hold)
    green.eventually(lambda: not nothing_used(control(db))())
    waiter = green.spawn(lambda: db.number)
    pool = control(db).pool
    assert pool is not None
    green.eventually(lambda: pool.stats()["nwaiting"] == 1)
    ticker = Ticker(green)
    go = True
    assert (holder.join(), waiter.join()) == (0, 0)
    ticker.stop()


def waiting_stops_nobody() -> None:
    """One greenlet waits in vain through a proxy, and the hub runs on."""
    db = Proxy(fun=Token, scope=OWN, max_size=1, timeout=0.3)
    assert db.number == 0
    ticker = Ticker(green)
    task = green.spawn(lambda: raised(TimeOut, db._get_obj))
    assert "timeout after 0.3 seconds" in str(task.join())
    assert ticker.stop() > 2


def raw_greenlets() -> None:
    """Of greenlets that cannot be asked to tell, the end is seen when the object is wanted, or the greenlet dies."""
    db = Proxy(fun=Token, scope=OWN, max_size=1, timeout=5.0)
    first, second = greenlet(lambda: db.number), greenlet(lambda: db.number)
    assert first.switch() == 0
    assert first.dead
    assert not nothing_used(control(db))()
    assert second.switch() == 0
    del second
    green.eventually(nothing_used(control(db)))


def each_its_own() -> None:
    """Without a pool each greenlet has an object, made for it, and closed when it ends; `_ret_obj` does nothing."""
    closed: list[int] = []
    db = Proxy(fun=Token, scope=OWN, closer=lambda token: closed.append(token.number))
    assert db.number == 0

    def use() -> int:
        first: int = db.number
        db._ret_obj()
        green.sleep(0)
        assert db.number == first
        return first

    tasks = [green.spawn(use) for _ in range(5)]
    assert sorted(map(str, (task.join() for task in tasks))) == ["1", "2", "3", "4", "5"]
    green.eventually(lambda: sorted(closed) == [1, 2, 3, 4, 5])
    assert db.number == 0


def given_back_by_hand() -> None:
    """A greenlet that takes and gives back again and again is linked to once."""
    db = Proxy(fun=Token, scope=OWN, max_size=1)

    linked: list[object] = []

    def note(owner: object, end: Callable[..., object]) -> None:
        linked.append(owner)
        link(owner, end)

    def use() -> None:
        for _ in range(100):
            with db._obj():
                assert db._has_obj()
            assert not db._has_obj()

    greenlets.link = note
    try:
        green.spawn(use).join()
    finally:
        greenlets.link = link
    assert len(linked) == 1


def native_threads() -> None:
    """The main greenlet of a native thread is that thread: what it has comes back at its end, without a hub."""
    db = Proxy(fun=Token, scope=OWN, max_size=1, timeout=10.0)

    def use() -> None:
        assert db.number == 0
        assert greenlet(lambda: raised(TimeOut, db._get_obj, 0)).switch()  # another owner

    for _ in range(3):
        Native(use).join(green)
    green.eventually(nothing_used(control(db)))


def context_handed_on() -> None:
    """A greenlet that goes on with another's context has an object of its own, also when the other ends."""
    db = Proxy(fun=Token, scope=Scope.CONTEXT, max_size=2, timeout=5.0)
    context = copy_context()
    first = context.run(lambda: db.number)  # by the main greenlet, with which it stays

    def use() -> tuple[int, int]:
        number: int = context.run(lambda: db.number)
        green.sleep(0.01)
        return number, context.run(lambda: db.number)

    tasks = [green.spawn(use), green.spawn(lambda: 0)]
    number = tasks[0].join()
    assert number == (1 - first, 1 - first)
    pool = control(db).pool
    assert pool is not None
    green.eventually(lambda: pool.stats()["nusing"] == 1)
    assert context.run(lambda: db.number) == first


def inherited_by_nobody() -> None:
    """The scope is one per greenlet, and inherited by nobody."""
    db = Proxy(fun=Token, scope=OWN)
    outer: int = db.number
    inner: list[int] = []

    def use() -> None:
        inner.append(db.number)
        green.spawn(lambda: inner.append(db.number)).join()
        inner.append(db.number)

    green.spawn(use).join()
    assert inner[0] == inner[2]
    assert len({outer, *inner}) == 3
    assert db.number == outer


def run() -> None:
    checks = (ends, waited_for, waiting_stops_nobody, raw_greenlets, each_its_own, given_back_by_hand, native_threads)
    for check in (*checks, context_handed_on, inherited_by_nobody):
        check()
        print(check.__name__)
