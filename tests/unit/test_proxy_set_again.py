"""A proxy that is set again: nobody is left with what it had before."""

from __future__ import annotations

import gc
import operator
import threading
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import Mock

import pytest

from ProxyPatternPool import (
    Pool,
    PoolClosed,
    Proxy,
    ProxyException,
    Scope,
    TimeOut,
    control,
    proxy,
)

from .clock import FakeScheduler, HandMovedClock
from .helpers import Caller, Thing, Works, eventually, said, wait_for


def test_set_again_with_a_pool(scheduler: FakeScheduler) -> None:
    """The old pool is shut down; its lent objects close when they come back, each owner's at its next use."""
    old, new = Works(), Works()

    def close(thing: Thing) -> None:
        (old if thing in old.made else new).close(thing)

    db = Proxy(fun=old.make, max_size=3, min_size=2, closer=close)
    pool = db._pool
    assert pool is not None
    used, go_on, used_again, end = (threading.Event() for _ in range(4))
    things: list[Thing] = []

    def use() -> None:
        things.append(db._get_obj())
        used.set()
        wait_for(go_on)
        things.append(db._get_obj())
        used_again.set()
        wait_for(end)

    mine = db._get_obj()
    user = Caller(use)
    wait_for(used)
    assert db.set_fun(new.make) is db
    assert pool.stats()["shutdown"]
    assert db._pool is not pool
    assert old.closed == [mine], "the caller's at once, and not what another has in hand"
    go_on.set()
    wait_for(used_again)
    assert old.alive == []
    assert things[0] in old.made
    assert things[1] in new.made
    assert db._get_obj() in new.made
    end.set()
    user.result()
    scheduler.run()
    assert new.closed == []


@pytest.mark.parametrize("max_size", [None, 2])
def test_nobody_is_left_with_a_stale_object(scheduler: FakeScheduler, max_size: int | None) -> None:
    """From function to object to function: whatever kind of source, owners have the last that was set."""
    closed: list[Thing] = []
    db: Any = Proxy(fun=Thing, max_size=max_size, closer=closed.append)
    go = [threading.Event() for _ in range(4)]
    done = [threading.Event() for _ in range(4)]
    seen: list[object] = []

    def use() -> None:
        for start, end in zip(go, done, strict=True):
            wait_for(start)
            seen.append(db._get_obj())
            assert db._has_obj()
            end.set()

    user = Caller(use)
    sources: list[Callable[[], object]] = [
        lambda: None,
        lambda: db.set_obj("shared"),
        lambda: db.set_obj("other"),
        lambda: db.set_fun("made {}".format),
    ]
    mine: list[object] = []
    for step, (set_source, start, end) in enumerate(zip(sources, go, done, strict=True)):
        set_source()
        mine.append(db._get_obj())
        start.set()
        wait_for(end)
        assert control(db).scope is (Scope.SHARED if step in (1, 2) else Scope.THREAD)
    user.result()
    assert isinstance(seen[0], Thing)
    assert isinstance(mine[0], Thing)
    assert seen[1:] == ["shared", "other", "made 1"]
    assert mine[1:] == ["shared", "other", "made 0"]
    scheduler.run()
    made = [thing for thing in (*mine, *seen) if isinstance(thing, Thing)]
    assert all(thing in closed for thing in made)


def test_set_while_somebody_waits(scheduler: FakeScheduler) -> None:
    """Whoever waits for an object of the old pool gets one of the new."""
    db = Proxy(fun=lambda number: "old", max_size=1)
    pool = db._pool
    assert pool is not None
    assert db == "old"
    waiting = Caller(db._get_obj)
    eventually(lambda: pool.stats()["nwaiting"] == 1)
    control(db).set_fun(lambda number: "new")
    assert waiting.result() == "new"


def test_set_while_an_object_is_made(scheduler: FakeScheduler) -> None:
    """An object that was being made when the source was replaced is not kept: its maker gets one of the new."""
    begun, go_on = threading.Event(), threading.Event()
    closed: list[str] = []

    def make(number: int) -> str:
        begun.set()
        wait_for(go_on)
        return "old"

    db = Proxy(fun=make, closer=closed.append)
    user = Caller(lambda: (db._get_obj(), db._has_obj(), str(db)))
    wait_for(begun)
    control(db).set_fun(lambda number: "new")
    go_on.set()
    assert user.result() == ("new", True, "new")
    scheduler.run()
    assert "old" in closed


