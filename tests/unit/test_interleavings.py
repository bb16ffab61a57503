"""What two threads do between each other's instructions comes out as if one had waited for the other.

Taking an idle object and putting one back go without the lock, so they may come between any two instructions
of what goes on with it. Here they do: a step is done again and again, and at the first, second, third… place
where the interpreter could have switched threads a borrower takes or gives back. Where he would wait for the
lock, he goes on when the step is over. Afterwards every object is where one thread after the other would have
left it.
"""

from __future__ import annotations

import dis
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager, suppress
from types import CodeType, FrameType
from typing import Any

import pytest
from typing_extensions import Generator

import ProxyPatternPool
from ProxyPatternPool import Lease, Pool, PoolClosed, TimeOut
from ProxyPatternPool._engine.steps import run_rest
from ProxyPatternPool._ledger.entry import Entry
from ProxyPatternPool._ledger.queue import Waiter
from ProxyPatternPool._ledger.sweeps import IN_TRANSIT
from ProxyPatternPool._runtime.environment import Environment
from ProxyPatternPool._runtime.owner import here
from ProxyPatternPool._scheduler.process import using_scheduler

from .clock import FakeScheduler, HandMovedClock
from .helpers import FakeSleeper, Naps, Thing, Works

PACKAGE = ProxyPatternPool.__path__[0]


class Switch:
    """A switch to another thread at one place of the package's code: where a call or a jump back has just been.

    Or, more than any interpreter with a global lock does, before any instruction.
    """

    def __init__(self, place: int, act: Callable[[], None], *, anywhere: bool = False) -> None:
        self._left = place
        self._act = act
        self._anywhere = anywhere
        self._before: dict[FrameType, str] = {}
        self._thread = threading.get_ident()
        self.done = False

    def watches(self, code: CodeType) -> bool:
        """Whether it is code of the package, in the thread of the test: there may be others."""
        return not self.done and code.co_filename.startswith(PACKAGE) and threading.get_ident() == self._thread

    def executes(self, frame: FrameType, offset: int) -> None:
        """A frame is about to execute an instruction."""
        operation = dis.opname[frame.f_code.co_code[offset]]
        if self.done or operation in ("CACHE", "PRECALL", "NOP", "EXTENDED_ARG"):
            return
        before, self._before[frame] = self._before.get(frame, "RESUME"), operation
        if self._anywhere or before.startswith(
            ("RESUME", "CALL", "JUMP_BACKWARD", "JUMP_ABSOLUTE", "POP_JUMP_BACKWARD", "FOR_ITER")
        ):
            if self._left == 0:
                self.done = True  # first: what happens now is not watched
                self._before.clear()
                self._act()
            self._left -= 1


@contextmanager
def switching(switch: Switch) -> Generator[None]:
    """Watch what is done meanwhile in this thread."""
    if sys.version_info >= (3, 12):
        monitoring, tool = sys.monitoring, sys.monitoring.PROFILER_ID + 1
        monitoring.use_tool_id(tool, "switch")

        def look(code: CodeType, offset: int) -> object:
            if switch.watches(code):
                switch.executes(sys._getframe(1), offset)
            return None

        monitoring.register_callback(tool, monitoring.events.INSTRUCTION, look)
        monitoring.set_events(tool, monitoring.events.INSTRUCTION)
        try:
            yield
        finally:
            monitoring.set_events(tool, 0)
            monitoring.free_tool_id(tool)
        return

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if not switch.watches(frame.f_code):
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        if event == "opcode":
            switch.executes(frame, frame.f_lasti)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


