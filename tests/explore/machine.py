"""Runs the threads of a scenario one at a time, and says at each step which of them goes on.

The threads are greenlets of one thread: a switch is cheap, and happens nowhere but where this says. The steps are the
accesses of what threads share (see ``instrument``), as far as the order of two of them can make a difference: those of
locations that threads access without an order, and what threads synchronize by. Between two steps a thread does what no
other can see.
"""

from __future__ import annotations

import math
import sys
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from enum import Enum
from typing import Any

from greenlet import GreenletExit, greenlet

from . import instrument
from .memory import NOTHING, Location, Memory
from .plan import Plan, Pruned, Stuck

MUTATES = instrument.METHODS - {"copy", "get", "index", "items", "keys", "values"}
SHARED = (deque, dict, set)
KEPT = frozenset({bool, int, float, type(None), deque})
"""What is remembered once it was overwritten, beside members of enums: no entries, which would not be finalized."""


def _in_finalizer() -> bool:
    frame = sys._getframe(1)
    while frame.f_back is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


class Thread:
    """One thread of a scenario."""

    def __init__(self, index: int, job: Callable[[], object]) -> None:
        self.index = index
        self.job = job
        self.greenlet: greenlet | None = None
        self.done = False
        self.error: BaseException | None = None
        self.waits_for: Lock | Nap | None = None
        self.next_access: tuple[Location, bool] | None = None
        """What it was about to access when it was pre-empted, and whether it would write."""
        self.asleep = False
        """Whether it is not to go on before another has accessed that: it would be a schedule that is tried anyway."""

    def run(self) -> None:
        try:
            self.job()
        except BaseException as error:
            self.error = error
        self.done = True

    @property
    def can_go_on(self) -> bool:
        return not self.done and (self.waits_for is None or self.waits_for.is_over)


