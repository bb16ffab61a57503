"""A model of a pool: what is idle, lent and waited for, and what has to hold after each step."""

import gc
import logging
import math
from collections.abc import Mapping

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
)

from ProxyPatternPool._engine.core import Core
from ProxyPatternPool._inspect.types import ENDS
from ProxyPatternPool._ledger.entry import Entry, Stage
from ProxyPatternPool._ledger.queue import Waiter
from ProxyPatternPool._runtime.environment import Environment
from ProxyPatternPool._runtime.owner import here
from ProxyPatternPool._scheduler.process import using_scheduler

from .clock import FakeScheduler, HandMovedClock
from .diary import Auditor
from .machine_ways import Thing, Threads, Way

AVAIL, WARN, KILL, LIFE = 100.0, 200.0, 300.0, 500.0
MAX_USE = 4


class Broken(Exception):
    """What the factory raises when it is told to."""


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


class Model(RuleBasedStateMachine):
    """The pool, and beside it a model: who is idle in which order, who is lent, who waits."""

    way: type[Way] = Threads

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
        with using_scheduler(self.scheduler):
            self.do = self.way()
            self.pool, self.core = self.do.make_pool(
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
        self.ledger = self.core.ledger
        self.lent: list[Thing] = []
        self.waiting: list[tuple[Waiter[Thing], Signal]] = []
        self.permits: list[tuple[Waiter[Thing], Entry[Thing]]] = []
        self.gets = self.returns = self.turned_down = self.timeouts = self.refused = 0
        self.shut = False

    def run_scheduler(self) -> None:
        """Have all pools looked at that ask for it, also when what was begun for the first of them has ended."""
        while self.scheduler.asked:
            self.do.call(self.scheduler.run)

    # The user's code: the factory as oracle. It is never called with the lock held (property 5). ----------

    def _expect(self, fine: bool, what: str) -> None:
        """Note what is wrong in a hook: what a hook raises the pool takes for an error of the user's."""
        if not fine:
            self.wrong.append(what)

    def _not_locked(self) -> None:
        core: Core[Thing] | None = getattr(self, "core", None)
        if core is not None:  # else the pool is being made
            free = core.guard.lock.acquire(False)
            self._expect(free, "the user's code is called with the lock held")
            if free:
                core.guard.lock.release()

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
        while (
            entry is not None
            and entry.stage is Stage.LIVE
            and (why := self.ledger.validity.why_not_lend(entry, self.clock()))
        ):
            assert self.clock() >= self.ledger.shelves.quick_gets_until
            assert self.core.guard.locked(self.ledger.reject, entry, waiter.use, why)
            entry, waiter, signal = self._ask_again(entry)
        if entry is None:
            signal.alarm = self.clock() + self.ledger.backoff.longest_sleep(self.clock())
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
        entry = self.core.guard.locked(lambda: self.ledger.take_or_queue(self.clock(), waiter, retry=True))
        if entry is None:  # in front, behind those who ask again as well, and those who are served, who have left
            self.waiting.insert(sum(other.served or other.retry for other, _ in self.waiting), (waiter, signal))
        self.do.rest(lambda: self.core.objects.close_and_free(dropped))
        self._turned_down(closed)
        return entry, waiter, signal

    def _abandon(self, waiter: Waiter[Thing]) -> None:
        doomed = self.core.guard.locked(self.ledger.withdraw, waiter, self.clock())
        if doomed is not None:
            self.do.rest(lambda: self.core.objects.close_and_free(doomed))

    # The properties. ------------------------------------------------------------------------------------

    @invariant()
    def bounded(self) -> None:
        """1. Objects alive never exceed the bound, those being created included; after it fell, the number then."""
        assert len(self.alive) + len(self.permits) <= len(self.ledger.places) <= self.most
        self.most = max(self.bound, len(self.ledger.places))
        assert len(self.ledger.places) <= self.bound or not self.ledger.shelves.nidle, "too many, and some are idle"

    @invariant()
    def called_rightly(self) -> None:
        """Hooks are called with nothing locked, and with objects that exist."""
        assert self.wrong == []

    @invariant()
    def owned_once(self) -> None:
        """2. Every object made is idle, or lent to one owner, or was closed once."""
        idle = [entry.obj for entry in self.ledger.shelves.idle_entries()]
        handed = [w.handed.obj for w, _ in self.waiting if w.handed is not None and w.handed.stage is Stage.LIVE]
        lent = [entry.obj for entry in self.ledger.shelves.using.values()]
        assert sorted(map(id, lent)) == sorted(map(id, self.lent))
        assert sorted(map(id, idle + handed + lent)) == sorted(map(id, self.alive))
        assert len({id(thing) for thing in self.closed}) == len(self.closed)

    @invariant()
    def nobody_sleeps_on(self) -> None:
        """3. No waiter sleeps while an object is idle or a place is free."""
        asleep = [waiter for waiter, signal in self.waiting if not signal.rung]
        awake = len(self.waiting) - len(asleep)
        assert not asleep or self.ledger.shelves.nidle <= awake, "an object is idle and nobody comes for it"
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
            assert len(self.ledger.places) == self.ledger.shelves.nidle
            assert self.ledger.places.ncreating == self.ledger.places.nretired == len(self.ledger.waiters) == 0

    @invariant()
    def counted(self) -> None:
        """6. Counters are exact."""
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
        self.pool.shutdown()
        for thing in list(self.lent):
            self.pool.ret(thing)
        for waiter, _ in self.waiting:
            self._abandon(waiter)
        self.permits.clear()
        self.waiting.clear()
        gc.collect()
        self.core.returns.read_mailbox()
        self.do.call(self.core.run_chores)
        assert not self.alive
        assert not self.ledger.places
        assert not self.auditor.alive
        assert not self.auditor.lent_now
        assert not self.auditor.wrong
        assert self.wrong == []
        self.do.close()
