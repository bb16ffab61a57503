"""Scopes of one's own: a strategy says who has an object, and keeps it."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Generic, TypeVar

import pytest

from ProxyPatternPool import Kept, Proxy, ProxyException, ScopeStrategy, TimeOut, control, proxy
from ProxyPatternPool._scope.open_block import OpenBlock
from ProxyPatternPool._scope.strategy import StrategySlot, _used

from .clock import FakeScheduler
from .helpers import Caller, Thing, Works, run_script, wait_for
from .probes.covers import PerTenant, tenant

T = TypeVar("T")


def for_tenant(name: str, job: Callable[[], T]) -> T:
    """Do something for a tenant."""

    def run() -> T:
        tenant.set(name)
        return job()

    return copy_context().run(run)


def test_the_slot_of_a_strategy() -> None:
    """It has what the strategy keeps for the tenant, and the attribute only as long as that is something."""
    slot, kept = StrategySlot[int](PerTenant()), Kept(1)
    for _ in range(2):
        assert slot.get() is None
        assert not hasattr(slot, "kept")
        assert slot.put(kept) is kept
        assert slot.put(Kept(2)) is kept
        assert slot.kept is slot.get() is kept
        slot.remove(Kept(3))
        slot.drop_ended()
        assert slot.get() is kept
        slot.remove(kept)


def test_a_strategy_that_is_gone_is_forgotten() -> None:
    """Another that has its place in memory may be given to another proxy."""
    before = dict(_used)
    strategy: PerTenant[int] = PerTenant()
    slot = StrategySlot[int](strategy)
    assert _used != before
    del strategy, slot
    assert _used == before


def test_strategy(scheduler: FakeScheduler) -> None:
    """One object per tenant, whichever thread works for it, made when it is first needed."""
    db = proxy(fun=Thing, scope=PerTenant, max_size=2, timeout=0)

    def number() -> int:
        return db.number

    assert [for_tenant(name, number) for name in ("ann", "bob", "ann")] == [0, 1, 0]
    assert Caller(lambda: for_tenant("bob", number)).result() == 1
    with pytest.raises(TimeOut):
        for_tenant("cid", number)
    assert for_tenant("ann", control(db).has)
    for_tenant("ann", control(db).ret)
    assert not for_tenant("ann", control(db).has)
    for_tenant("ann", control(db).ret)
    assert for_tenant("cid", number) == 0
    assert for_tenant("bob", number) == 1
    assert isinstance(control(db).scope, PerTenant)
    control(db).ret()  # nobody's


def test_strategy_set_again(scheduler: FakeScheduler) -> None:
    """Where no tenant is known the proxy can be set nevertheless, and all find the new source."""
    works = Works()
    db = Proxy(fun=works.make, scope=PerTenant[Thing](), closer=works.close)
    assert for_tenant("ann", lambda: db.number) == 0
    control(db).set_fun(lambda number: Thing(number + 10))
    assert for_tenant("ann", lambda: db.number) == 10
    assert works.alive == []
    with pytest.raises(ProxyException, match=r"PerTenant object at .* gives each owner an object of its own"):
        control(db).set_obj(Thing(1))


def test_strategy_drops() -> None:
    """What a strategy drops comes back by itself."""
    strategy: PerTenant[Thing] = PerTenant()
    db = Proxy(fun=Thing, scope=strategy, max_size=1)
    for name in "abc":
        assert for_tenant(name, lambda: db.number) == 0
        strategy._kept.clear()


def test_strategy_of_many_threads(scheduler: FakeScheduler) -> None:
    """Threads that work for the same tenant at the same moment use the same object; the others made come back."""
    works = Works()
    together = threading.Barrier(4)

    def make(number: int) -> Thing:
        together.wait(20)  # all four are making one
        return works.make(number)

    db = Proxy(fun=make, scope=PerTenant[Thing](), max_size=4, min_size=0, closer=works.close)
    users = [Caller(lambda: for_tenant("ann", db._get_obj)) for _ in range(4)]
    assert len({user.result() for user in users}) == 1
    assert db._pool is not None
    assert db._pool.stats()["nusing"] == 1
    assert db._pool.stats()["navail"] == 3


class Tampering(PerTenant[Thing]):
    """What happens in other threads happens between two looks here."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: list[Callable[[], object]] = []

    def get(self) -> Kept[Thing] | None:
        if self.looks:
            self.looks.pop()()
        return super().get()


def test_who_sets_a_proxy_is_no_owner(scheduler: FakeScheduler) -> None:
    """A strategy is not asked who that is: where an application is set up there may be no tenant."""
    strategy = Tampering()
    db = Proxy(fun=Thing, scope=strategy)
    strategy.looks.append(lambda: pytest.fail("nobody uses the proxy"))
    control(db).set_fun(Thing)
    strategy.looks.clear()
    assert db.number == 0


