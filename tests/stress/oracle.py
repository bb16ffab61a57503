"""The factory as oracle: it counts what is alive by itself, and raises above the bound."""

import random
import threading
import time
from collections import deque


class CreationFailed(Exception):
    """A creation that was to fail."""


class OutOfBounds(BaseException):
    """More objects alive than the pool was allowed."""


class Thing:
    """As unhelpful as an object can be: equal to all others, and so unhashable, and falsy."""

    def __init__(self, serial: int) -> None:
        self.serial = serial
        self.users = 0
        self.closed = 0
        self.late_gets = 0

    def __eq__(self, other: object) -> bool:
        return True

    def __bool__(self) -> bool:
        return False


class Oracle:
    """Makes, checks and closes things, and keeps a ledger of its own."""

    def __init__(self, bound: int, seed: int, *, slow: float = 0.0002) -> None:
        self.bound = bound
        self.wrong: list[str] = []
        self.lock = threading.Lock()
        self.start_empty()
        self._random = random.Random(seed)
        self._slow = slow

    def start_empty(self) -> None:
        """Know of nothing: at the beginning, and in the child of a fork."""
        self.alive = self.made = self.closed = self.peak = 0
        self._last_serials: deque[int] = deque(maxlen=1000)

    def chance(self, probability: float) -> bool:
        with self.lock:
            return self._random.random() < probability

    def _dawdle(self) -> None:
        if self.chance(0.2):
            time.sleep(self._slow)

    def complain(self, what: str) -> None:
        self.wrong.append(what)

    def take_place(self, serial: int) -> None:
        """Count an object that is about to be made."""
        with self.lock:
            last = self._last_serials  # not all: the books do not grow with the time
            if serial in last or (last and serial < last[0] - 100):
                self.complain(f"creation number {serial} given twice")
            last.append(serial)
            self.alive += 1
            self.peak = max(self.peak, self.alive)
            if self.alive > self.bound:
                self.complain(f"{self.alive} alive with a bound of {self.bound}")
                self.alive -= 1
                raise OutOfBounds(self.alive)

    def give_up_place(self) -> None:
        """Count it no more: it was not made."""
        with self.lock:
            self.alive -= 1

    def new_thing(self, serial: int) -> Thing:
        """Make what was counted."""
        with self.lock:
            self.made += 1
        return Thing(serial)

    def make(self, serial: int) -> Thing:
        self.take_place(serial)
        self._dawdle()
        if self.chance(0.05):
            self.give_up_place()
            raise CreationFailed(serial)
        return self.new_thing(serial)

    def open(self, thing: Thing) -> None:
        self._dawdle()
        if self.chance(0.01):
            raise RuntimeError("opener")

    def note_loan(self, thing: Thing) -> None:
        """See that an object that is lent was not closed."""
        if thing.closed:
            # Killed between the loan and this line, once; never lent again.
            thing.late_gets += 1
            if thing.late_gets > 1:
                self.complain("lent after it was closed")

    def get(self, thing: Thing) -> None:
        self.note_loan(thing)
        if self.chance(0.005):
            raise RuntimeError("getter")

    def ret(self, thing: Thing) -> None:
        if self.chance(0.005):
            raise RuntimeError("retter")

    def healthy(self, thing: Thing) -> bool:
        if thing.users:
            self.complain("checked while lent")
        self._dawdle()
        if self.chance(0.02):
            raise RuntimeError("health")
        return not self.chance(0.05)

    def close(self, thing: Thing) -> None:
        self._dawdle()
        self.note_closed(thing)
        if self.chance(0.01):
            raise RuntimeError("closer")

    def note_closed(self, thing: Thing) -> None:
        """Count an object whose closer returns."""
        with self.lock:
            thing.closed += 1
            if thing.closed > 1:
                self.complain(f"thing {thing.serial} closed twice")
            self.closed += 1
            self.alive -= 1