class World:
    """A pool, and a borrower in another thread who may have to wait for the lock."""

    def __init__(self, patch: pytest.MonkeyPatch, lent: int, idle: int, age: float, **parameters: Any) -> None:
        self.clock = HandMovedClock()
        self.naps = Naps(self.clock)
        self.scheduler = FakeScheduler(Environment(clock=self.clock, new_sleeper=self.naps.new_sleeper))
        self.works = Works(bound=4)
        with using_scheduler(self.scheduler):
            pool: Pool[Thing] = Pool(self.works.make, lent + idle, 0, closer=self.works.close, **parameters)
        self.pool = pool
        self.ledger = self.pool._core.ledger
        self.lent = [self.pool.get() for _ in range(lent + idle)]
        self.clock.advance(age)
        for _ in range(idle):
            self.pool.ret(self.lent.pop())
            self.clock.advance(age)
        self.blocked: list[Callable[[], None]] = []
        self.waiting: list[Waiter[Thing]] = []
        self.leases: list[Lease[Thing]] = []

    def take(self) -> None:
        """Pool.get, as far as it goes without the lock."""
        entry = self.ledger.shelves.take(self.clock(), here().owner)
        if entry is not None:
            self.lent.append(entry.obj)

    def give_back(self) -> None:
        """Pool.ret, as far as it goes without the lock."""
        thing = self.lent.pop(0)
        entry = self.ledger.shelves.using.pop(id(thing), None)
        if entry is None:
            self.blocked.append(lambda: run_rest(self.pool._core.returns.give_back(thing)))
            return
        put = self.ledger.shelves.put_fast(entry, self.clock())
        if put is not None:
            self.blocked.append(lambda: run_rest(self.pool._core.returns.follow_up(entry, put)))

    def unblock(self) -> None:
        """The lock is free: go on."""
        while self.blocked:
            self.blocked.pop(0)()

    def balance(self) -> None:
        """Check that everything is in one place, and all of it somewhere."""
        self.unblock()
        self.scheduler.run()
        stats = self.pool.stats()
        alive = len(self.works.made) - len(self.works.closed)
        assert stats["nobjs"] == stats["navail"] + stats["nusing"] == alive
        assert stats["nwaiting"] == 0
        assert stats["nborrows"] - stats["nreturns"] == stats["nusing"]
        idle: list[Entry[Thing]] = self.ledger.shelves.idle_entries()
        things = [entry.obj for entry in idle] + [entry.obj for entry in self.ledger.shelves.using.values()]
        assert sorted(thing.number for thing in things) == sorted(thing.number for thing in self.works.alive)
        assert [entry.last_ret for entry in idle] == sorted(entry.last_ret for entry in idle), "out of order"


def take(world: World) -> None:
    world.take()


def give_back(world: World) -> None:
    world.give_back()


def take_and_give_back(world: World) -> None:
    world.take()
    world.lent.reverse()
    world.give_back()


def give_back_and_take(world: World) -> None:
    world.give_back()
    world.take()


def swap_all(world: World) -> None:
    """All that is idle is taken, all that is lent comes back, and some is lent again."""
    lent = len(world.lent)
    for _ in range(world.ledger.shelves.nidle):
        world.take()
    for _ in range(lent):
        world.give_back()
    world.take()


every_act = pytest.mark.parametrize("act", [take, give_back, take_and_give_back, give_back_and_take, swap_all])


def at_every_place(
    make: Callable[[pytest.MonkeyPatch], World],
    step: Callable[[World], object],
    act: Callable[[World], None],
    check: Callable[[World], None] = World.balance,
) -> int:
    """Do a step with an act at each of its places in turn; how many there were."""
    place = 0
    while True:
        with pytest.MonkeyPatch.context() as patch:
            world = make(patch)
            switch = Switch(place, lambda world=world: act(world))  # type: ignore[misc]
            with switching(switch):
                step(world)
            check(world)
        if not switch.done:
            return place
        place += 1


@every_act
def test_expiry(act: Callable[[World], None]) -> None:
    """Objects borrowed or given back while others expire."""

    def make(patch: pytest.MonkeyPatch) -> World:
        return World(patch, lent=2, idle=2, age=6.0, max_avail_delay=10.0)

    assert at_every_place(make, lambda world: world.pool.housekeep(), act) > 20


