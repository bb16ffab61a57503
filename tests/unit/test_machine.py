"""The ledger against a simple model, step by step, with a hand-moved clock.

Hypothesis chooses the steps: borrow, wait, give back, discard, drop, lose, create, fail, back off, expire, warn, kill,
check, drain, clear, resize, time out, close. After each of them the properties of the pool must hold, as the model and
the factory see them. Waiters are played, not slept: a step that would block is one entry more in the queue.

PPP_EXAMPLES sets how many sequences are tried.
"""

import gc
import logging
import math
import os
from collections.abc import Mapping

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
from ProxyPatternPool._engine.steps import run
from ProxyPatternPool._inspect.types import ENDS
from ProxyPatternPool._ledger.entry import Entry, Stage
from ProxyPatternPool._ledger.ledger import HEAD_START, Closed
from ProxyPatternPool._ledger.queue import Waiter
from ProxyPatternPool._runtime.environment import Environment
from ProxyPatternPool._runtime.owner import here
from ProxyPatternPool._scheduler.process import using_scheduler

from .clock import FakeScheduler, HandMovedClock
from .diary import Auditor

AVAIL, WARN, KILL, LIFE = 100.0, 200.0, 300.0, 500.0
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
        self.alarm = math.inf  # when it wakes by itself, to try what a back-off forbids now

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

    @initialize(
        bound=st.integers(1, 4),
        least=st.integers(0, 2),
        longest=st.none() | st.integers(0, 3),
        retter=st.booleans(),
        mortal=st.booleans(),
        before_get=st.sampled_from([None, 0.0, 60.0]),
        observed=st.booleans(),
    )
    def open(
        self,
        bound: int,
        least: int,
        longest: int | None,
        retter: bool,
        mortal: bool,
        before_get: float | None,
        observed: bool,
    ) -> None:
        logging.getLogger("ppp").setLevel(logging.CRITICAL)
        self.clock = HandMovedClock()
        self.scheduler = FakeScheduler(Environment(clock=self.clock))
        self.bound = self.most = bound
        self.longest = longest
        self.auditor = Auditor()
        self.observed = observed
        self.stale: list[Thing] = []
        self.alive: list[Thing] = []
        self.closed: list[Thing] = []
        self.wrong: list[str] = []
        self.fails = self.unhealthy = False
        self.pool: Pool[Thing] | None = None
        with using_scheduler(self.scheduler):
            self.pool = Pool(
                self.make,
                bound,
                min(bound, least),
                max_use=MAX_USE,
                max_waiting=longest,
                max_lifetime=LIFE if mortal else 0.0,
                health_before_get=before_get,
                max_avail_delay=AVAIL,
                max_using_delay=WARN,
                max_using_delay_kill=KILL,
                opener=self.user_code,
                getter=self.user_code,
                retter=self.user_code if retter else None,
                closer=self.close_thing,
                health=self.healthy,
                stats=self.user_code,
                observer=self.auditor if observed else None,
            )
        self.core = self.pool._core
        self.ledger = self.core.ledger
        self.lent: list[Thing] = []
        self.waiting: list[tuple[Waiter[Thing], Signal]] = []
        self.permits: list[tuple[Waiter[Thing], Entry[Thing]]] = []
        self.gets = self.returns = self.turned_down = self.timeouts = self.refused = 0
        self.shut = False

    # The user's code: the factory as oracle. It is never called with the lock held (property 5). ----------

    def _expect(self, fine: bool, what: str) -> None:
        """Note what is wrong in a hook: what a hook raises the pool takes for an error of the user's."""
        if not fine:
            self.wrong.append(what)

    def _not_locked(self) -> None:
        if self.pool is not None:
            free = self.core.guard.lock.acquire(False)
            self._expect(free, "the user's code is called with the lock held")
            if free:
                self.core.guard.lock.release()

    def user_code(self, thing: Thing) -> None:
        self._not_locked()
        self._expect(any(thing is one for one in self.alive), "a hook is called with an object that is closed")

    def make(self, serial: int) -> Thing:
        self._not_locked()
        self._expect(len(self.alive) < self.most, "more objects than places")
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
        self._expect(not any(thing is one for one in self.lent), "checked while lent")
        return not self.unhealthy

    @staticmethod
    def _drop(things: list[Thing], thing: Thing) -> None:
        things[:] = [one for one in things if one is not thing]

    def _is_lent(self, thing: Thing) -> bool:
        return any(thing is one for one in self.lent)

    def _lend(self, entry: Entry[Thing]) -> Thing:
        assert not self._is_lent(entry.obj), "lent to two owners"
        assert any(entry.obj is one for one in self.alive), "lent after it was closed"
        assert not any(entry.obj is one for one in self.stale), "lent after a drain"
        assert self.clock() < entry.expires, "lent after its time"
        self.lent.append(entry.obj)
        self.gets += 1
        return entry.obj

    def _turned_down(self, closed: int) -> None:
        """What was closed since within a loan: it was lent, and not accepted."""
        number = len(self.closed) - closed
        self.gets += number
        self.returns += number
        self.turned_down += number

    def _serve(self, entry: Entry[Thing] | None, waiter: Waiter[Thing], signal: Signal) -> list[Thing]:
        """Somebody got an entry, a permit or nothing: as he who borrows does it, but for the sleep."""
        while entry is not None and entry.stage is Stage.LIVE and (why := self.ledger.too_old(entry, self.clock())):
            assert self.clock() >= self.ledger.quick_gets_until
            assert self.core.guard.locked(self.ledger.reject, entry, waiter.use, why)
            entry, waiter, signal = self._ask_again(entry)
        if entry is None:
            signal.alarm = self.clock() + self.ledger.backoff.left_to_sleep(self.clock())
            return []
        self.waiting = [pair for pair in self.waiting if pair[0] is not waiter]
        if entry.stage is Stage.CREATING:
            self.permits.append((waiter, entry))
            return []
        return [self._lend_and_tell(entry)]

    def _lend_and_tell(self, entry: Entry[Thing]) -> Thing:
        self.core.notifier.lent(entry, 0.0)
        return self._lend(entry)

    def _ask_again(self, dropped: Entry[Thing]) -> tuple[Entry[Thing] | None, Waiter[Thing], Signal]:
        signal = Signal()
        waiter = Waiter[Thing](here().owner, None, signal)
        closed = len(self.closed)
        entry = self.core.guard.locked(lambda: self.ledger.ask(self.clock(), waiter, again=True))
        if entry is None:  # in front, behind those who ask again as well, and those who are served, who have left
            self.waiting.insert(sum(other.served or other.again for other, _ in self.waiting), (waiter, signal))
        run(self.core.objects.close_and_free(dropped))
        self._turned_down(closed)
        return entry, waiter, signal

    # Borrowing and waiting. -----------------------------------------------------------------------------

    @rule(target=borrowed)
    def get(self) -> Thing | MultipleResults[Thing]:
        """Somebody wants an object, and would wait for it."""
        assert self.pool is not None
        hottest = self.ledger.shelves()[-1:]
        signal = Signal()
        waiter = Waiter[Thing](here().owner, None, signal)
        try:
            entry = self.core.guard.locked(self.ledger.ask, self.clock(), waiter)
        except Closed:
            assert self.shut
            return multiple()
        assert not self.shut
        if entry is None:
            assert not hottest, "waits beside an idle object"
            in_line = len([w for w, _ in self.waiting if not w.served])
            assert (waiter.refused is not None) == (self.longest is not None and in_line >= self.longest)
            if waiter.refused is not None:
                self.refused += 1
                self._abandon(waiter)
                return multiple()
            self.waiting.append((waiter, signal))
        else:
            assert entry.stage is Stage.CREATING or [entry] == hottest, "the hottest is lent first"
        return multiple(*self._serve(entry, waiter, signal))

    @rule(target=borrowed, unhealthy=st.booleans(), fails=st.booleans())
    def get_now(self, unhealthy: bool, fails: bool) -> Thing | MultipleResults[Thing]:
        """Somebody wants an object now or never, through the front door."""
        assert self.pool is not None
        before = self.clock()
        closed = len(self.closed)
        self.unhealthy, self.fails = unhealthy, fails
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
        except Broken:
            return multiple()
        finally:
            self.unhealthy = self.fails = False
            self._turned_down(closed)
            assert self.clock() == before, "waited, with a timeout of 0"
        return self._lend(self.ledger.using[id(thing)])

    @precondition(lambda self: any(signal.rung for _, signal in self.waiting))
    @rule(target=borrowed, which=st.integers(0, 9))
    def wake_up(self, which: int) -> Thing | MultipleResults[Thing]:
        """One of those who were woken looks what there is."""
        woken = [pair for pair in self.waiting if pair[1].rung]
        pair = woken[which % len(woken)]
        waiter, signal = pair
        signal.rung = False
        try:
            entry = self.core.guard.locked(self.ledger.answer, waiter, self.clock())
        except Closed:
            assert self.shut
            self.waiting.remove(pair)
            self._abandon(waiter)
            return multiple()
        if entry is not None:
            self.waiting.remove(pair)
        return multiple(*self._serve(entry, waiter, signal))

    @precondition(lambda self: self.waiting)
    @rule(which=st.integers(0, 9))
    def give_up(self, which: int) -> None:
        """A waiter times out, or something is thrown into it."""
        self._abandon(self.waiting.pop(which % len(self.waiting))[0])

    def _abandon(self, waiter: Waiter[Thing]) -> None:
        doomed = self.core.guard.locked(self.ledger.withdraw, waiter, self.clock())
        if doomed is not None:
            run(self.core.objects.close_and_free(doomed))

    # Creating. ------------------------------------------------------------------------------------------

    @precondition(lambda self: self.permits)
    @rule(target=borrowed, fails=st.booleans(), patient=st.booleans(), which=st.integers(0, 9))
    def create(self, fails: bool, patient: bool, which: int) -> Thing | MultipleResults[Thing]:
        """Somebody who may create an object does, or fails; then he gives up, or waits on in front."""
        waiter, entry = self.permits.pop(which % len(self.permits))
        self.fails = fails
        try:
            run(self.core.objects.create(entry))
            self.core.guard.locked(self.ledger.admit, entry, self.clock(), waiter)
        except (Broken, Closed):
            if fails and patient and not self.shut:
                return multiple(*self._serve(*self._ask_again(entry)))
            self._abandon(waiter)
            return multiple()
        finally:
            self.fails = False
        return self._lend_and_tell(entry)

    @precondition(lambda self: self.permits)
    @rule()
    def die_with_a_permit(self) -> None:
        """Somebody who may create an object is never heard of again."""
        self.permits.pop()
        gc.collect()
        self.core.returns.read_mailbox()
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
        closed = len(self.closed)
        try:
            lease = self.pool.lease(0)
        except (TimeOut, PoolClosed) as error:
            self.timeouts += isinstance(error, TimeOut)
            return
        finally:
            self._turned_down(closed)
        self.gets += 1
        self.returns += 1
        del lease
        self.core.returns.read_mailbox()
        self.core.run_chores()

    @precondition(lambda self: self.ledger.idle)
    @rule()
    def lose(self) -> None:
        """An entry is taken, and whoever took it is interrupted before anything else."""
        entry = self.ledger.idle.pop()
        del entry
        self.core.returns.read_mailbox()
        self.core.run_chores()

    # Maintenance. -------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([HEAD_START / 2, HEAD_START, 50.0, AVAIL, WARN, KILL]))
    def time_passes(self, seconds: float) -> None:
        self._advance(seconds)

    def _advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        for _, signal in self.waiting:
            if signal.alarm <= self.clock():
                signal.alarm, signal.rung = math.inf, True

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
        """Maintenance comes by: what is overdue goes, and nothing else does."""
        assert self.pool is not None
        now = self.clock()
        overdue = self._overdue()
        spare = self.ledger.places.nspare
        old = [entry.obj for entry in self.ledger.shelves() if now - entry.last_ret >= AVAIL][: max(0, spare)]
        was_shut = self.shut
        self.unhealthy, self.fails = unhealthy, fails
        self.pool.housekeep()
        self.scheduler.run()
        self.unhealthy = self.fails = False
        self._killed(overdue)
        if was_shut:
            return
        if self.core.config.max_lifetime is None:  # else others may have gone, and these were not to spare any more
            for thing in old:
                assert any(thing is one for one in self.closed), "not expired in time"
        assert all(now < entry.expires for entry in self.ledger.shelves()), "idle after its time"
        if unhealthy and not self.ledger.waiters:
            least = 0 if fails else self.core.config.min_size
            assert self.ledger.nidle <= max(least, 0), "an unhealthy object stays"
        for thing in self.lent:
            assert any(thing is one for one in self.alive), "closed while lent, and not overdue"

    @precondition(lambda self: not self.shut)
    @rule()
    def refill(self) -> None:
        """Maintenance tops the pool up to its least size, when the back-off is over."""
        self._advance(5.0)
        overdue = self._overdue()
        self.scheduler.look_at(self.core)
        self._killed(overdue)
        # Of two who wait for the end of a back-off the caller comes first.
        assert not self.ledger.wants_refill() or not self.ledger.backoff.allows(self.clock())

    # Operators. -----------------------------------------------------------------------------------------

    @precondition(lambda self: not self.shut)
    @rule()
    def drain(self) -> None:
        """What exists now is not lent again."""
        assert self.pool is not None
        self.stale = list(self.alive)
        self.pool.drain()
        assert not any(entry.obj is one for entry in self.ledger.shelves() for one in self.stale)

    @rule()
    def clear(self) -> None:
        """What is idle goes."""
        assert self.pool is not None
        idle = [entry.obj for entry in self.ledger.shelves()]
        self.pool.clear()
        assert all(any(thing is one for one in self.closed) for thing in idle)
        assert not self.ledger.nidle

    @rule(bound=st.integers(1, 4), least=st.integers(0, 2))
    def resize(self, bound: int, least: int) -> None:
        """Other bounds: growing serves waiters, shrinking closes what is idle; what is lent and being made stays."""
        assert self.pool is not None
        self.most = max(bound, self.most)
        self.bound = bound
        self.pool.resize(min_size=min(bound, least), max_size=bound)
        for thing in self.lent:
            assert any(thing is one for one in self.alive), "closed while lent"

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
        """1. Objects alive never exceed the bound, those being created included; after it fell, the number then."""
        assert len(self.alive) + len(self.permits) <= len(self.ledger.places) <= self.most
        self.most = max(self.bound, len(self.ledger.places))
        assert len(self.ledger.places) <= self.bound or not self.ledger.nidle, "too many, and some are idle"

    @invariant()
    def called_rightly(self) -> None:
        """Hooks are called with nothing locked, and with objects that exist."""
        assert self.wrong == []

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
        if asleep and self.ledger.places.has_room() and not awake:
            assert not self.ledger.backoff.allows_callers(self.clock()), "a place is free and nobody may create"
            assert any(signal.alarm < math.inf for _, signal in self.waiting), "nobody will try again"

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

    @invariant()
    def observed_rightly(self) -> None:
        """The books of an observer, who knows only what it is told, say the same as the pool's."""
        assert self.pool is not None
        stats, auditor = self.pool.stats(), self.auditor
        assert stats["nrefused"] == self.refused
        assert not auditor.wrong
        assert stats["observer_errors"] == 0
        if not self.observed:
            return
        assert sorted(auditor.alive) == sorted(map(id, self.alive))
        assert sorted(auditor.lent_now) == sorted(map(id, self.lent))
        assert len(auditor.created_so_far) == stats["ncreated"]
        assert len(auditor.loans) == stats["nuses"] - self.turned_down
        assert len(auditor.reasons) == stats["ndestroys"]
        assert len(auditor.timeouts) == stats["ntimeouts"]
        assert len(auditor.failed_creations) == stats["nerrors"]
        counts: Mapping[str, object] = stats
        assert {key: auditor.reasons.count(reason) for key, reason in ENDS.items()} == {
            key: counts[key] for key in ENDS
        }
        assert auditor.reasons.count("health") == stats["bad_health"]

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
        self.core.returns.read_mailbox()
        self.core.run_chores()
        assert not self.alive
        assert not self.ledger.places
        assert not self.auditor.alive
        assert not self.auditor.lent_now
        assert not self.auditor.wrong
        assert self.wrong == []


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
