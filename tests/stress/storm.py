"""Two hundred tasks on eight objects: cancelled, timed out, killed, stopped, and books that must balance at the end."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import logging
import os
import random
import sys
import threading
import time
import warnings
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any

import trio

from ProxyPatternPool import AsyncPool, HookError, TimeOut
from ProxyPatternPool._runtime.environment import Environment
from ProxyPatternPool._scheduler.process import using_scheduler
from ProxyPatternPool._scheduler.scheduler import Scheduler
from ProxyPatternPool._scheduler.timing import Timing

from ..unit.diary import Auditor
from .books import at_rest, audit, check_at_end, check_at_rest
from .deaths import deaths_noticed
from .faults import Faults, signalled
from .oracle import CreationFailed, Oracle, Thing

FLAVOURS = ("asyncio", "trio", "uvloop")

TASKS = 200
BOUND = 8
PATIENT = 60.0
"""Seconds within which a waiter must be served: nobody holds anything for longer than milliseconds."""
PERIOD, CALM = 0.6, 0.1
"""Seconds: everyone works, then everyone rests, and maintenance has its turn."""
TURN = 0.01
"""Seconds that a counted turn of the loop takes at least."""
PROMPT = 100
"""Turns of the loop within which a cancelled task must have ended. A turn may take seconds: the process is stopped, and
the collector runs all the time. That no hook holds a cancelled task up is tested in ``test_async_sweep``."""
MOST_TURNS = "most turns until a cancelled task ended"

Job = Callable[[], Coroutine[Any, Any, None]]


class Failed(Exception):
    """What a task raises while it has an object."""


class Loop(ABC):
    """What a storm does with tasks, in a loop of whatever kind."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.did: Counter[str] = Counter()
        self.turns = 0

    @abstractmethod
    async def sleep(self, seconds: float) -> None: ...

    @abstractmethod
    async def in_thread(self, job: Callable[[], object]) -> None: ...

    @abstractmethod
    async def limited(self, seconds: float, job: Job) -> None:
        """Do a job, unless it takes too long."""

    @abstractmethod
    async def cancellable(self, job: Job) -> None:
        """Do a job that ``cancel`` may cancel."""

    @abstractmethod
    def cancel(self, chance: random.Random) -> None:
        """Cancel one of the jobs."""

    @abstractmethod
    async def together(self, jobs: list[Job]) -> None:
        """Do jobs side by side."""

    async def count_turns(self, end: float) -> None:
        """Count how often the loop comes round, until the time is over."""
        while time.monotonic() < end:
            await self.sleep(TURN)
            self.turns += 1

    def note_end(self, cancelled: int) -> None:
        """Note that a task has ended which was cancelled in this turn."""
        late = self.turns - cancelled
        self.did[MOST_TURNS] = max(self.did[MOST_TURNS], late)
        if late > PROMPT:
            self.wrong.append(f"a cancelled task took {late} turns to end")


