"""The threads of a scenario, and what they wait for: a lock, or to be woken."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from greenlet import GreenletExit, greenlet

from .memory import Location

if TYPE_CHECKING:
    from .machine import Machine


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
        self.holder: Thread | None = None
        """Who holds it, or held it last; ``None``: who makes the pool, or looks after it while nobody can go on."""

    @property
    def is_mine(self) -> bool:
        """Whether who asks holds it."""
        return self.held and self.holder is (self._machine.current if self._machine.active else None)

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
        self.roused = False
        """Whether it was woken since it last fell asleep."""
        self.until = math.inf

    @property
    def is_over(self) -> bool:
        return self._woken or self._machine.now >= self.until

    def sleep(self, seconds: float | None) -> bool:
        machine = self._machine
        if not machine.active:
            raise GreenletExit
        machine.step(self, True, "sleep")
        self.roused = self._woken
        self.until = math.inf if seconds is None else machine.now + seconds
        machine.wait_for(self)
        self.until = math.inf
        woken, self._woken = self._woken, False
        if woken:
            machine.memory.synchronize(machine.current.index, self)
        return woken

    def wake(self) -> bool:
        if self._machine.active:
            self._machine.step(self, True, "sleep")
            self._machine.memory.publish(self._machine.current.index, self)
        self._woken = self.roused = True
        return True

    def alive(self) -> bool:
        return True

    def dispose(self) -> None:
        pass
