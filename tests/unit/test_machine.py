"""The ledger against a simple model, step by step, with a hand-moved clock.

Hypothesis chooses the steps: borrow, wait, give back, discard, drop, lose, create, fail, expire, warn, kill,
check, time out, close. After each of them the properties of the pool must hold, as the model and the factory
see them. Waiters are played, not slept: a step that would block is one entry more in the queue.

PPP_EXAMPLES sets how many sequences are tried.
"""

import gc
import logging
import os

import pytest
from hypothesis import HealthCheck as Check
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,  # pyright: ignore[reportUnknownVariableType]  # hypothesis leaves it untyped
)

from ProxyPatternPool import Pool, PoolClosed, TimeOut
from ProxyPatternPool._pool import housekeeper
from ProxyPatternPool._pool.entry import Entry, Stage
from ProxyPatternPool._pool.ledger import HEAD_START, Closed
from ProxyPatternPool._pool.waiters import Waiter
from ProxyPatternPool._sync.owner import here

from .clock import HandMovedClock, HandMovedKeeper

AVAIL, WARN, KILL = 100.0, 200.0, 300.0
MAX_USE = 4


class Broken(Exception):
    """What the factory raises when it is told to."""


class Thing:
    """Equal to all others, and so unhashable, and falsy."""

    def __eq__(self, other: object) -> bool:
        return True

    def __bool__(self) -> bool:
        return False


class Signal:
    """A sleeper that is only told."""

    hub = None

    def __init__(self) -> None:
        self.rung = False

    def sleep(self, seconds: float | None) -> bool:
        raise AssertionError("nobody sleeps here")

    def wake(self) -> bool:
        self.rung = True
        return True

    def alive(self) -> bool:
        return True

    def dispose(self) -> None:
        pass