class AsyncioTasks(Loop):
    """Tasks of asyncio, each cancelled once."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance
        self._jobs: dict[asyncio.Task[None], int | None] = {}
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self.wrong.append(str(context)))
        self._excused: set[asyncio.Task[None]] = set()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def in_thread(self, job: Callable[[], object]) -> None:
        await asyncio.to_thread(job)

    async def limited(self, seconds: float, job: Job) -> None:
        if sys.version_info >= (3, 11) and self._chance.random() < 0.5:
            async with asyncio.timeout(seconds):
                await job()
            return
        task = asyncio.current_task()
        if task is not None and sys.version_info < (3, 12):
            self._excused.add(task)  # there wait_for may return though it was cancelled
        await asyncio.wait_for(job(), seconds)

    async def cancellable(self, job: Job) -> None:
        task = asyncio.create_task(job())
        self._jobs[task] = None
        await asyncio.wait([task])
        cancelled = self._jobs.pop(task)
        excused = task in self._excused
        self._excused.discard(task)
        if cancelled is not None:
            self.note_end(cancelled)
            if task.cancelled():
                self.did["cancelled"] += 1
                return
            if not excused:
                self.wrong.append(f"a cancellation was lost: {task!r}")
        elif task.cancelled():
            self.wrong.append("cancelled by nobody")
            return
        task.result()

    def cancel(self, chance: random.Random) -> None:
        jobs = [task for task, cancelled in self._jobs.items() if cancelled is None]
        if jobs:
            task = chance.choice(jobs)
            if task.cancel():
                self._jobs[task] = self.turns

    async def together(self, jobs: list[Job]) -> None:
        await asyncio.gather(*(job() for job in jobs))


class TrioTasks(Loop):
    """Tasks of trio, each cancelled for good."""

    def __init__(self) -> None:
        super().__init__()
        self._jobs: dict[trio.CancelScope, int | None] = {}

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)

    async def in_thread(self, job: Callable[[], object]) -> None:
        await trio.to_thread.run_sync(job)

    async def limited(self, seconds: float, job: Job) -> None:
        with trio.move_on_after(seconds) as scope:
            await job()
        if scope.cancelled_caught:
            raise TimeoutError

    async def cancellable(self, job: Job) -> None:
        with trio.CancelScope() as scope:
            self._jobs[scope] = None
            try:
                await job()
            finally:
                cancelled = self._jobs.pop(scope)
                if cancelled is not None:
                    self.note_end(cancelled)
        self.did["cancelled"] += scope.cancelled_caught

    def cancel(self, chance: random.Random) -> None:
        jobs = [scope for scope, cancelled in self._jobs.items() if cancelled is None]
        if jobs:
            scope = chance.choice(jobs)
            self._jobs[scope] = self.turns
            scope.cancel()

    async def together(self, jobs: list[Job]) -> None:
        async with trio.open_nursery() as nursery:
            for job in jobs:
                nursery.start_soon(job)


class TaskOracle(Oracle):
    """A factory and hooks that wait, and are cancelled."""

    def __init__(self, loop: Loop, bound: int, seed: int) -> None:
        super().__init__(bound, seed, slow=0.0)
        self.unopened = 0
        self._loop = loop
        self._chances = random.Random(seed)

    async def _wait(self, seconds: float = 0.001) -> None:
        chance = self._chances.random()
        if chance < 0.4:
            await self._loop.sleep(0)
        elif chance < 0.6:
            await self._loop.sleep(self._chances.random() * seconds)

    async def connect(self, serial: int) -> Thing:
        self.take_place(serial)
        try:
            await self._wait()
            if self.chance(0.05):
                raise CreationFailed(serial)
        except BaseException:
            self.give_up_place()
            raise
        return self.new_thing(serial)

    async def begin(self, thing: Thing) -> None:
        try:
            await self._wait()
        except BaseException:
            self.unopened += 1
            raise
        self.open(thing)

    async def lend(self, thing: Thing) -> None:
        self.note_loan(thing)
        await self._wait()
        if self.chance(0.005):
            raise RuntimeError("getter")

    async def reset(self, thing: Thing) -> None:
        await self._wait(0.005)
        self.ret(thing)

    async def check(self, thing: Thing) -> bool:
        if thing.users:
            self.complain("checked while lent")
        await self._wait()
        return self.healthy(thing)

    async def end(self, thing: Thing) -> None:
        try:
            await self._wait(0.01)
        finally:
            self.close(thing)


class Storm:
    """One pool, its oracle, and what is done to it."""

    def __init__(self, loop: Loop, faults: Faults, seconds: float, seed: int) -> None:
        self._loop = loop
        self._seed = seed
        self._end = time.monotonic() + seconds
        self.did: Counter[str] = loop.did
        self.oracle = oracle = TaskOracle(loop, BOUND, seed)
        # Every other pair of runs is without: an observer has all that comes back looked at closely.
        self.auditor = Auditor() if seed // 2 % 2 else None
        environment = Environment(wall_clock=faults.clock, start_thread=faults.starter)
        with using_scheduler(Scheduler(environment, Timing(worker_idle=0.001))):
            self.pool: AsyncPool[Thing] = AsyncPool(
                oracle.connect,
                BOUND,
                2,
                PATIENT,
                name="storm",
                max_use=8,
                max_lifetime=0.05 if seed % 3 else 0.0,
                health_before_get=(None, 0.0, 0.005)[seed // 2 % 3],
                backoff=(0.001, 0.01),
                max_avail_delay=0.01,
                max_using_delay=0.02,
                max_using_delay_kill=0.03,
                opener=oracle.begin,
                getter=oracle.lend,
                retter=oracle.reset,
                closer=oracle.end,
                health=oracle.check,
                stats=lambda thing: thing.serial,
                hook_errors="discard" if seed % 2 else "log",
                observer=self.auditor,
            )

    async def rage(self) -> None:
        """Have it all happen until the time is over, and compare the books."""
        count_turns = partial(self._loop.count_turns, self._end)
        others: list[Job] = [self._cancel_some, self._operate, self._collect_garbage, count_turns]
        await self._loop.together([*(partial(self._work, number) for number in range(TASKS)), *others])
        gc.collect()
        await self.pool.resize(min_size=2, max_size=BOUND)
        until = time.monotonic() + PATIENT
        while not at_rest(self.pool.stats(), 2):
            assert time.monotonic() < until, f"never at rest: {self.pool}"
            await self._loop.sleep(0.001)
        assert not self._loop.wrong, self._loop.wrong[:5]
        check_at_rest(self.pool.stats(), self.oracle)
        await self._serves_at_full_size()
        await self.pool.close(PATIENT)
        self.did.update(check_at_end(self.pool.stats(), self.oracle))
        if self.auditor is not None:
            strict = self.oracle.unopened + self.auditor.failed_creations.count("HookError")
            audit(self.pool.stats(), self.oracle, self.auditor, strict)

    async def _serves_at_full_size(self) -> None:
        """Have all objects lent at once."""
        lent: list[Thing] = []
        while len(lent) < BOUND:
            with suppress(CreationFailed, HookError):
                lent.append(await self.pool.get(PATIENT))
        assert len({id(thing) for thing in lent}) == BOUND
        for thing in lent:
            await self.pool.ret(thing)

    # What tasks do. ----------------------------------------------------------------------------------

    async def _work(self, number: int) -> None:
        chance = random.Random(self._seed * 1000 + number)
        ways: list[Callable[[random.Random], Awaitable[None]]] = [
            self._block,
            self._block,
            self._block,
            self._lease_block,
            self._get,
            self._lease,
            self._dropped,
            self._abandoned,
        ]
        while (now := time.monotonic()) < self._end:
            if now % PERIOD < CALM:
                await self._loop.sleep(CALM)
                self.did["calm"] += 1
                continue
            way = chance.choice(ways)

            async def job(way: Callable[[random.Random], Awaitable[None]] = way) -> None:
                await way(chance)

            limited = chance.random() < 0.3
            try:
                await self._loop.cancellable(
                    partial(self._loop.limited, chance.random() * 0.02, job) if limited else job
                )
            except TimeOut:
                self.did["timed out"] += 1
            except (TimeoutError, asyncio.TimeoutError):
                self.did["limited"] += 1
            except CreationFailed:
                self.did["creation failed"] += 1
            except HookError:
                self.did["hook failed"] += 1
            except Failed:
                self.did["failed"] += 1

    def _timeout(self, chance: random.Random) -> float | None:
        # A patient waiter that is not served is a lost wake-up.
        return None if chance.random() < 0.8 else chance.random() * 0.02

    async def _use(self, thing: Thing, chance: random.Random) -> None:
        thing.users += 1
        if thing.users != 1:
            self.oracle.complain(f"thing {thing.serial} has {thing.users} users")
        try:
            if chance.random() < 0.7:
                await self._loop.sleep(chance.random() * 0.002)
            if chance.random() < 0.002:
                await self._loop.sleep(0.06)  # long enough to be warned about and killed
            if chance.random() < 0.05:
                raise Failed
        finally:
            thing.users -= 1
        self.did["borrowed"] += 1

    async def _block(self, chance: random.Random) -> None:
        async with self.pool.obj(self._timeout(chance)) as thing:
            await self._use(thing, chance)

    async def _lease_block(self, chance: random.Random) -> None:
        async with self.pool.lease(self._timeout(chance)) as lease:
            await self._use(lease.obj, chance)
            if chance.random() < 0.1:
                await lease.discard()

    async def _get(self, chance: random.Random) -> None:
        thing = await self.pool.get(self._timeout(chance))
        try:
            await self._use(thing, chance)
        finally:
            # A task that is cancelled does not wait, and need not.
            _ = self.pool.discard(thing) if chance.random() < 0.1 else self.pool.ret(thing)

    async def _lease(self, chance: random.Random) -> None:
        lease = await self.pool.lease(self._timeout(chance))
        await self._use(lease.obj, chance)
        if chance.random() < 0.2:
            await self._loop.in_thread(lease.release)
        await lease.release()

    async def _dropped(self, chance: random.Random) -> None:
        lease = await self.pool.lease(self._timeout(chance))
        await self._use(lease.obj, chance)
        if chance.random() < 0.5:
            cycle: list[object] = [lease]
            cycle.append(cycle)

    async def _abandoned(self, chance: random.Random) -> None:
        async def generate() -> AsyncGenerator[Thing, None]:
            async with self.pool.obj(self._timeout(chance)) as thing:
                await self._use(thing, chance)
                yield thing

        await generate().__anext__()

    # What others do. -----------------------------------------------------------------------------------

    async def _cancel_some(self) -> None:
        chance = random.Random(self._seed)
        while time.monotonic() < self._end:
            for _ in range(chance.randrange(4)):
                self._loop.cancel(chance)
            await self._loop.sleep(0.001)

    async def _operate(self) -> None:
        chance, pool = random.Random(self._seed), self.pool
        while time.monotonic() < self._end:
            await self._loop.sleep(0.02)
            what = chance.choice(["drained", "cleared", "resized", "resized", "ready", "housekept"])
            if time.monotonic() % PERIOD < CALM and chance.random() < 0.5:
                what = "cleared"  # when there is something idle
            self.did[what] += 1
            if what == "drained":
                await pool.drain()
            elif what == "cleared":
                await pool.clear()
            elif what == "resized":
                await pool.resize(min_size=chance.randrange(3), max_size=chance.randrange(3, BOUND + 1))
            elif what == "ready":
                await pool.wait_ready(PATIENT)
            else:
                await pool.housekeep()

    async def _collect_garbage(self) -> None:
        """Collect it at every chance in a part of the time."""
        threshold = gc.get_threshold()
        try:
            while time.monotonic() < self._end:
                await self._loop.sleep(0.3)
                gc.set_threshold(1)
                await self._loop.sleep(0.1)
                gc.set_threshold(*threshold)
        finally:
            gc.set_threshold(*threshold)


def storm(flavour: str, seconds: float, seed: int) -> dict[str, int]:
    """Run, and give what was done; the seed chooses among some options, too.

    Raises:
        AssertionError: An object was lent twice, a bound exceeded, a wake-up or a cancellation lost, a thread died, or
            a number is wrong.
    """
    # Workers write the lines, to nowhere: for tasks there is little else that needs threads.
    log = logging.getLogger("ppp")
    log.addHandler(logging.NullHandler())
    log.propagate = False
    chance = random.Random(seed)
    did: Counter[str] = Counter()
    faults = Faults(seed, seconds)
    # From the beginning until the first fault of this kind is over: later the scheduler has the threads that it needs.
    faults.starter.refuses = True
    import_module("concurrent.futures.thread")  # asyncio does so late, when no file may be opened
    others = threading.Thread(target=faults.go_on, args=(faults.of_any(),), name="faults", daemon=True)
    wrong: list[str] = []

    async def main() -> None:
        loop: Loop = TrioTasks() if flavour == "trio" else AsyncioTasks(chance)
        if sys.version_info >= (3, 12) and flavour == "asyncio" and seed % 2:
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        storm = Storm(loop, faults, seconds, seed)
        # It takes no lock, and so may come in the middle of a step of the pool.
        with open(os.devnull, "w") as nowhere, signalled(partial(storm.pool.dump, nowhere), faults.did):
            others.start()  # not before the file is open
            await storm.rage()
        wrong.extend(loop.wrong)
        wrong.extend(storm.oracle.wrong)
        did.update(loop.did)

    # Trio says of each asynchronous generator that is abandoned that it was.
    warnings.filterwarnings("ignore", "Async generator", ResourceWarning)
    faulthandler.dump_traceback_later(seconds + 2 * PATIENT, exit=True)
    try:
        with deaths_noticed(wrong.append, lambda _: False):
            if flavour == "trio":
                trio.run(main)
            elif flavour == "uvloop":
                import_module("uvloop").run(main())
            else:
                asyncio.run(main())
            others.join(PATIENT)
            gc.collect()
        assert not others.is_alive(), "the faults have not ended"
        assert not wrong, wrong[:5]
    finally:
        faulthandler.cancel_dump_traceback_later()
    did.update(faults.did)
    return dict(did)