def test_who_comes_second_gives_back_what_he_took(scheduler: FakeScheduler, works: Works) -> None:
    """It is back, reset, before he goes on with what the first has kept: nobody waits for maintenance."""
    returned: list[Thing] = []
    first = Kept(Thing(100))

    class Taken(Generic[T]):
        """Another thread of the same owner keeps something while an object is taken for this one."""

        def get(self) -> Kept[Thing] | None:
            return first if works.made else None

        def set(self, kept: Kept[Thing]) -> None:
            raise AssertionError("there is something")

        def delete(self) -> None:
            """Keep it."""

    db = proxy(fun=works.make, scope=Taken, max_size=2, min_size=0, retter=returned.append)
    assert db.number == 100
    assert returned == works.made
    assert len(works.made) == 1


def test_blocks_of_one_tenant(scheduler: FakeScheduler) -> None:
    """Where several threads are one owner, the last of their blocks gives back; a tenant does not get another's."""
    db = Proxy(fun=Thing, scope=PerTenant[Thing](), max_size=1, timeout=0)
    entered, leave = threading.Event(), threading.Event()

    def stay() -> int:
        with db._obj() as thing:
            entered.set()
            wait_for(leave)
            return thing.number

    staying = Caller(lambda: for_tenant("ann", stay))
    wait_for(entered)
    with pytest.raises(TimeOut):
        for_tenant("bob", db._get_obj)
    assert for_tenant("ann", lambda: number_in_block(db)) == 0
    with pytest.raises(TimeOut):
        for_tenant("bob", db._get_obj)
    leave.set()
    assert staying.result() == 0
    assert for_tenant("bob", lambda: number_in_block(db)) == 0


def number_in_block(db: Proxy[Thing]) -> int:
    with db._obj() as thing:
        return thing.number


def test_blocks_that_end_at_the_same_time(scheduler: FakeScheduler) -> None:
    """One enters while another gives back: it finds that out, and takes another object, or gives back itself."""
    strategy = Tampering()
    db = Proxy(fun=Thing, scope=strategy, max_size=1, timeout=0)
    assert db._pool is not None
    assert db.number == 0
    # Between the two looks of the one that enters, somebody gives back.
    strategy.looks = [db._ret_obj, int]
    with db._obj() as thing:
        assert thing.number == 0
        assert db._pool.stats()["nusing"] == 1
        # Between the look of the one that leaves, which takes it out of the slot, and his last look at the marks.
        kept = strategy._kept["nobody"]
        strategy.looks = [lambda: kept.blocks.append(OpenBlock()), int]
    assert db._pool.stats()["nusing"] == 1
    assert strategy._kept == {}
    kept.blocks.pop()
    kept.release()  # as the other one's block does at its end
    assert db._pool.stats()["nusing"] == 0


def test_a_block_begins_when_the_strategy_gives_back(scheduler: FakeScheduler) -> None:
    """What it gives back at that moment, and still keeps, is not the block's: the block takes another object."""
    strategy = Tampering()
    db = Proxy(fun=Thing, scope=strategy, max_size=1, timeout=0)
    assert db._pool is not None
    assert db.number == 0
    strategy.looks = [strategy._kept["nobody"].release, int]
    with db._obj() as thing:
        assert db._get_obj() is thing
        assert db._pool.stats()["nusing"] == 1
    assert db._pool.stats()["nusing"] == 0


def test_a_signal_handler_that_uses_a_strategy_while_it_is_asked(scheduler: FakeScheduler) -> None:
    """It is not held up by the one that it has interrupted, who then finds what it has left there."""
    works = Works()
    strategy = Tampering()
    db = Proxy(fun=works.make, scope=strategy, max_size=2, closer=works.close)
    strategy.looks = [db._get_obj, int]
    mine = db._get_obj()
    assert db._get_obj() is mine
    assert not strategy.looks
    assert works.made[1:] == [mine]
    scheduler.run()
    assert db._pool is not None
    assert db._pool.stats()["nusing"] == 1


def test_a_fork_while_a_strategy_is_asked() -> None:
    """The child does not wait for a thread that is not there."""
    assert run_script("proxies", "strategy_forked") == ["child's own"]