def test_set_by_the_getter(scheduler: FakeScheduler) -> None:
    """A source replaced at the last moment, by a hook of its own, is not used any more."""
    closed: list[Thing] = []

    def replace(thing: Thing) -> None:
        if thing.number < 10:
            control(db).set_fun(lambda number: Thing(number + 10))

    db = Proxy(fun=Thing, max_size=2, getter=replace, closer=closed.append)
    assert db.number == 10
    scheduler.run()
    assert [thing.number for thing in closed] == [0]


def test_what_takes_no_object_takes_none_after_it_was_set_again(scheduler: FakeScheduler) -> None:
    """A comparison with `None` needs no object: an owner of one that was replaced is given no other for it."""
    works = Works()
    db = proxy(fun=Thing, max_size=1, min_size=0)
    begun, replaced = threading.Event(), threading.Event()

    def compare() -> bool:
        assert db.number == 0
        begun.set()
        wait_for(replaced)
        return bool(operator.eq(db, None))

    owner = Caller(compare)
    wait_for(begun)
    control(db).set_fun(works.make)
    replaced.set()
    assert not owner.result()
    assert works.made == []


def test_set_by_a_closer_of_what_it_had(scheduler: FakeScheduler) -> None:
    """A content replaced while the one before it is being retired: the last that was set is used, and all others go."""
    closed: list[Thing] = []

    def close(thing: Thing) -> None:
        closed.append(thing)
        if len(closed) == 1:
            control(db).set_obj(Thing(100))

    db = proxy(fun=Thing, max_size=1, closer=close)
    assert db.number == 0
    pool = control(db).pool
    control(db).ret()
    control(db).set_fun(lambda number: Thing(number + 10))
    assert db.number == 100
    assert closed[0].number == 0
    assert pool is not None
    assert pool.stats()["shutdown"]


def test_set_by_a_retter(scheduler: FakeScheduler) -> None:
    """A content replaced while the caller's object goes back: the last that was set is used, here, too."""

    def replace(thing: Thing) -> None:
        control(db).set_obj(Thing(100))

    db = proxy(fun=Thing, max_size=1, retter=replace)
    assert db.number == 0
    control(db).set_fun(lambda number: Thing(number + 10))
    assert db.number == 100


