"""What the scripts share: one face for gevent and eventlet, native threads, waiting with a deadline.

Importing this module patches when the command line says so, so it comes before the pool's import.
"""

from __future__ import annotations

import _thread
import importlib
import os
import sys
import time
import warnings
from abc import ABC, abstractmethod
from bisect import bisect
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import pairwise
from typing import Any, Protocol, TypeVar, cast

# As they are before anything is patched.
native_ident = _thread.get_ident
native_sleep = time.sleep
native_write = os.write
_start_thread = _thread.start_new_thread

PATIENCE = 20.0
"""Seconds after which something that should have happened counts as never happening."""


class Task(Protocol):
    """A spawned greenlet."""

    def join(self, seconds: float = PATIENCE) -> object:
        """Wait for its end: its result, or raise what it raised; raise the hub's timeout if it does not end."""
        ...

    def kill(self) -> None:
        """End it from outside, wherever it is; it may still have to be scheduled."""
        ...

    def throw(self, error: BaseException) -> None:
        """Raise something inside it, wherever it is; it may still have to be scheduled."""
        ...


class Green(ABC):
    """What gevent and eventlet both can do."""

    name: str
    timeout_error: type[BaseException]
    socket: Any

    @abstractmethod
    def fork(self) -> int:
        """Fork, so that the hub can go on in the child."""

    @abstractmethod
    def patch(self) -> None:
        """Make the standard library cooperative."""

    @abstractmethod
    def sleep(self, seconds: float) -> None:
        """Let other greenlets run, for so long at least."""

    @abstractmethod
    def spawn(self, fun: Callable[..., object], *args: object) -> Task:
        """Run something in a greenlet of this thread's hub, soon."""

    @abstractmethod
    def timeout(self, seconds: float) -> AbstractContextManager[object]:
        """Throw `timeout_error` into the block when it takes longer."""

    @abstractmethod
    def current(self) -> object:
        """The running greenlet."""

    @abstractmethod
    def in_hub(self) -> bool:
        """Whether the running greenlet is the hub itself, where nothing may wait."""

    def eventually(self, predicate: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Wait, with the hub running, until `predicate` holds; fail when it never does."""
        deadline = time.monotonic() + seconds
        while not predicate():
            assert time.monotonic() < deadline, f"still not so after {seconds} s"
            self.sleep(0.002)


class GeventTask:
    def __init__(self, greenlet: Any) -> None:
        self.greenlet = greenlet

    def join(self, seconds: float = PATIENCE) -> object:
        result: object = self.greenlet.get(timeout=seconds)
        return result

    def kill(self) -> None:
        self.greenlet.kill(block=False)

    def throw(self, error: BaseException) -> None:
        self.greenlet.kill(error, block=False)


class Gevent(Green):
    name = "gevent"

    def __init__(self) -> None:
        self._gevent: Any = importlib.import_module("gevent")
        self.timeout_error = self._gevent.Timeout
        self.socket = importlib.import_module("gevent.socket")

    def patch(self) -> None:
        importlib.import_module("gevent.monkey").patch_all()

    def fork(self) -> int:
        child: int = importlib.import_module("gevent.os").fork_gevent()
        return child

    def sleep(self, seconds: float) -> None:
        self._gevent.sleep(seconds)

    def spawn(self, fun: Callable[..., object], *args: object) -> GeventTask:
        return GeventTask(self._gevent.spawn(fun, *args))

    def timeout(self, seconds: float) -> AbstractContextManager[object]:
        return cast("AbstractContextManager[object]", self._gevent.Timeout(seconds))

    def current(self) -> object:
        current: object = self._gevent.getcurrent()
        return current

    def in_hub(self) -> bool:
        return self.current() is self._gevent.get_hub()


class EventletTask:
    def __init__(self, eventlet: Any, greenlet: Any) -> None:
        self._eventlet = eventlet
        self.greenlet = greenlet

    def join(self, seconds: float = PATIENCE) -> object:
        with self._eventlet.Timeout(seconds):
            result: object = self.greenlet.wait()
        return result

    def kill(self) -> None:
        self.greenlet.kill()

    def throw(self, error: BaseException) -> None:
        self.greenlet.kill(error)


class Eventlet(Green):
    name = "eventlet"

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # eventlet says at import that it is deprecated
            self._eventlet: Any = importlib.import_module("eventlet")
            self.socket = importlib.import_module("eventlet.green.socket")
        self.timeout_error = self._eventlet.Timeout

    def patch(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._eventlet.monkey_patch()

    def fork(self) -> int:
        return os.fork()

    def sleep(self, seconds: float) -> None:
        self._eventlet.sleep(seconds)

    def spawn(self, fun: Callable[..., object], *args: object) -> EventletTask:
        return EventletTask(self._eventlet, self._eventlet.spawn(fun, *args))

    def timeout(self, seconds: float) -> AbstractContextManager[object]:
        return cast("AbstractContextManager[object]", self._eventlet.Timeout(seconds))

    def current(self) -> object:
        current: object = self._eventlet.getcurrent()
        return current

    def in_hub(self) -> bool:
        return self.current() is self._eventlet.hubs.get_hub().greenlet


class Native:
    """A native thread, also in a patched process."""

    def __init__(self, fun: Callable[[], object]) -> None:
        self._fun = fun
        self._error: BaseException | None = None
        self.done = False
        _start_thread(self._run, ())

    def _run(self) -> None:
        try:
            self._fun()
        except BaseException as error:
            self._error = error
        finally:
            self.done = True

    def join(self, green: Green) -> None:
        """Wait for its end with the hub running; raise what it raised."""
        green.eventually(lambda: self.done)
        if self._error is not None:
            raise self._error


class Token:
    """An object that notices when two borrowers use it at once."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.holder: object = None
        self.uses = 0

    def take(self, who: object) -> None:
        assert self.holder is None, f"lent to {who} while {self.holder} holds it"
        self.holder = who
        self.uses += 1

    def leave(self, who: object) -> None:
        assert self.holder == who, f"{who} gives back what {self.holder} holds"
        self.holder = None


class Ticker:
    """A greenlet that notes the time again and again, and a native thread that does.

    Between two turns of the greenlet the thread has many only if the hub stood still, and not if the whole machine did.
    """

    PAUSE = 0.005

    def __init__(self, green: Green) -> None:
        self._green = green
        self._running = True
        self.times: list[float] = []
        self._native_times: list[float] = []
        self._task = green.spawn(self._run)
        _start_thread(self._run_in_thread, ())

    def _run(self) -> None:
        while self._running:
            self.times.append(time.monotonic())
            self._green.sleep(self.PAUSE)

    def _run_in_thread(self) -> None:
        while self._running:
            self._native_times.append(time.monotonic())
            native_sleep(self.PAUSE)

    def stop(self, many: int = 40) -> int:
        """End both, and check that the hub never stood still; how often the greenlet had its turn."""
        self._running = False
        self._task.join()
        self.times.append(time.monotonic())
        before = [bisect(self._native_times, turn) for turn in self.times]
        most = max(later - earlier for earlier, later in pairwise(before))
        assert most < many, f"the hub stood still while a native thread had {most} turns"
        return len(self.times)


E = TypeVar("E", bound=BaseException)


def raised(kind: type[E], fun: Callable[..., object], *args: object) -> E:
    """Call something that must raise; what it raised."""
    try:
        result = fun(*args)
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}, but {result!r}")


class Stats(Protocol):
    """What `at_rest` needs of a pool."""

    def stats(self) -> Any: ...


def at_rest(pool: Stats) -> None:
    """Check that nobody holds or waits for anything, and that every place has an idle object."""
    stats = pool.stats()
    assert (stats["nusing"], stats["nwaiting"]) == (0, 0), stats
    assert stats["nobjs"] == stats["navail"], stats
    assert stats["ncreated"] - stats["ndestroys"] == stats["nobjs"], stats


def make(name: str) -> Green:
    """The environment of a name."""
    return Gevent() if name == "gevent" else Eventlet()


MODE = sys.argv[2]
green = make(sys.argv[1])
if MODE == "patched":
    green.patch()