class PoolMachine(RuleBasedStateMachine):
    """The pool, and beside it a model: who is idle in which order, who is lent, who waits."""

    borrowed = Bundle[Thing]("borrowed")

    @initialize(bound=st.integers(1, 4), least=st.integers(0, 2), retter=st.booleans())
    def open(self, bound: int, least: int, retter: bool) -> None:
        logging.getLogger("ppp").setLevel(logging.CRITICAL)
        self.clock = HandMovedClock()
        keeper, housekeeper.KEEPER = housekeeper.KEEPER, HandMovedKeeper(self.clock)
        self.keeper = housekeeper.KEEPER
        self.bound = bound
        self.alive: list[Thing] = []
        self.closed: list[Thing] = []
        self.fails = self.unhealthy = False
        self.pool: Pool[Thing] | None = None
        try:
            self.pool = Pool(
                self.make,
                bound,
                min(bound, least),
                max_use=MAX_USE,
                max_avail_delay=AVAIL,
                max_using_delay=WARN,
                max_using_delay_kill=KILL,
                opener=self.user_code,
                getter=self.user_code,
                retter=self.user_code if retter else None,
                closer=self.close_thing,
                health=self.healthy,
                stats=self.user_code,
            )
        finally:
            housekeeper.KEEPER = keeper
        self.core = self.pool._core
        self.ledger = self.core.ledger
        self.lent: list[Thing] = []
        self.waiting: list[tuple[Waiter[Thing], Signal]] = []
        self.permits: list[tuple[Waiter[Thing], Entry[Thing]]] = []
        self.gets = self.returns = self.timeouts = 0
        self.shut = False

    # The user's code: the factory as oracle. It is never called with the lock held (property 5). ----------

    def _not_locked(self) -> None:
        if self.pool is not None:
            assert self.core.lock.acquire(False), "the user's code is called with the lock held"
            self.core.lock.release()

    def user_code(self, thing: Thing) -> None:
        self._not_locked()
        assert any(thing is one for one in self.alive), "a hook is called with an object that is closed"

    def make(self, serial: int) -> Thing:
        self._not_locked()
        assert len(self.alive) < self.bound, "more objects than places"
        if self.fails:
            raise Broken
        thing = Thing()
        self.alive.append(thing)
        return thing

    def close_thing(self, thing: Thing) -> None:
        self.user_code(thing)
        self._drop(self.alive, thing)
        self.closed.append(thing)

    def healthy(self, thing: Thing) -> bool:
        self.user_code(thing)
        assert not any(thing is one for one in self.lent), "checked while lent"
        return not self.unhealthy

    @staticmethod
    def _drop(things: list[Thing], thing: Thing) -> None:
        things[:] = [one for one in things if one is not thing]

    def _is_lent(self, thing: Thing) -> bool:
        return any(thing is one for one in self.lent)

    def _lend(self, entry: Entry[Thing]) -> Thing:
        assert not self._is_lent(entry.obj), "lent to two owners"
        assert any(entry.obj is one for one in self.alive), "lent after it was closed"
        self.lent.append(entry.obj)
        self.gets += 1
        return entry.obj

    # Borrowing and waiting. -----------------------------------------------------------------------------

    @rule(target=borrowed)
    def get(self) -> Thing | MultipleResults[Thing]:
        """Somebody wants an object, and would wait for it."""
        assert self.pool is not None
        hottest = self.ledger.shelves()[-1:]
        signal = Signal()
        waiter = Waiter[Thing](here().owner, None, signal)
        try:
            entry = self.core.locked(self.ledger.ask, self.clock(), waiter)
        except Closed:
            assert self.shut
            return multiple()
        assert not self.shut
        if entry is None:
            assert not hottest, "waits beside an idle object"
            self.waiting.append((waiter, signal))
            return multiple()
        if entry.stage is Stage.CREATING:
            self.permits.append((waiter, entry))
            return multiple()
        assert [entry] == hottest, "the hottest is lent first"
        return self._lend(entry)

    @rule(target=borrowed)
    def get_now(self) -> Thing | MultipleResults[Thing]:
        """Somebody wants an object now or never, through the front door."""
        assert self.pool is not None
        before = self.clock()
        self.fails = False
        try:
            thing = self.pool.get(0)
        except TimeOut as error:
            message = str(error)
            assert "timeout after 0 seconds" in message
            assert not self.ledger.nidle
            self.timeouts += 1
            return multiple()
        except PoolClosed:
            assert self.shut
            return multiple()
        finally:
            assert self.clock() == before, "waited, with a timeout of 0"
        assert not self._is_lent(thing), "lent to two owners"
        self.lent.append(thing)
        self.gets += 1
        return thing

    @precondition(lambda self: any(signal.rung for _, signal in self.waiting))
    @rule(target=borrowed, which=st.integers(0, 9))
    def wake_up(self, which: int) -> Thing | MultipleResults[Thing]:
        """One of those who were woken looks what there is."""
        woken = [pair for pair in self.waiting if pair[1].rung]
        pair = woken[which % len(woken)]
        waiter, signal = pair
        signal.rung = False
        try:
            entry = self.core.locked(self.ledger.answer, waiter, self.clock())
        except Closed:
            assert self.shut
            self.waiting.remove(pair)
            self._abandon(waiter)
            return multiple()
        if entry is None:
            return multiple()
        self.waiting.remove(pair)
        if entry.stage is Stage.CREATING:
            self.permits.append((waiter, entry))
            return multiple()
        return self._lend(entry)

    @precondition(lambda self: self.waiting)
    @rule(which=st.integers(0, 9))
    def give_up(self, which: int) -> None:
        """A waiter times out, or something is thrown into it."""
        self._abandon(self.waiting.pop(which % len(self.waiting))[0])

    def _abandon(self, waiter: Waiter[Thing]) -> None:
        doomed = self.core.locked(self.ledger.withdraw, waiter, self.clock())
        if doomed is not None:
            self.core.finish(doomed)

    # Creating. ------------------------------------------------------------------------------------------

    @precondition(lambda self: self.permits)
    @rule(target=borrowed, fails=st.booleans(), which=st.integers(0, 9))
    def create(self, fails: bool, which: int) -> Thing | MultipleResults[Thing]:
        """Somebody who may create an object does, or fails."""
        waiter, entry = self.permits.pop(which % len(self.permits))
        self.fails = fails
        try:
            self.core.create(entry)
            self.core.locked(self.ledger.admit, entry, self.clock(), waiter)
        except (Broken, Closed):
            self._abandon(waiter)
            return multiple()
        return self._lend(entry)

    @precondition(lambda self: self.permits)
    @rule()
    def die_with_a_permit(self) -> None:
        """Somebody who may create an object is never heard of again."""
        self.permits.pop()
        gc.collect()
        self.core.sweep()
        self.core.run_chores()

    # Giving back. ---------------------------------------------------------------------------------------

    @rule(thing=borrowed)
    def ret(self, thing: Thing) -> None:
        """An object comes back, perhaps for the second time, perhaps killed meanwhile."""
        assert self.pool is not None
        self.returns += self._is_lent(thing)
        self._drop(self.lent, thing)
        self.pool.ret(thing)

    @rule(thing=borrowed)
    def discard(self, thing: Thing) -> None:
        """A broken object comes back."""
        assert self.pool is not None
        was_lent = self._is_lent(thing)
        self.returns += was_lent
        self._drop(self.lent, thing)
        self.pool.discard(thing)
        assert not was_lent or any(thing is one for one in self.closed)

    @precondition(lambda self: not self.waiting and not self.permits)
    @rule()
    def drop_a_lease(self) -> None:
        """A lease is dropped."""
        assert self.pool is not None
        self.fails = False
        try:
            lease = self.pool.lease(0)
        except (TimeOut, PoolClosed) as error:
            self.timeouts += isinstance(error, TimeOut)
            return
        self.gets += 1
        self.returns += 1
        del lease
        self.core.sweep()
        self.core.run_chores()

    @precondition(lambda self: self.ledger.idle)
    @rule()
    def lose(self) -> None:
        """An entry is taken, and whoever took it is interrupted before anything else."""
        entry = self.ledger.idle.pop()
        del entry
        self.core.sweep()
        self.core.run_chores()

    # House keeping. -------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([HEAD_START / 2, HEAD_START, 50.0, AVAIL, WARN, KILL]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def _overdue(self) -> list[Thing]:
        now = self.clock()
        return [entry.obj for entry in self.ledger.using.values() if now - entry.last_get >= KILL and not self.shut]

    def _killed(self, things: list[Thing]) -> None:
        for thing in things:
            assert any(thing is one for one in self.closed), "not killed in time"
            self._drop(self.lent, thing)
            self.returns += 1

    @rule(unhealthy=st.booleans(), fails=st.booleans())
    def housekeep(self, unhealthy: bool, fails: bool) -> None:
        """The house keeper comes by: what is overdue goes, and nothing else does."""
        assert self.pool is not None
        now = self.clock()
        overdue = self._overdue()
        spare = self.ledger.places.nspare
        old = [entry.obj for entry in self.ledger.shelves() if now - entry.last_ret >= AVAIL][: max(0, spare)]
        was_shut = self.shut
        self.unhealthy, self.fails = unhealthy, fails
        self.pool.housekeep()
        self.keeper.run()
        self.unhealthy = self.fails = False
        self._killed(overdue)
        for thing in old if not was_shut else []:
            assert any(thing is one for one in self.closed), "not expired in time"
        if unhealthy and not was_shut and not self.ledger.waiters:
            least = 0 if fails else min(self.bound, self.core.config.min_size)
            assert self.ledger.nidle <= max(least, 0), "an unhealthy object stays"
        for thing in self.lent:
            assert any(thing is one for one in self.alive), "closed while lent, and not overdue"

    @precondition(lambda self: not self.shut)
    @rule()
    def refill(self) -> None:
        """The house keeper tops the pool up to its least size, when the back-off is over."""
        self.clock.advance(5.0)
        self.fails = False
        overdue = self._overdue()
        self.keeper.look_at(self.core)
        self._killed(overdue)
        assert not self.ledger.wants_refill()

    @precondition(lambda self: not self.shut and self.gets > 5)
    @rule()
    def shutdown(self) -> None:
        assert self.pool is not None
        self.pool.shutdown()
        self.shut = True
        assert all(signal.rung for _, signal in self.waiting), "a waiter sleeps in a closed pool"

    # The properties. ------------------------------------------------------------------------------------

    @invariant()
    def bounded(self) -> None:
        """1. Objects alive never exceed the bound, those being created included."""
        assert len(self.alive) + len(self.permits) <= len(self.ledger.places) <= self.bound

    @invariant()
    def owned_once(self) -> None:
        """2. Every object made is idle, or lent to one owner, or was closed once."""
        idle = [entry.obj for entry in self.ledger.shelves()]
        gifts = [w.gift.obj for w, _ in self.waiting if w.gift is not None and w.gift.stage is Stage.LIVE]
        lent = [entry.obj for entry in self.ledger.using.values()]
        assert sorted(map(id, lent)) == sorted(map(id, self.lent))
        assert sorted(map(id, idle + gifts + lent)) == sorted(map(id, self.alive))
        assert len({id(thing) for thing in self.closed}) == len(self.closed)

    @invariant()
    def nobody_sleeps_on(self) -> None:
        """3. No waiter sleeps while an object is idle or a place is free."""
        asleep = [waiter for waiter, signal in self.waiting if not signal.rung]
        awake = len(self.waiting) - len(asleep)
        assert not asleep or self.ledger.nidle <= awake, "an object is idle and nobody comes for it"
        assert not asleep or not self.ledger.places.has_room(), "a place is free and nobody may create"

    @invariant()
    def served_in_order(self) -> None:
        """What is handed over goes to those who have waited longest."""
        served = [waiter.served for waiter, _ in self.waiting]
        assert served == sorted(served, reverse=True) or self.shut

    @invariant()
    def at_rest(self) -> None:
        """4. With nobody out and nobody waiting, every place holds an idle object."""
        if not (self.lent or self.waiting or self.permits):
            assert len(self.ledger.places) == self.ledger.nidle
            assert self.ledger.places.ncreating == self.ledger.places.nretired == len(self.ledger.waiters) == 0

    @invariant()
    def counted(self) -> None:
        """6. Counters are exact."""
        assert self.pool is not None
        stats = self.pool.stats()
        assert stats["ncreated"] - stats["ndestroys"] == len(self.alive)
        assert stats["ndestroys"] == len(self.closed)
        assert stats["nuses"] == self.gets
        assert stats["nusing"] == self.gets - self.returns == len(self.lent)
        assert stats["nborrows"] - stats["nreturns"] == stats["nusing"]
        assert stats["ntimeouts"] == self.timeouts
        assert stats["nwaiting"] == len([w for w, _ in self.waiting if not w.served]) or self.shut
        assert stats["nobjs"] == len(self.alive) + self.ledger.places.ncreating

    def teardown(self) -> None:
        """In the end everything that was made is closed, once."""
        assert self.pool is not None
        self.pool.shutdown()
        for thing in list(self.lent):
            self.pool.ret(thing)
        for waiter, _ in self.waiting:
            self._abandon(waiter)
        self.permits.clear()
        self.waiting.clear()
        gc.collect()
        self.core.sweep()
        self.core.run_chores()
        assert not self.alive
        assert not self.ledger.places


@pytest.mark.timeout(600)
def test_machine() -> None:
    """Whatever the steps, the properties hold after each."""
    run_state_machine_as_test(  # type: ignore[no-untyped-call]  # as above
        PoolMachine,
        settings=settings(
            max_examples=int(os.environ.get("PPP_EXAMPLES", "500")),
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[Check.too_slow, Check.filter_too_much, Check.data_too_large],
        ),
    )
