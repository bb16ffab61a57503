"""Blocks of a proxy: each gives back what it took, and nothing else."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import Context, copy_context
from typing import Any, TypeVar

import pytest

from ProxyPatternPool import Pool, Proxy, ProxyException, Scope, TimeOut, control, proxy
from ProxyPatternPool._proxy.blocks import AsyncBlock, Block
from ProxyPatternPool._proxy.control import unit_of_work

from .clock import FakeScheduler, HandMovedClock
from .helpers import Caller, Thing, Works, said
from .probes.covers import PerTenant, tenant

R = TypeVar("R")


class Ledger:
    """Statements in a transaction, which a reset rolls back."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.pending: list[str] = []
        self.committed: list[str] = []

    def execute(self, text: str) -> None:
        self.pending.append(text)

    def commit(self) -> None:
        self.committed += self.pending
        self.pending.clear()

    def rollback(self) -> None:
        self.pending.clear()


def pool_of(db: Any) -> Pool[Any]:
    pool = control(db).pool
    assert pool is not None
    return pool


def in_use(db: Any) -> int:
    return pool_of(db).stats()["nusing"]


def for_tenant(name: str, job: Callable[[], R]) -> R:
    def run() -> R:
        tenant.set(name)
        return job()

    return copy_context().run(run)


# --- what the owner had before


@pytest.mark.parametrize("scope", [Scope.AUTO, Scope.THREAD, Scope.CONTEXT, PerTenant])
def test_a_block_leaves_what_the_owner_had(scope: Any, scheduler: FakeScheduler) -> None:
    """A function with a block of its own, called in the middle of a transaction, rolls nothing back."""
    db = proxy(fun=Ledger, max_size=1, timeout=0, scope=scope, retter=lambda c: c.rollback())

    def helper() -> None:
        with control(db).obj() as c:
            c.execute("SELECT")

    db.execute("INSERT")
    helper()
    with control(db).obj(), control(db).obj():
        helper()
    db.commit()
    assert db.committed == ["INSERT", "SELECT", "SELECT"]
    assert in_use(db) == 1
    control(db).ret()
    helper()
    assert not control(db).has()
    assert in_use(db) == 0


def test_a_block_of_the_class_leaves_it(scheduler: FakeScheduler) -> None:
    """`_obj` is the same, and what is raised inside changes nothing."""
    db = Proxy(fun=Thing, max_size=1, timeout=0)
    mine = db._get_obj()
    with pytest.raises(ZeroDivisionError), db._obj() as same:
        same.number = (same is mine) // 0
    assert db._has_obj()
    assert in_use(db) == 1


def test_who_had_nothing_has_nothing(scheduler: FakeScheduler) -> None:
    """By whatever way something was taken inside the outermost block, it goes back with it."""
    works = Works()
    db = proxy(fun=works.make, max_size=2, timeout=0)
    with control(db).obj() as first:
        control(db).ret()
        assert in_use(db) == 0
        with control(db).obj():
            assert in_use(db) == 1
        assert in_use(db) == 0
        assert db.number == first.number
        with control(db).obj():
            pass
        assert in_use(db) == 1, "it is the outer block's"
    assert in_use(db) == 0
    assert not control(db).has()


def test_what_the_owner_had_is_exchanged_inside(scheduler: FakeScheduler) -> None:
    """He had something before, and has something afterwards: the block does not ask whether it is the same."""
    db = proxy(fun=Thing, max_size=2, timeout=0)
    assert db.number == 0
    with control(db).obj():
        control(db).discard()
        assert db.number == 1
    assert in_use(db) == 1
    control(db).ret()
    assert in_use(db) == 0


def test_what_is_no_good_is_not_had(clock: HandMovedClock, scheduler: FakeScheduler) -> None:
    """An object that was killed, or replaced, under its owner: the block takes another, and gives it back."""
    works = Works()
    db = proxy(fun=works.make, max_size=2, timeout=0, max_using_delay_kill=10.0)
    assert db.number == 0
    clock.advance(11.0)
    scheduler.run()
    with control(db).obj() as other:
        assert other.number != 0
    assert in_use(db) == 0
    assert db.number == other.number
    control(db).set_fun(lambda number: Thing(number + 10))
    with control(db).obj() as other:
        assert other.number == 10
    assert in_use(db) == 0


