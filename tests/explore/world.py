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


class Thing:
    """An object of the pool."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.users = 0
        self.closed = False
        self.stale = False
        """Whether it is not to be lent any more: a drain that has ended found it."""

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
        guard.allocate_lock = lambda: Lock(machine)
        guard.get_ident = lambda: machine.current.index + 1 if machine.active else -1
        loans = library["_engine.loans"]
        loans.yield_processor = None if gil else partial(machine.touch, "processor", "yield")
        loans.YIELDS = 1  # each turn does the same
        library["_scheduler.process"]._current = self.scheduler
        parameters = {"timeout": None, "hk_delay": None, **parameters}
        self.pool: Pool[Thing] = library[""].Pool(self.make, max_size, closer=self.close, **parameters)
        self.core: Any = self.pool._core
        self.lent = [self.pool.get() for _ in range(lent)]
        self.leases = [self.pool.lease() for _ in range(leased)]
        self.kept = [self.pool.get() for _ in range(kept)]
        self.shared = self.pool.get() if shared else Thing(0)
        others = [self.pool.get() for _ in range(idle)]
        for thing in (*self.lent, *self.kept, *(lease.obj for lease in self.leases)):
            thing.users = 1
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

    def let_loans_grow_old(self, seconds: float) -> None:
        """Have time pass after the loans that there are have begun."""
        self.machine.now += seconds

    def expect(self, so: bool, what: str) -> None:
        if not so:
            self.broken.append(what)

    # The oracle. -------------------------------------------------------------------------------------

    def make(self, number: int) -> Thing:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("refused")
        self.expect(len(self.alive) < self.bound, "more objects are alive than there may be")
        self.made += 1
        thing = Thing(self.made)
        self.alive.append(thing)
        return thing

    def close(self, thing: Thing) -> None:
        self.machine.touch(thing.number, "use")
        self.expect(not thing.closed, f"{thing} is closed twice")
        thing.closed = True
        if thing in self.alive:
            self.alive.remove(thing)

    def begin_use(self, thing: Thing) -> None:
        """Somebody was lent an object."""
        thing.users += 1
        self.events.append((self.machine.current.index, thing.number))
        self.expect(thing.users == 1, f"{thing} is lent to two at a time")
        self.machine.touch(thing.number, "use")
        self.expect(not thing.closed, f"{thing} is lent, and closed")

    def end_use(self, thing: Thing) -> None:
        """Somebody is about to give it back."""
        thing.users -= 1

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
        return self.scheduler.look()

    def raise_broken(self) -> None:
        if self.broken:
            raise Broken(self.broken[0])

    def check_sleepers(self) -> None:
        ledger = self.core.ledger
        sleeping = [waiter for waiter in ledger.waiters.queue if not waiter.served]
        if not sleeping:
            return
        if ledger.closed:
            raise Broken("somebody sleeps though the pool is closed")
        if ledger.shelves.nidle:
            raise Broken("somebody sleeps beside an idle object")
        if ledger.places.has_room() and ledger.backoff.allows_callers(self.machine.now):
            raise Broken("somebody sleeps beside a free place")

    def check_at_end(self) -> None:
        """All threads have ended: nothing is lost, and after a close nothing is left."""
        self.raise_broken()
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
        pool.shutdown()
        self.scheduler.look()
        for thing in [thing for thing in self.alive if thing.users]:
            self.end_use(thing)
            pool.ret(thing)
        self.scheduler.look()
        self.raise_broken()
        if self.alive:
            raise Broken(f"{self.alive} not closed in the end")