def test_an_interrupted_setting_is_made_up_for(scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not retired because somebody was interrupted is retired when the proxy is set again."""
    db = Proxy(fun=Thing, max_size=1)
    first = db._pool
    assert first is not None
    with monkeypatch.context() as patch:
        patch.setattr(first, "shutdown", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            control(db).set_fun(Thing)
    second = db._pool
    assert second is not None
    assert second is not first
    assert not first.stats()["shutdown"]
    control(db).set_fun(Thing)
    assert first.stats()["shutdown"]
    assert second.stats()["shutdown"]
    assert db.number == 0


def test_set_by_many_at_once(scheduler: FakeScheduler) -> None:
    """Several threads set the proxy at the same moment: one wins, and all others' pools are shut down."""
    db: Proxy[str] = Proxy(max_size=2)
    together = threading.Barrier(8)
    pools: list[Pool[str]] = []

    def set_it(name: str) -> None:
        together.wait(20)
        for round_ in range(20):
            control(db).set_fun(partial("{}.{}.{}".format, name, round_))
            pool = db._pool
            assert pool is not None
            pools.append(pool)
            assert "." in db._get_obj()

    setters = [Caller(lambda name=name: set_it(name)) for name in "abcdefgh"]  # type: ignore[misc]
    for setter in setters:
        setter.result()
    assert [pool for pool in set(pools) if not pool.stats()["shutdown"]] == [db._pool]


def test_closed_by_hand_is_closed(scheduler: FakeScheduler) -> None:
    """Who shuts the pool down gets PoolClosed, until the proxy is set again; what is lent is used on until returned."""
    db = Proxy(fun=Thing, max_size=2)
    assert db._pool is not None
    assert db.number == 0
    db._pool.shutdown()
    assert db.number == 0
    db._ret_obj()
    with pytest.raises(PoolClosed):
        _ = db.number
    assert db.set_fun(Thing).number == 0


def test_killed_objects(clock: HandMovedClock, scheduler: FakeScheduler) -> None:
    """When maintenance has closed an object that was kept too long, its owner gets another at the next access."""
    works = Works()
    db = Proxy(fun=works.make, max_size=1, max_using_delay_kill=10.0, closer=works.close)
    assert db._pool is not None
    assert db.number == 0
    clock.advance(11.0)
    db._pool.housekeep()
    assert len(works.closed) == 1
    assert not db._has_obj()
    assert db.number == 1
    assert db._pool.stats()["nusing"] == 1
    db._ret_obj()
    assert db._pool.stats()["navail"] == 1


def test_killed_objects_without_a_pool(
    clock: HandMovedClock, scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor does an owner keep a closed object where there is no pool to give it back to, nor a closer that fails."""
    db = Proxy(fun=Thing, max_size=None, max_using_delay_kill=10.0)
    first = db._get_obj()
    other = Caller(db._get_obj).result()
    assert other is not first
    clock.advance(11.0)
    scheduler.run()
    assert db._get_obj() is not first
    assert not any("closer" in line for line in said(caplog))


def test_nested_blocks(scheduler: FakeScheduler) -> None:
    """A function with a block of its own, called in a block, does not take away what its caller still uses."""
    works = Works()
    db = Proxy(fun=works.make, max_size=1, timeout=0)

    def helper() -> Thing:
        with db._obj() as thing:
            return thing

    with db._obj() as thing:
        assert helper() is thing
        with pytest.raises(TimeOut):
            Caller(db._get_obj).result()
        with pytest.raises(KeyError), db._obj():
            raise KeyError
        assert db._has_obj()
    assert not db._has_obj()
    assert Caller(helper).result() is thing


def test_a_block_gives_back_whatever_was_taken_in_it(scheduler: FakeScheduler) -> None:
    """The object may be given back inside by hand, and taken again; or the source is replaced."""
    works = Works()
    db: Any = Proxy(fun=works.make, max_size=1, timeout=0, closer=works.close)
    with db._obj():
        db._ret_obj()
        assert not db._has_obj()
        assert db.number == 0
    assert not db._has_obj()
    with db._obj():
        db.set_fun(works.make)
        assert db._get_obj() is works.made[1]
    assert not db._has_obj()
    assert works.closed == works.made[:1]


@pytest.mark.parametrize("name", ["a b", "1st", "__len__", "__class__", "_get_obj", "_obj"])
def test_set_name_must_be_a_name(name: str) -> None:
    """That proxies do not have yet: it would hide what they need."""
    with pytest.raises(ProxyException, match=rf"^set_name must be the name of a method .*, not '{name}'$"):
        Proxy(set_name=name)
    assert Proxy(set_name="_set")._set(5) == 5


def test_pools_that_are_gone_are_forgotten(scheduler: FakeScheduler) -> None:
    """A proxy that is set again and again keeps nothing of the pools that it had before."""
    db = proxy(fun=Thing, max_size=1)
    for _ in range(5):
        assert db.number == 0
        control(db).set_fun(Thing)
    scheduler.run()
    gc.collect()
    assert len(control(db)._pools._cores) == 1


def test_set_at_the_beginning_of_a_block(scheduler: FakeScheduler) -> None:
    """Whoever sets the proxy when a block has just taken its object has the block take another."""
    db: Any = proxy(fun=lambda _: None, max_size=1)
    block: Any = control(db).obj()
    take = block._take

    def late(*arguments: Any) -> Any:
        block._take = take
        taken = take(*arguments)
        control(db).set_fun(Thing)
        return taken

    block._take = late
    with block as thing:
        assert isinstance(thing, Thing)


def test_one_for_all_and_then_one_for_each(scheduler: FakeScheduler) -> None:
    """What counts from then on is what the owner has."""
    db: Thing = proxy()
    control(db).set_obj(Thing(7))
    assert db.number == 7
    control(db).set_fun(Thing)
    assert not control(db).has()
    assert db.number == 0
    assert control(db).has()