def test_without_a_pool_a_block_leaves_the_object(scheduler: FakeScheduler) -> None:
    """There is nowhere to give it back to; what comes from a pool that is set inside goes back with the block."""
    works = Works()
    db: Thing = proxy(fun=works.make, closer=works.close)
    with control(db).obj() as mine:
        assert mine.number == 0
    assert control(db).get() is mine
    assert works.closed == []
    other: Thing = proxy(fun=Thing)
    with control(other).obj():
        control(other).set_pool(max_size=1)
        assert other.number == 0
        assert in_use(other) == 1
    assert in_use(other) == 0


def test_a_block_is_open_once(scheduler: FakeScheduler) -> None:
    """One after another it may be used again; an end without a beginning is none."""
    db = proxy(fun=Thing, max_size=1, timeout=0)
    block = control(db).obj()
    for _ in range(2):
        with block as thing:
            assert thing.number == 0
            with pytest.raises(ProxyException, match=r"^this block is open already"), block:
                pytest.fail("once")
        assert in_use(db) == 0
    block.__exit__(None, None, None)
    assert in_use(db) == 0


def test_a_block_that_does_not_begin(scheduler: FakeScheduler) -> None:
    """It leaves nothing behind: the next one begins, and gives back."""
    db = proxy(fun=Thing, max_size=1, timeout=0)
    lease = pool_of(db).lease()
    block = control(db).obj()
    with pytest.raises(TimeOut), block:
        pytest.fail("there is nothing to be had")
    lease.release()
    with block:
        assert in_use(db) == 1
    assert in_use(db) == 0
    patient = Proxy(fun=Thing, max_size=1)
    lease = pool_of(patient).lease()
    with pytest.raises(TimeOut), patient._obj(0):
        pytest.fail("there is nothing to be had at once")
    lease.release()


