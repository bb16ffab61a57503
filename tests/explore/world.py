"""One run of a scenario: a small pool, its factory, which is the oracle, and what has to hold."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from ProxyPatternPool import Pool
from ProxyPatternPool._ledger.ledger import HEAD_START

from .library import Library
from .threads import Lock, Nap


class Broken(AssertionError):
    """Something does not hold that is promised."""


LIFETIME = 100.0
"""Seconds, where lifetimes are limited."""
YOUNGEST_END = 95.0
"""The seconds that each object lives then, whatever its luck."""
TURNED_DOWN = frozenset({"drained", "health", "max_lifetime"})
"""Why callers turn down what they are lent: loans that are counted, and of which the borrower knows nothing."""
A_LITTLE = 1e-6
"""Seconds, for sums of times that are not exact."""


class Thing:
    """An object of the pool."""

    def __init__(self, number: int, now: float) -> None:
        self.number = number
        self.users = 0
        self.closed = False
        self.stale = False
        """Whether it is not to be lent any more: a drain that has ended found it."""
        self.sick = False
        """Whether it is not to be lent any more: a health check said so."""
        self.made_at = self.idle_since = now
        self.first_lent = math.inf
        """Its lifetime had begun by then."""

    def __repr__(self) -> str:
        return f"thing {self.number}"


class Scheduler:
    """What the pool knows as its scheduler: it notes who asks for a look."""

    def __init__(self, environment: Any) -> None:
        self.environment = environment
        self.clock: Callable[[], float] = environment.clock
        self.asked: deque[Any] = deque()
        self.paused_at = -math.inf
        self.has_threads = True

    def register(self, maintained: object) -> None:
        pass

    def keep_alive(self, maintained: object) -> None:
        pass

    def let_go(self, maintained: object) -> None:
        pass

    def watch(self, maintained: object) -> bool:
        self.asked.append(maintained)
        return True

    def request_look(self, maintained: object) -> None:
        self.asked.append(maintained)

    def run_in_thread(self, name: str, job: Callable[[], None]) -> bool:
        return True

    def look(self) -> bool:
        """Look at every pool that asks for it, until none does; say whether one did."""
        looked = False
        while self.asked:
            asked = self.asked.popleft()
            core: Any = asked() if callable(asked) else asked
            if core is not None:
                looked = True
                core.run_due()
                core.run_chores()
        return looked


def _start_none(run: Callable[[], None]) -> bool:
    return False


class World:
    """A pool, and what its factory knows."""

    def __init__(
        self,
        library: Library,
        *,
        gil: bool,
        max_size: int,
        lent: int = 0,
        leased: int = 0,
        shared: bool = False,
        kept: int = 0,
        idle: int = 0,
        checked: bool = False,
        **parameters: Any,
    ) -> None:
        self.machine = machine = library.machine
        machine.now = 1000.0
        self.pool_closed: type[Exception] = library[""].PoolClosed
        self.time_out: type[Exception] = library[""].TimeOut
        self.alive: list[Thing] = []
        self.made = 0
        self.bound = max_size
        self.failures = 0
        """How many creations are to fail."""
        self.illnesses = 0
        """How many health checks are to say no."""
        self.limits = parameters
        self.passed = 0.0
        """Seconds that have passed while threads were in the middle of something."""
        self.nlent = self.nclosed = self.ntimeouts = self.nturned_down = 0
        self.closed = False
        """Whether a close has ended: whoever comes now gets nothing."""
        self.broken: list[str] = []
        self.events: list[tuple[int, int]] = []
        """Who was lent what, in their order."""
        environment = library["_runtime.environment"].Environment(
            clock=machine.clock,
            wall_clock=lambda: 0.0,
            random=lambda: 0.5,
            new_sleeper=self._new_nap,
            current_hub=lambda: None,
            start_thread=_start_none,
        )
        self.scheduler = Scheduler(environment)
        guard = library["_engine.guard"]
        self.locks: list[Lock] = []
        guard.allocate_lock = self._new_lock
        guard.get_ident = lambda: machine.current.index + 1 if machine.active else -1
        loans = library["_engine.loans"]
        loans.yield_processor = None if gil else partial(machine.touch, "processor", "yield")
        loans.YIELDS = 1  # each turn does the same
        library["_scheduler.process"]._current = self.scheduler
        parameters = {"timeout": None, "hk_delay": None, **parameters}
        if checked:
            parameters["health"] = self.check
        self.pool: Pool[Thing] = library[""].Pool(self.make, max_size, closer=self.close, **parameters)
        self.core: Any = self.pool._core
        self.lent = [self.pool.get() for _ in range(lent)]
        self.leases = [self.pool.lease() for _ in range(leased)]
        self.kept = [self.pool.get() for _ in range(kept)]
        self.shared = self.pool.get() if shared else Thing(0, machine.now)
        others = [self.pool.get() for _ in range(idle)]
        for thing in (*self.lent, *self.kept, *(lease.obj for lease in self.leases)):
            thing.users = 1
        self.nlent = lent + leased + kept + shared + idle
        for thing in self.alive:
            thing.first_lent = machine.now
        for thing in others:
            self.pool.ret(thing)
        machine.now += 1.0
        self.scheduler.look()
        self.shared.users = int(shared)
        self._made_before = self.made
        self._joined: list[tuple[int, Any]] = []  # the waiters of threads that have queued, in their order
        library["_ledger.queue"].WaitQueue.join = self._note_join(library.join)

    def _new_nap(self, lost: Callable[[], None] | None = None, /) -> Nap:
        return Nap(self.machine)

    def _new_lock(self) -> Lock:
        self.locks.append(Lock(self.machine))
        return self.locks[-1]

    def let_time_pass(self, seconds: float) -> None:
        """Have time pass: before the threads begin, or as a step of one of them."""
        self.machine.advance(seconds)
        self.passed += seconds

    def expect(self, so: bool, what: str) -> None:
        if not so:
            self.broken.append(what)

    # The oracle. -------------------------------------------------------------------------------------

    def _begin_hook(self, what: str) -> None:
        self.expect(not any(lock.is_mine for lock in self.locks), f"{what} is called with the pool's lock held")

    def make(self, number: int) -> Thing:
        self._begin_hook("the factory")
        if self.failures:
            self.failures -= 1
            raise ConnectionError("refused")
        self.expect(len(self.alive) < self.bound, "more objects are alive than there may be")
        self.made += 1
        thing = Thing(self.made, self.machine.now)
        self.alive.append(thing)
        return thing

    def close(self, thing: Thing) -> None:
        self._begin_hook("the closer")
        self.machine.touch(thing.number, "use")
        self.expect(not thing.closed, f"{thing} is closed twice")
        thing.closed = True
        self.nclosed += 1
        if thing in self.alive:
            self.alive.remove(thing)
        self._check_reason(thing)

    def _check_reason(self, thing: Thing) -> None:
        """See that an object is closed for a reason that holds."""
        # Not as the library itself reads them, which would be a step of this thread.
        entries = [place() for place in self.core.ledger.places._taken.values()]
        reasons = [entry.reason for entry in entries if entry is not None and getattr(entry, "obj", None) is thing]
        self.expect(bool(reasons), f"the place of {thing} is free before it is closed")
        reason, now = next(iter(reasons), None), self.machine.now
        self.nturned_down += reason in TURNED_DOWN
        self.expect(reason != "interrupted", f"{thing} was lost on the way")
        if reason == "idle":
            long = now >= thing.idle_since + self.limits["max_avail_delay"] - A_LITTLE
            self.expect(long and not thing.users, f"{thing} is closed as idle for too long, and was used just now")
        elif reason == "max_lifetime":
            self.expect(now >= thing.made_at + YOUNGEST_END, f"{thing} is closed before the end of its lifetime")

    def check(self, thing: Thing) -> bool:
        """Say whether an object is healthy."""
        self._begin_hook("the health check")
        self.machine.touch(thing.number, "use")
        self.expect(not thing.closed, f"{thing} is checked, and closed")
        self.expect(not thing.users, f"{thing} is checked while it is used")
        if self.illnesses:
            self.illnesses -= 1
            thing.sick = True
        return not thing.sick

    def lend(self, get: Callable[[], Thing], timeout: float | None = None) -> Thing | None:
        """Have the current thread borrow an object; ``None`` if it gets none."""
        closed, stale = self.closed, [thing for thing in self.alive if thing.stale]
        start, passed = self.machine.now, self.passed
        late = [thing for thing in self.alive if start >= thing.first_lent + LIFETIME]
        thing: Thing | None = None
        try:
            thing = get()
        except self.time_out:
            self.ntimeouts += 1
            early = timeout is None or self.machine.now < start + timeout - A_LITTLE
            self.expect(not early, "somebody gives up before his time is over")
        except (self.pool_closed, ConnectionError):
            pass
        took = self.machine.now - start - (self.passed - passed)
        self.expect(timeout is None or took <= timeout + A_LITTLE, f"get({timeout}) has taken {took:g} s")
        if thing is not None:
            self.expect(not closed, "somebody was lent an object after the close")
            self.expect(thing not in stale, f"{thing} is lent after the drain")
            self.expect("max_lifetime" not in self.limits or thing not in late, f"{thing} is lent after its lifetime")
            self.expect(not thing.sick, f"{thing} is lent after a health check said no")
            self.begin_use(thing)
            self.check_order(thing)
        return thing

    def begin_use(self, thing: Thing) -> None:
        """Somebody was lent an object."""
        self.nlent += 1
        thing.first_lent = min(thing.first_lent, self.machine.now)
        thing.users += 1
        self.events.append((self.machine.current.index, thing.number))
        self.expect(thing.users == 1, f"{thing} is lent to two at a time")
        self.machine.touch(thing.number, "use")
        self.expect(not thing.closed, f"{thing} is lent, and closed")

    def end_use(self, thing: Thing) -> None:
        """Somebody is about to give it back."""
        thing.users -= 1
        thing.idle_since = self.machine.now

    def _note_join(self, join: Callable[..., None]) -> Callable[..., None]:
        def joined(queue: Any, waiter: Any, now: float, *, in_front: bool = False) -> None:
            self._joined.append((self.machine.current.index, waiter))
            join(queue, waiter, now, in_front=in_front)

        return joined

    def check_order(self, thing: Thing) -> None:
        """A thread that has queued was lent an object: nobody who had come before still sleeps."""
        threads = [thread for thread, _ in self._joined]
        me = self.machine.current.index
        entry = self.core.shelves.using.get(id(thing))
        if me not in threads or entry is None or thing.number > self._made_before:
            return
        for thread, waiter in self._joined[: threads.index(me)]:
            waits = thread != me and waiter.since is not None and not waiter.served and not waiter.sleeper.roused
            long = waits and waiter.since <= entry.last_get - HEAD_START
            self.expect(not long, "somebody was served before one who had come earlier")

    # What has to hold. -------------------------------------------------------------------------------

    def at_rest(self) -> bool:
        """Nobody can go on: see that nobody should, and do maintenance; say whether there was any to do."""
        self.raise_broken()
        self.check_sleepers()
        self._check_orphans()
        return self.scheduler.look()

    def raise_broken(self) -> None:
        if self.broken:
            raise Broken(self.broken[0])

    def check_sleepers(self) -> None:
        ledger = self.core.ledger
        for _, waiter in self._joined:
            gone = waiter.served or waiter not in ledger.waiters.queue
            if gone and waiter.since is not None and not waiter.sleeper.roused:
                raise Broken("somebody sleeps who was served, or whom nobody would find")  # until his time is over
        sleeping = [waiter for waiter in ledger.waiters.queue if not waiter.served]
        if not sleeping:
            return
        if ledger.closed:
            raise Broken("somebody sleeps though the pool is closed")
        if ledger.shelves.nidle:
            raise Broken("somebody sleeps beside an idle object")
        if ledger.places.has_room() and ledger.backoff.allows_callers(self.machine.now):
            raise Broken("somebody sleeps beside a free place")

    def _check_orphans(self) -> None:
        ledger = self.core.ledger
        # A closed pool leaves to it the permits of creations that have not begun.
        if ledger.mailbox.orphans and not ledger.closed:
            raise Broken("an entry was lost on the way")

    def _check_counters(self) -> None:
        """See that the pool has counted what the factory and its callers know."""
        ledger, places = self.core.ledger, self.core.ledger.places
        for name, number, counted in (
            ("made", self.made, places.ncreated),
            ("closed", self.nclosed, places.ndestroys),
            ("timed out", self.ntimeouts, ledger.ntimeouts),
        ):
            if counted != number:
                raise Broken(f"{counted} were counted that have {name}, and not {number}")
        if not self.nlent <= places.nuses <= self.nlent + self.nturned_down:
            raise Broken(f"{places.nuses} loans are counted: {self.nlent}, and {self.nturned_down} turned down")

    def _check_lifetimes(self) -> None:
        """See that what is idle after its lifetime is not lent to whoever comes."""
        shelves, now = self.core.shelves, self.machine.now
        for thing in [entry.obj for entry in shelves.idle_entries()]:
            if now >= thing.first_lent + LIFETIME and now < shelves.quick_gets_until:
                raise Broken(f"{thing} is idle after its lifetime, and nobody would look")

    def check_at_end(self) -> None:
        """All threads have ended: nothing is lost, and after a close nothing is left."""
        self.raise_broken()
        self._check_orphans()
        if any(entry.obj.stale for entry in self.core.shelves.idle_entries()):
            raise Broken("an object from before a drain is idle")
        self.scheduler.look()
        ledger, pool = self.core.ledger, self.pool
        used = sum(thing.users for thing in self.alive)
        if len(ledger.waiters):
            raise Broken("somebody is in the queue who does not wait")
        if len(ledger.places) != len(self.alive):
            raise Broken(f"{len(ledger.places)} places are taken, and {len(self.alive)} objects alive")
        if len(ledger.shelves.using) != used:
            raise Broken(f"{len(ledger.shelves.using)} objects are lent, and {used} used")
        idle = ledger.shelves.idle_entries()
        if len({id(entry) for entry in idle}) != len(idle):
            raise Broken("an object is idle twice")
        if len(idle) + used != len(self.alive):
            raise Broken(f"{len(self.alive)} objects are alive, {used} used and {len(idle)} idle: some are lost")
        if not ledger.closed and len(self.alive) > ledger.places.config.max_size:
            raise Broken(f"{len(self.alive)} objects are alive after a resize")
        if ledger.validity.nstale and not used:
            raise Broken("an object from before a drain is still there")
        if any(entry.obj.closed for entry in idle):
            raise Broken("an object is idle, and closed")
        self._check_counters()
        if "max_lifetime" in self.limits:
            self._check_lifetimes()
        pool.shutdown()
        self.scheduler.look()
        for thing in [thing for thing in self.alive if thing.users]:
            self.end_use(thing)
            pool.ret(thing)
        self.scheduler.look()
        self.raise_broken()
        if self.alive:
            raise Broken(f"{self.alive} not closed in the end")