@every_act
def test_kills(act: Callable[[World], None]) -> None:
    """Objects borrowed or given back while loans are looked at, warned about, and ended."""

    def make(patch: pytest.MonkeyPatch) -> World:
        world = World(patch, lent=2, idle=2, age=6.0, max_using_delay=10.0, max_using_delay_kill=20.0)
        world.clock.advance(3)
        world.take()  # a fresh loan
        world.lent.insert(1, world.lent.pop())
        return world

    assert at_every_place(make, lambda world: world.pool.housekeep(), act) > 20


@every_act
def test_health(act: Callable[[World], None]) -> None:
    """Objects borrowed or given back while others are checked."""

    def make(patch: pytest.MonkeyPatch) -> World:
        def health(thing: Thing) -> bool:
            return thing.number != 2

        return World(patch, lent=1, idle=3, age=1.0, health=health)

    assert at_every_place(make, lambda world: world.pool.housekeep(), act) > 20


@every_act
def test_close(act: Callable[[World], None]) -> None:
    """Objects borrowed or given back while the pool is closed: what comes back is closed, sooner or later."""

    def make(patch: pytest.MonkeyPatch) -> World:
        return World(patch, lent=2, idle=2, age=1.0)

    def check(world: World) -> None:
        world.balance()
        assert world.pool.stats()["navail"] == 0
        while world.lent:
            world.give_back()
            world.unblock()
        assert world.works.alive == []
        assert world.pool.stats()["nobjs"] == 0

    assert at_every_place(make, lambda world: world.pool.shutdown(), act, check) > 20


@every_act
def test_drain(act: Callable[[World], None]) -> None:
    """Objects borrowed or given back while all are called stale: none of them stays, wherever it was."""

    def make(patch: pytest.MonkeyPatch) -> World:
        return World(patch, lent=2, idle=2, age=1.0)

    def check(world: World) -> None:
        world.unblock()
        assert world.ledger.shelves.nidle == 0, "left to a worker"
        world.balance()
        while world.lent:
            world.give_back()
            world.unblock()
        assert world.works.alive == []
        assert world.pool.stats()["nstale"] == 0

    assert at_every_place(make, lambda world: world.pool.drain(), act, check) > 20


@pytest.mark.parametrize("act", [give_back, give_back_and_take])
def test_queueing(act: Callable[[World], None]) -> None:
    """Who queues while an object comes back has it, or is woken for it: nobody sleeps while something is idle."""

    def make(patch: pytest.MonkeyPatch) -> World:
        world = World(patch, lent=2, idle=0, age=1.0)

        def others_go_on() -> None:
            world.unblock()
            (waiter,) = world.ledger.waiters.queue or [None]
            if waiter is not None:
                assert is_woken(waiter) or not world.ledger.shelves.nidle, "asleep while an object is idle"
            world.clock.advance(world.naps.asked[-1] or 0)

        world.naps.meanwhile.extend([others_go_on] * 3)
        return world

    def step(world: World) -> None:
        with suppress(TimeOut):
            world.lent.append(world.pool.get(1.0))

    assert at_every_place(make, step, act) > 20


@every_act
def test_handing_over(act: Callable[[World], None]) -> None:
    """Objects borrowed or given back while another is given to a waiter."""

    def make(patch: pytest.MonkeyPatch) -> World:
        world = World(patch, lent=3, idle=1, age=1.0)
        thing = world.lent.pop()

        def others_go_on() -> None:
            world.unblock()
            world.clock.advance(0.5)  # so that it is handed over
            world.pool.ret(thing)

        world.naps.meanwhile.append(others_go_on)
        return world

    def step(world: World) -> None:
        for timeout in (0, 1.0):
            with suppress(TimeOut):
                world.lent.append(world.pool.get(timeout))

    def check(world: World) -> None:
        world.naps.meanwhile.clear()
        world.balance()

    assert at_every_place(make, step, act, check) > 20


# The other way round: a borrower without the lock is the one who is interrupted, and others do everything meanwhile.


class Others:
    """What others do in the middle of a borrower's step, as soon as the lock is free."""

    def __init__(self, world: World, job: Callable[[World], object]) -> None:
        self.world = world
        self.job = job

    def __call__(self) -> None:
        if self.world.pool._core.guard.lock.acquire(False):
            self.world.pool._core.guard.lock.release()
            self.job(self.world)
        else:
            self.world.blocked.append(self._later)

    def _later(self) -> None:
        self.job(self.world)


