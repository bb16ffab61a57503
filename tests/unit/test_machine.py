"""The ledger against a simple model, step by step, with a hand-moved clock.

Hypothesis chooses the steps: borrow, wait, give back, discard, drop, lose, create, fail, back off, expire, warn, kill,
check, drain, clear, resize, time out, close. After each of them the properties of the pool must hold, as the model and
the factory see them. Waiters are played, not slept: a step that would block is one entry more in the queue.

PPP_EXAMPLES sets how many sequences are tried.
"""

import gc
import math
import os
import weakref

import pytest
from hypothesis import HealthCheck as Check
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,  # pyright: ignore[reportUnknownVariableType]  # hypothesis leaves it untyped
)

from ProxyPatternPool import PoolClosed, TimeOut
from ProxyPatternPool._ledger.entry import Stage
from ProxyPatternPool._ledger.ledger import HEAD_START, LedgerClosed
from ProxyPatternPool._ledger.queue import Waiter
from ProxyPatternPool._runtime.owner import here

from .helpers import eventually
from .machine_ways import Tasks, TasksOfTrio, Thing
from .model import AVAIL, KILL, WARN, Broken, Model, Signal


class PoolMachine(Model):
    """What may happen to a pool, and to the model beside it."""

    borrowed = Bundle[Thing]("borrowed")

    # Borrowing and waiting. -----------------------------------------------------------------------------

    @rule(target=borrowed)
    def get(self) -> Thing | MultipleResults[Thing]:
        """Somebody wants an object, and would wait for it."""
        hottest = self.ledger.shelves.idle_entries()[-1:]
        signal = Signal()
        waiter = Waiter[Thing](here().owner, None, signal)
        try:
            entry = self.core.guard.locked(self.ledger.take_or_queue, self.clock(), waiter)
        except LedgerClosed:
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
        before = self.clock()
        closed = len(self.closed)
        self.unhealthy, self.fails = unhealthy, fails
        try:
            thing = self.pool.get(0)
        except TimeOut as error:
            message = str(error)
            assert "timeout after 0 seconds" in message
            assert not self.ledger.shelves.nidle
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
        return self._lend(self.ledger.shelves.using[id(thing)])

    @precondition(lambda self: any(signal.rung for _, signal in self.waiting))
    @rule(target=borrowed, which=st.integers(0, 9))
    def wake_up(self, which: int) -> Thing | MultipleResults[Thing]:
        """One of those who were woken looks what there is."""
        woken = [pair for pair in self.waiting if pair[1].rung]
        pair = woken[which % len(woken)]
        waiter, signal = pair
        signal.rung = False
        try:
            entry = self.core.guard.locked(self.ledger.collect, waiter, self.clock())
        except LedgerClosed:
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

    # Creating. ------------------------------------------------------------------------------------------

    @precondition(lambda self: self.permits)
    @rule(target=borrowed, fails=st.booleans(), patient=st.booleans(), which=st.integers(0, 9))
    def create(self, fails: bool, patient: bool, which: int) -> Thing | MultipleResults[Thing]:
        """Somebody who may create an object does, or fails; then he gives up, or waits on in front."""
        waiter, entry = self.permits.pop(which % len(self.permits))
        self.fails = fails
        try:
            self.do.steps(lambda: self.core.objects.create(entry))
            self.core.guard.locked(self.ledger.lend_new, entry, self.clock(), waiter)
        except (Broken, LedgerClosed):
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
        self.do.call(self.core.run_chores)

    # Giving back. ---------------------------------------------------------------------------------------

    @rule(thing=borrowed)
    def ret(self, thing: Thing) -> None:
        """An object comes back, perhaps for the second time, perhaps killed meanwhile."""
        self.returns += self._is_lent(thing)
        self._drop(self.lent, thing)
        self.pool.ret(thing)

    @rule(thing=borrowed)
    def discard(self, thing: Thing) -> None:
        """A broken object comes back."""
        was_lent = self._is_lent(thing)
        self.returns += was_lent
        self._drop(self.lent, thing)
        self.pool.discard(thing)
        assert not was_lent or any(thing is one for one in self.closed)

    @precondition(lambda self: not self.waiting and not self.permits)
    @rule()
    def drop_a_lease(self) -> None:
        """A lease is dropped."""
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
        known = weakref.ref(lease)
        del lease
        # Without a GIL the thread of an event loop may refer to it for a moment still, and is who frees it.
        eventually(lambda: self.do.call(lambda: known() is None))
        self.core.returns.read_mailbox()
        self.do.call(self.core.run_chores)

    @precondition(lambda self: self.ledger.shelves.idle)
    @rule()
    def lose(self) -> None:
        """An entry is taken, and whoever took it is interrupted before anything else."""
        entry = self.ledger.shelves.idle.pop()
        del entry
        self.core.returns.read_mailbox()
        self.do.call(self.core.run_chores)

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
        """What has been lent for too long, in a closed pool, too."""
        now = self.clock()
        return [entry.obj for entry in self.ledger.shelves.using.values() if now - entry.last_get >= KILL]

    def _killed(self, things: list[Thing]) -> None:
        for thing in things:
            assert any(thing is one for one in self.closed), "not killed in time"
            self._drop(self.lent, thing)
            self.returns += 1

    @rule(unhealthy=st.booleans(), fails=st.booleans())
    def housekeep(self, unhealthy: bool, fails: bool) -> None:
        """Maintenance comes by: what is overdue goes, and nothing else does."""
        now = self.clock()
        overdue = self._overdue()
        spare = self.ledger.places.nspare
        idle = self.ledger.shelves.idle_entries()
        old = [entry.obj for entry in idle if now - entry.last_ret >= AVAIL][: max(0, spare)]
        was_shut = self.shut
        self.unhealthy, self.fails = unhealthy, fails
        self.pool.housekeep()
        self.run_scheduler()
        self.unhealthy = self.fails = False
        self._killed(overdue)
        if was_shut:
            return
        if self.core.config.max_lifetime is None:  # else others may have gone, and these were not to spare any more
            for thing in old:
                assert any(thing is one for one in self.closed), "not expired in time"
        assert all(now < entry.expires for entry in self.ledger.shelves.idle_entries()), "idle after its time"
        if unhealthy and not self.ledger.waiters:
            least = 0 if fails else self.core.config.min_size
            assert self.ledger.shelves.nidle <= max(least, 0), "an unhealthy object stays"
        for thing in self.lent:
            assert any(thing is one for one in self.alive), "closed while lent, and not overdue"

    @precondition(lambda self: not self.shut)
    @rule()
    def refill(self) -> None:
        """Maintenance tops the pool up to its least size, when the back-off is over."""
        self._advance(5.0)
        overdue = self._overdue()
        self.do.call(lambda: self.scheduler.look_at(self.core))
        self.run_scheduler()
        self._killed(overdue)
        # Of two who wait for the end of a back-off the caller comes first.
        assert not self.ledger.wants_refill() or not self.ledger.backoff.allows(self.clock())

    # Operators. -----------------------------------------------------------------------------------------

    @precondition(lambda self: not self.shut)
    @rule()
    def drain(self) -> None:
        """What exists now is not lent again."""
        self.stale = list(self.alive)
        self.pool.drain()
        assert not any(entry.obj is one for entry in self.ledger.shelves.idle_entries() for one in self.stale)

    @rule()
    def clear(self) -> None:
        """What is idle goes."""
        idle = [entry.obj for entry in self.ledger.shelves.idle_entries()]
        self.pool.clear()
        assert all(any(thing is one for one in self.closed) for thing in idle)
        assert not self.ledger.shelves.nidle

    @rule(bound=st.integers(1, 4), least=st.integers(0, 2))
    def resize(self, bound: int, least: int) -> None:
        """Other bounds: growing serves waiters, shrinking closes what is idle; what is lent and being made stays."""
        self.most = max(bound, self.most)
        self.bound = bound
        self.pool.resize(min_size=min(bound, least), max_size=bound)
        for thing in self.lent:
            assert any(thing is one for one in self.alive), "closed while lent"

    @precondition(lambda self: not self.shut and self.gets > 5)
    @rule()
    def shutdown(self) -> None:
        self.pool.shutdown()
        self.shut = True
        assert all(signal.rung for _, signal in self.waiting), "a waiter sleeps in a closed pool"


class TaskMachine(PoolMachine):
    """The same with a pool for tasks of asyncio."""

    way = Tasks


class TrioMachine(PoolMachine):
    """The same with a pool for tasks of trio."""

    way = TasksOfTrio


EXAMPLES = int(os.environ.get("PPP_EXAMPLES", "250"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("machine", "examples"), [(PoolMachine, EXAMPLES), (TaskMachine, EXAMPLES // 4), (TrioMachine, EXAMPLES // 4)]
)
def test_machine(machine: type[PoolMachine], examples: int) -> None:
    """Whatever the steps, the properties hold after each."""
    run_state_machine_as_test(  # type: ignore[no-untyped-call]  # as above
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            suppress_health_check=[Check.too_slow, Check.filter_too_much, Check.data_too_large],
        ),
    )