def test_a_strategy_has_one_proxy() -> None:
    """An instance that another proxy uses is refused; a class or a function makes one for each."""
    strategy: PerTenant[Thing] = PerTenant()
    first = Proxy(fun=Thing, scope=strategy)
    with pytest.raises(ProxyException, match="belongs to another proxy"):
        Proxy(fun=Thing, scope=strategy)
    del first
    gc.collect()
    with pytest.raises(ProxyException, match="belongs to another proxy"):
        Proxy(fun=Thing, scope=strategy)  # it may still keep something
    one, other = Proxy(fun=Thing, scope=PerTenant), Proxy(fun=lambda number: Thing(number + 10), scope=PerTenant)
    assert for_tenant("ann", lambda: (one.number, other.number)) == (0, 10)
    made: list[PerTenant[Thing]] = []

    def make() -> PerTenant[Thing]:
        made.append(PerTenant())
        return made[-1]

    by_function = Proxy(fun=Thing, scope=make)
    assert control(by_function).scope is made[0]
    reused = [PerTenant[Thing]() for _ in range(50)]
    assert len([Proxy(fun=Thing, scope=strategy) for strategy in reused]) == 50
    del reused
    again = [Proxy(fun=Thing, scope=PerTenant[Thing]()) for _ in range(50)]
    assert len(again) == 50


def test_a_strategy_without_room_for_references() -> None:
    """A strategy with slots is remembered all the same."""

    class Slotted(Generic[T]):
        __slots__ = ("kept",)

        kept: Kept[T] | None

        def __init__(self) -> None:
            self.kept = None

        def get(self) -> Kept[T] | None:
            return self.kept

        def set(self, kept: Kept[T]) -> None:
            self.kept = kept

        def delete(self) -> None:
            self.kept = None

    strategy: Slotted[Thing] = Slotted()
    assert isinstance(strategy, ScopeStrategy)
    assert Proxy(fun=Thing, scope=strategy).number == 0
    with pytest.raises(ProxyException, match="belongs to another proxy"):
        Proxy(fun=Thing, scope=strategy)


def test_an_error_in_a_strategy_reaches_the_caller() -> None:
    """An AttributeError of the strategy's own is not taken for an owner without an object."""

    class Broken(PerTenant[Thing]):
        def get(self) -> Kept[Thing] | None:
            raise AttributeError("mistake")

    with pytest.raises(AttributeError, match=r"^mistake$"):
        _ = Proxy(fun=Thing, scope=Broken()).number


def test_replaced_while_it_is_kept(scheduler: FakeScheduler) -> None:
    """A source replaced in the moment in which a strategy keeps something of it is not used any more."""

    class Meddling(PerTenant[Thing]):
        def set(self, kept: Kept[Thing]) -> None:
            super().set(kept)
            if kept.obj.number < 10:
                control(db).set_fun(lambda number: Thing(number + 10))

    works = Works()
    db = Proxy(fun=works.make, scope=Meddling(), max_size=1, closer=works.close)
    assert for_tenant("ann", lambda: db.number) == 10
    assert works.alive == []


def test_given_back_by_another(scheduler: FakeScheduler) -> None:
    """What the strategy has exchanged meanwhile is not taken from its owner."""
    strategy: PerTenant[Thing] = PerTenant()
    slot = StrategySlot(strategy)
    old, new = Kept(Thing(0)), Kept(Thing(1))

    def exchange() -> None:
        assert slot.put(old) is old
        assert slot.put(new) is old
        strategy.set(new)
        slot.remove(old)
        assert slot.get() is new

    for_tenant("ann", exchange)


def test_kept_is_invalidated_once() -> None:
    """An object that is no longer its owner's may be taken away twice."""
    kept = Kept(1)
    kept.invalidate()
    kept.invalidate()
    kept.release()
    assert not hasattr(kept, "obj")
    assert kept.pop_loan() is None


def test_kept_goes_back_once() -> None:
    """However often it is released or discarded, whatever comes first."""
    done: list[str] = []

    class Loan:
        def release(self) -> None:
            done.append("released")

        def discard(self) -> None:
            done.append("discarded")

    released, discarded = Kept(1, Loan()), Kept(2, Loan())
    for kept in (released, discarded):
        if kept is discarded:
            kept.discard()
            assert not hasattr(kept, "obj")
        for _ in range(2):
            kept.release()
            assert not hasattr(kept, "obj")
            kept.discard()
    assert done == ["released", "discarded"]


def test_waiting_for_the_same_tenant(scheduler: FakeScheduler) -> None:
    """A slow creation for one tenant holds up no other."""
    begun, go_on = threading.Event(), threading.Event()

    def make(number: int) -> Thing:
        if number == 0:
            begun.set()
            wait_for(go_on)
        return Thing(number)

    db = Proxy(fun=make, scope=PerTenant)
    slow = Caller(lambda: for_tenant("ann", lambda: db.number))
    wait_for(begun)
    assert for_tenant("bob", lambda: db.number) == 1
    go_on.set()
    assert slow.result() == 0