class Lock:
    """A lock between the threads of a scenario. Whoever wants it while it is held cannot go on."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.held = False

    @property
    def is_over(self) -> bool:
        return not self.held

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        self._machine.acquire(self)
        return True

    def release(self) -> None:
        self.held = False
        self._machine.released(self)

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class Nap:
    """What a thread of a scenario sleeps with: until it is woken, or its time is over."""

    hub = None

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._woken = False
        self.until = math.inf

    @property
    def is_over(self) -> bool:
        return self._woken or self._machine.now >= self.until

    def sleep(self, seconds: float | None) -> bool:
        machine = self._machine
        if not machine.active:
            raise GreenletExit
        machine.step(id(self), True, "sleep")
        self.until = math.inf if seconds is None else machine.now + seconds
        machine.wait_for(self)
        self.until = math.inf
        woken, self._woken = self._woken, False
        if woken:
            machine.memory.synchronize(machine.current.index, id(self))
        return woken

    def wake(self) -> bool:
        if self._machine.active:
            self._machine.step(id(self), True, "sleep")
            self._machine.memory.publish(self._machine.current.index, id(self))
        self._woken = True
        return True

    def alive(self) -> bool:
        return True

    def dispose(self) -> None:
        pass


class Machine:
    """The threads of one run, and the accesses of what they share."""

    def __init__(self) -> None:
        self.active = False
        self.steps_at: set[str] = set()
        """The names of attributes and collections at whose accesses threads are switched."""
        self.promoted: set[str] = set()
        """The collections of which this run has found that they belong there."""
        self.promoted_fields: set[str] = set()
        """The same for attributes, as far as nothing puts their accesses into an order once the collections do."""
        self.current: Thread = Thread(0, lambda: None)
        self.memory = Memory(1)
        self.now = 1000.0
        self.hooks: dict[str, Callable[..., Any]] = {
            instrument.LOAD: self._load,
            instrument.STORE: self._store,
            instrument.CALL: self._call,
            instrument.ITEM: self._item,
            instrument.SET_ITEM: self._set_item,
            instrument.STEPS: self._steps,
            instrument.LOOK: self._look,
            instrument.TEST: self._test,
        }
        self.on_step: Callable[[int, int, str], None] | None = None
        """Told of each step of a run that is shown: its number, the thread, and what it accesses."""
        self._kinds: dict[type, bool] = {}
        self._names: dict[Location, set[str]] = {}

    # Runs. -------------------------------------------------------------------------------------------

    def run(self, jobs: Sequence[Callable[[], object]], plan: Plan, at_rest: Callable[[], bool]) -> None:
        """Run threads to their end.

        Args:
            jobs: What each does.
            plan: Who goes on at which step.
            at_rest: Called when no thread can go on; it says whether it has done something.

        Raises:
            Pruned: An equivalent schedule is tried as well.
            Stuck: No thread can go on.
        """
        self.threads = [Thread(index, job) for index, job in enumerate(jobs)]
        self.memory = Memory(len(jobs))
        self._names.clear()
        self.promoted, self.promoted_fields = set(), set()
        self._plan = plan
        self._hub = greenlet.getcurrent()
        try:
            self._next: Thread | None = None
            while True:
                thread = self._next or self._choose()
                self._next = None
                if thread is None:
                    if all(each.done for each in self.threads):
                        return
                    self.memory.meet()
                    if not at_rest() and not self._let_time_pass():
                        raise Stuck
                    continue
                self._resume(thread)
        finally:
            self._end()

    def _resume(self, thread: Thread) -> None:
        self.current = thread
        thread.next_access = None
        thread.waits_for = None
        if thread.greenlet is None:
            thread.greenlet = greenlet(thread.run)
        self.active = True
        try:
            thread.greenlet.switch()
        finally:
            self.active = False

    def _choose(self) -> Thread | None:
        """Who goes on where the current thread cannot."""
        able = [thread for thread in self.threads if thread.can_go_on]
        awake = [thread for thread in able if not thread.asleep]
        if not able:
            return None
        if not awake:
            raise Pruned
        if len(able) == 1:
            return able[0]
        choice = self._plan.choose([thread.index for thread in able], [thread.index for thread in awake])
        return self.threads[choice]

    def _let_time_pass(self) -> bool:
        """Have the first of those who sleep for a time only come to its end; say whether there is one."""
        naps = [thread.waits_for for thread in self.threads if isinstance(thread.waits_for, Nap)]
        first = min((nap.until for nap in naps), default=math.inf)
        if first == math.inf:
            return False
        self.now = max(self.now, first)
        return True

    def _end(self) -> None:
        """Have threads that have not ended do so; nothing is watched meanwhile."""
        for thread in self.threads:
            if thread.greenlet is not None and not thread.done:
                thread.greenlet.throw()

    # Steps. ------------------------------------------------------------------------------------------

    def step(self, location: Location, writes: bool, name: str) -> None:
        """The current thread is about to access something: others may come before."""
        current = self.current
        if self.on_step is not None:
            self.on_step(self._plan.step, current.index, name)
        others = [
            thread.index for thread in self.threads if thread is not current and thread.can_go_on and not thread.asleep
        ]
        choice = self._plan.at_step(others)
        if choice is not None:
            current.next_access = (location, writes)
            current.asleep = self._plan.prunes
            self._next = self.threads[choice]
            self._switch()
        self._tell_sleeping(location, writes)

    def _tell_sleeping(self, location: Location, writes: bool) -> None:
        for thread in self.threads:
            if thread.asleep and thread.next_access is not None:
                where, would_write = thread.next_access
                if where == location and (writes or would_write):
                    thread.asleep = False

    def acquire(self, lock: Lock) -> None:
        if not self.active:
            lock.held = True
            return
        self.step(id(lock), True, "lock")
        if lock.held:
            self.wait_for(lock)
        lock.held = True
        self.memory.synchronize(self.current.index, id(lock))

    def released(self, lock: Lock) -> None:
        if self.active:
            self._tell_sleeping(id(lock), True)
            self.memory.publish(self.current.index, id(lock))

    def wait_for(self, what: Lock | Nap) -> None:
        """The current thread cannot go on before this is over."""
        if self.active and not what.is_over:
            self.current.waits_for = what
            self._switch()

    def _switch(self) -> None:
        """Have others go on, until it is the turn of this thread."""
        try:
            self._hub.switch()
        except GreenletExit:
            if not _in_finalizer():  # which would only print it
                raise

    def clock(self) -> float:
        """The time."""
        if self.active:
            self._access("clock", "clock", writes=False)
        return self.now

    def advance(self, seconds: float) -> None:
        """Have time pass: a step of a thread."""
        if self.active:
            self._access("clock", "clock", writes=True)
        self.now += seconds

    def touch(self, what: Hashable, name: str) -> None:
        """A step of the scenario's own: somebody uses something."""
        if self.active:
            self.step((what, name), True, name)

    def _access(self, location: Location, name: str, *, writes: bool, old: object = NOTHING) -> bool:
        """Note an access of an attribute, or a look; say whether the thread reads what was there before."""
        if name in self.steps_at:
            self.step(location, writes, name)
            if self._plan.stale_reads:
                return self._access_without_order(location, name, writes=writes, old=old)
        self._note(location, name, writes=writes, old=old)
        return False

    def _access_without_order(self, location: Location, name: str, *, writes: bool, old: object) -> bool:
        """Do the same where a thread may read what is out of date."""
        memory, thread = self.memory, self.current.index
        if not writes and memory.old_value(thread, location) is not NOTHING and self._plan.reads_old():
            return True
        is_attribute = not isinstance(location, int)
        self._note(location, name, writes=writes, old=old, releases=is_attribute)
        if is_attribute and not writes:
            memory.acquire(thread, location)
        return False

    def _ordered(self, collection: Any, name: str, *, writes: bool) -> None:
        """Note a call of a method of a collection, which puts what threads do into an order."""
        location = id(collection)
        if name in self.steps_at:
            self.step(location, writes, name)
            if writes or not self._plan.stale_reads:
                self.memory.synchronize(self.current.index, location)
        self._note(location, name, writes=writes, old=bool(collection))

    def _note(self, location: Location, name: str, *, writes: bool, old: object, releases: bool = False) -> None:
        """Note an access, and whether it has no order with another."""
        memory, thread = self.memory, self.current.index
        races = memory.write(thread, location, old, releases=releases) if writes else memory.read(thread, location)
        names = self._names.get(location)
        if names is None:
            names = self._names[location] = set()
        names.add(name)
        if races and not names <= self.steps_at:
            (self.promoted if isinstance(location, int) else self.promoted_fields).update(names)

    # What the rewritten modules call. ----------------------------------------------------------------

    def _is_shared(self, what: object) -> bool:
        kind = type(what)
        known = self._kinds.get(kind)
        if known is None:
            known = self._kinds[kind] = issubclass(kind, SHARED)
        return known

    def _place(self, owner: Any, name: str) -> Location:
        # Entries come and go, and the address of one may be used again.
        return (getattr(owner, "serial", None) if self._plan.stale_reads else None) or id(owner), name

    def _load(self, owner: Any, name: str) -> Any:
        if self.active:
            if name in self.steps_at:
                place = self._place(owner, name)
                if self._access(place, name, writes=False):
                    return self.memory.old_value(self.current.index, place)
            elif self.memory.read(self.current.index, self._place(owner, name)):
                self.promoted_fields.add(name)
        return getattr(owner, name)

    def _store(self, value: object, owner: Any, name: str) -> None:
        if self.active:
            if name in self.steps_at:
                before: object = getattr(owner, name, NOTHING) if self._plan.stale_reads else NOTHING
                kept = type(before) in KEPT or isinstance(before, Enum)
                self._access(self._place(owner, name), name, writes=True, old=before if kept else NOTHING)
            elif self.memory.write(self.current.index, self._place(owner, name)):
                self.promoted_fields.add(name)
        setattr(owner, name, value)

    def _call(self, owner: Any, hint: str, method: str, /, *arguments: Any, **named: Any) -> Any:
        if self.active and self._is_shared(owner):
            self._ordered(owner, hint, writes=method in MUTATES)
        return getattr(owner, method)(*arguments, **named)

    def _item(self, owner: Any, hint: str, key: Any) -> Any:
        if self.active and self._is_shared(owner):
            self._ordered(owner, hint, writes=False)
        return owner[key]

    def _set_item(self, value: object, owner: Any, hint: str, key: Any) -> None:
        if self.active and self._is_shared(owner):
            self._ordered(owner, hint, writes=True)
        owner[key] = value

    def _steps(self, items: Any, hint: str) -> Any:
        return self._one_by_one(items, hint) if self.active and self._is_shared(items) else items

    def _one_by_one(self, items: Any, hint: str) -> Iterator[Any]:
        iterator = iter(items)
        while True:
            if self.active:
                self._ordered(items, hint, writes=False)
            try:
                item = next(iterator)
            except StopIteration:
                return
            yield item

    def _look(self, value: Any, hint: str) -> Any:
        """Somebody is about to look how long a collection is, or what is in it."""
        if self.active and self._is_shared(value):
            self._ordered(value, hint, writes=False)
        return value

    def _test(self, value: Any, hint: str) -> Any:
        """Somebody is about to test whether something is empty; what is returned is used for nothing else."""
        if self.active and self._is_shared(value) and self._access(id(value), hint, writes=False):
            return bool(self.memory.old_value(self.current.index, id(value)))
        return value