def test_a_block_that_is_interrupted_when_it_has_its_object(
    scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was taken for it goes back; what the owner had before stays."""
    db = proxy(fun=Thing, max_size=1, timeout=0)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("ProxyPatternPool._proxy.taking.Taking.check_names", interrupted)
        with pytest.raises(KeyboardInterrupt), control(db).obj():
            pytest.fail("it has not begun")
    assert in_use(db) == 0
    assert db.number == 0
    with monkeypatch.context() as patch:
        block = control(db).obj()
        patch.setattr("ProxyPatternPool._proxy.blocks.hasattr", interrupted, raising=False)
        with pytest.raises(KeyboardInterrupt), block:
            pytest.fail("it has not begun")
    assert in_use(db) == 1
    with control(db).obj():
        pass
    assert in_use(db) == 1


def test_a_block_of_a_task_that_is_interrupted(scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was taken for it goes back at once, and not when the task ends."""
    db = proxy(fun=Thing, scope=Scope.CONTEXT, max_size=1, timeout=0)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    async def main() -> None:
        with monkeypatch.context() as patch:
            patch.setattr("ProxyPatternPool._proxy.taking.Taking.check_names", interrupted)
            with pytest.raises(KeyboardInterrupt):
                async with control(db).aobj():
                    pytest.fail("it has not begun")
        assert in_use(db) == 0
        async with control(db).aobj():
            assert in_use(db) == 1

    asyncio.run(main())


def test_a_block_that_is_dropped(scheduler: FakeScheduler) -> None:
    """It keeps nobody from giving back what it used: the next block does."""
    db = proxy(fun=Thing, max_size=1)
    dropped = control(db).obj()
    thing = dropped.__enter__()
    del dropped
    gc.collect()
    with control(db).obj() as same:
        assert same is thing
    assert not control(db).has()
    assert in_use(db) == 0


# --- several threads that are one owner


def test_the_last_block_gives_back_what_the_first_took(scheduler: FakeScheduler) -> None:
    """In whatever thread that is; what somebody of the same tenant had before any block stays."""
    db = proxy(fun=Thing, scope=PerTenant[Thing](), max_size=1, timeout=0)

    def blocks_that_overlap() -> None:
        first, second = control(db).obj(), control(db).obj()
        with first:
            Caller(lambda: for_tenant("ann", second.__enter__)).result()
        assert in_use(db) == 1, "the second uses it"
        with pytest.raises(TimeOut):
            for_tenant("bob", lambda: db.number)
        Caller(lambda: for_tenant("ann", lambda: second.__exit__(None, None, None))).result()

    for_tenant("ann", blocks_that_overlap)
    assert in_use(db) == 0
    for_tenant("ann", lambda: db.number)
    for_tenant("ann", blocks_that_overlap)
    assert in_use(db) == 1


def test_what_another_uses_when_the_outermost_block_ends(scheduler: FakeScheduler) -> None:
    """It was taken inside by hand, and another thread's block is on it: that one gives it back."""
    db = proxy(fun=Thing, scope=PerTenant[Thing](), max_size=1, timeout=0)

    def blocks_that_overlap() -> None:
        first, second = control(db).obj(), control(db).obj()
        with first:
            control(db).ret()
            assert db.number == 0
            Caller(lambda: for_tenant("ann", second.__enter__)).result()
        assert in_use(db) == 1
        Caller(lambda: for_tenant("ann", lambda: second.__exit__(None, None, None))).result()

    for_tenant("ann", blocks_that_overlap)
    assert in_use(db) == 0


# --- blocks that end elsewhere


def test_a_block_that_ends_in_another_thread(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """Its object goes back, nobody uses it any more, and what the other thread has stays there; it is logged once."""
    db = proxy(fun=Thing, max_size=2, timeout=0, name="db")
    for _ in range(2):
        block = control(db).obj()
        mine = block.__enter__()

        def end(block: AbstractContextManager[Thing] = block) -> int:
            other = db.number
            block.__exit__(None, None, None)
            assert in_use(db) == 1
            assert db.number == other
            return other

        assert Caller(end, "another").result() != mine.number
        scheduler.run()
        assert in_use(db) == 0
        assert not control(db).has()
        lease = pool_of(db).lease()
        assert db.number != lease.obj.number
        lease.release()
        control(db).ret()
    (line,) = said(caplog)
    assert line.startswith(f"proxy 'db': a with block began in thread 'MainThread' at {__file__}:")
    assert f"and it ended elsewhere: in thread 'another' at {__file__}:" in line
    assert line.endswith(
        "; between, both may have used the same object. With scope=CONTEXT each has its own. This is said once"
    )


def test_a_block_on_what_its_owner_had_ends_in_another_thread(
    scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """It leaves it where it is."""
    db = proxy(fun=Thing, max_size=2, timeout=0)
    assert db.number == 0
    block = control(db).obj()
    block.__enter__()
    Caller(lambda: block.__exit__(None, None, None)).result()
    assert in_use(db) == 1
    assert db.number == 0
    scheduler.run()
    assert [line.partition(":")[0] for line in said(caplog)] == ["proxy"]


@pytest.mark.parametrize("scope", [Scope.CONTEXT, PerTenant])
def test_where_a_block_may_end_elsewhere(
    scope: Any, scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """In a context of its own it shares nothing; who is an owner of a strategy only that can say."""
    db = proxy(fun=Thing, max_size=2, timeout=0, scope=scope)
    block = control(db).obj()
    mine = copy_context().run(block.__enter__)
    assert in_use(db) == 1

    def end() -> None:
        if scope is Scope.CONTEXT:
            assert db.number != mine.number
        block.__exit__(None, None, None)
        assert in_use(db) == (scope is Scope.CONTEXT)

    copy_context().run(end)
    scheduler.run()
    assert in_use(db) == 0
    assert said(caplog) == []


def test_a_block_ends_elsewhere_when_another_source_is_set(
    scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told as well where there is no pool any more that would say it."""
    db = proxy(fun=Thing, max_size=1, timeout=0)
    block = control(db).obj()
    Caller(block.__enter__).result()
    control(db).set_obj(Thing(7))
    block.__exit__(None, None, None)
    assert [line for line in said(caplog) if "it ended elsewhere" in line]


@pytest.mark.parametrize("used", [False, True])
def test_a_block_of_what_is_shared_when_another_source_is_set(used: bool, scheduler: FakeScheduler) -> None:
    """The owner had nothing to give back when it began: what is taken within it goes back with it."""
    db: Thing = proxy(Thing(5))
    control(db).set_pool(max_size=1)
    if used:
        assert db.number == 5
    with control(db).obj() as thing:
        assert thing.number == 5
        control(db).set_fun(Thing)
        assert db.number == 0
        assert in_use(db) == 1
    assert in_use(db) == 0


def test_a_context_that_has_gone_is_not_mistaken_for_another(scheduler: FakeScheduler) -> None:
    """At the same address another may be by now: what that one keeps is its own."""
    db = proxy(fun=Thing, max_size=0, scope=Scope.CONTEXT)
    for _ in range(50):
        block = control(db).obj()
        Context().run(block.__enter__)

        def end(block: AbstractContextManager[Thing] = block) -> None:
            mine = control(db).get()
            block.__exit__(None, None, None)
            assert control(db).has()
            assert control(db).get() is mine

        Context().run(end)


# --- stretches of work


def test_a_stretch_gives_back_what_was_kept_before(scheduler: FakeScheduler) -> None:
    """A thread that has used the proxy when it started does not keep that for ever."""
    db = proxy(fun=Thing, max_size=1, timeout=0)
    assert db.number == 0
    with unit_of_work(control(db)):
        assert db.number == 0
    assert in_use(db) == 0
    with pytest.raises(ZeroDivisionError), unit_of_work(control(db)):
        db.number = db.number // 0
    assert in_use(db) == 0
    with unit_of_work(control(db)):
        pass
    assert in_use(db) == 0


@pytest.mark.parametrize("before", [True, False])
def test_a_stretch_within_a_block(before: bool, scheduler: FakeScheduler) -> None:
    """What the block uses stays; what the stretch took instead of it goes back."""
    db = proxy(fun=Thing, max_size=2, timeout=0)
    if before:
        assert db.number == 0
    with control(db).obj() as mine:
        with unit_of_work(control(db)):
            assert control(db).get() is mine
        assert control(db).get() is mine
        with unit_of_work(control(db)):
            control(db).discard()
            assert control(db).get() is not mine
        assert in_use(db) == 0
    assert in_use(db) == 0


def test_stretches_within_one_another(scheduler: FakeScheduler) -> None:
    """The inner leaves what the outer had, and gives back what the outer had not."""
    db = proxy(fun=Thing, max_size=1, timeout=0)
    with unit_of_work(control(db)):
        with unit_of_work(control(db)):
            assert db.number == 0
        assert in_use(db) == 0
        assert db.number == 0
        with unit_of_work(control(db)):
            assert db.number == 0
        assert in_use(db) == 1
        Caller(unit_of_work(control(db)).__enter__).result()  # it is never ended, and dropped
    assert in_use(db) == 0
    assert db.number == 0
    with unit_of_work(control(db)):
        pass
    assert in_use(db) == 0


def test_stretches_of_tasks(scheduler: FakeScheduler) -> None:
    """Each is an owner with its scope: what one had before goes back, though another's stretch is open."""
    db = proxy(fun=Thing, max_size=2, timeout=0, scope=Scope.CONTEXT)

    async def work(begun: asyncio.Event, go_on: asyncio.Event) -> None:
        assert db.number in (0, 1)
        with unit_of_work(control(db)):
            begun.set()
            await go_on.wait()
        assert not control(db).has()

    async def main() -> None:
        first, second, now = asyncio.Event(), asyncio.Event(), asyncio.Event()
        now.set()
        task = asyncio.create_task(work(first, second))
        await first.wait()
        await asyncio.create_task(work(asyncio.Event(), now))
        second.set()
        await task

    asyncio.run(main())


def test_a_block_within_a_stretch(scheduler: FakeScheduler) -> None:
    """One that is still open at the end was forgotten: what it has goes back, and its end changes nothing."""
    db = proxy(fun=Thing, max_size=1, timeout=0)
    block = control(db).obj()
    with unit_of_work(control(db)):
        block.__enter__()
    assert in_use(db) == 0
    block.__exit__(None, None, None)
    assert in_use(db) == 0


def test_a_stretch_of_what_is_not_set(scheduler: FakeScheduler) -> None:
    """It may be set inside."""
    db: Thing = proxy(max_size=1)
    with unit_of_work(control(db)):
        control(db).set_fun(Thing)
        assert db.number == 0
    assert in_use(db) == 0


def test_an_unborn_block() -> None:
    """The finalizer of a block whose constructor was interrupted has nothing to do."""
    for kind in (Block, AsyncBlock):
        kind.__new__(kind)