def close(world: World) -> None:
    world.pool.shutdown()


def maintain(world: World) -> None:
    world.pool.housekeep()


def is_woken(waiter: Waiter[Thing]) -> bool:
    """Whether a waiter is to look: its sleeper was woken, with the lock held, which is noted, or without."""
    return waiter.woken or (isinstance(waiter.sleeper, FakeSleeper) and waiter.sleeper.woken)


def queue_up(world: World) -> None:
    """Somebody has come to wait, and sleeps."""
    waiter: Waiter[Thing] = Waiter(here().owner, None, FakeSleeper(world.naps))
    core_ = world.pool._core
    entry = core_.guard.locked(world.ledger.take_or_queue, world.clock(), waiter)
    if entry is None:
        world.waiting.append(waiter)


def drain(world: World) -> None:
    world.pool.drain()


def end_lives(world: World) -> None:
    """All lifetimes end, and maintenance has seen that."""
    world.clock.advance(600)
    world.pool.housekeep()


def nothing_to_reset(_: Thing) -> None:
    """Has each return looked at closely."""


DELAYS = {"max_avail_delay": 7.0, "max_using_delay": 3.0, "max_using_delay_kill": 8.0}
LIFETIME = {"max_lifetime": 500.0}
RETTER = {**LIFETIME, "retter": nothing_to_reset}


@pytest.mark.parametrize(
    ("parameters", "job"),
    [
        *((DELAYS, job) for job in (close, maintain, queue_up)),
        *((LIFETIME, job) for job in (drain, end_lives)),
        *((RETTER, job) for job in (close, queue_up, drain, end_lives)),
    ],
)
@pytest.mark.parametrize("way", ["ret", "release", "discard", "get"])
def test_others_meanwhile(way: str, parameters: dict[str, Any], job: Callable[[World], object]) -> None:
    """A borrower gives back, or takes, while the pool is closed, drained, maintained, or somebody queues."""

    def make(patch: pytest.MonkeyPatch) -> World:
        world = World(patch, lent=1, idle=int(way == "get"), age=6.0, **parameters)
        if way in ("release", "discard"):
            world.pool.ret(world.lent.pop())
            world.leases.append(world.pool.lease())
        world.clock.advance(3)
        return world

    def step(world: World) -> None:
        if way == "ret":
            world.pool.ret(world.lent.pop())
        elif way == "get":
            with suppress(PoolClosed, TimeOut):
                world.lent.append(world.pool.get(0))
        else:
            getattr(world.leases[0], way)()

    def check(world: World) -> None:
        world.unblock()
        for waiter in world.waiting:
            awake = waiter.served or is_woken(waiter)
            assert awake or not world.ledger.shelves.nidle, "asleep while an object is idle"
            core_ = world.pool._core
            doomed = core_.guard.locked(world.ledger.withdraw, waiter, world.clock())
            if doomed is not None:
                run_rest(core_.objects.close_and_free(doomed))
        if world.ledger.closed:
            assert world.ledger.shelves.nidle == 0
        now = world.clock()
        outdated = [
            entry for entry in world.ledger.shelves.idle_entries() if world.ledger.validity.why_not_lend(entry, now)
        ]
        assert not outdated or now >= world.ledger.shelves.quick_gets_until, "it would be lent without a look"
        world.balance()
        world.clock.advance(IN_TRANSIT)
        world.scheduler.look_at(world.pool._core)
        assert not any(
            world.ledger.validity.why_not_lend(entry, now) for entry in world.ledger.shelves.idle_entries()
        ), "it stays for ever"

    places = 0
    while True:
        with pytest.MonkeyPatch.context() as patch:
            world = make(patch)
            switch = Switch(places, Others(world, job), anywhere=True)
            with switching(switch):
                step(world)
            check(world)
        if not switch.done:
            break
        places += 1
    assert places > 2
