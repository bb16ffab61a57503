"""How one caller sleeps until it is woken, whatever its thread runs; what is asked of an event loop, or hub."""

import math
from collections.abc import Callable, Generator
from typing import Any, NamedTuple, Protocol, TypeAlias

from .native import acquire, allocate_lock
from .owner import Owner


class Wakeable(Protocol):
    """What one caller sleeps with, as those see it who wake it.

    A wake-up before the sleep is kept; several count as one.
    """

    @property
    def hub(self) -> object | None:
        """The hub it sleeps in, for telling whether two sleep in the same; ``None`` for a native thread."""
        ...

    def wake(self) -> bool:
        """Wake the sleeper, now or at its next sleep; from any thread, never switching.

        Say whether it can wake: a greenlet whose thread has ended cannot.
        """
        ...

    def alive(self) -> bool:
        """Whether the sleeper can still wake up: a greenlet cannot when its thread or its hub has ended."""
        ...

    def dispose(self) -> None:
        """Free what the sleeper needed of a hub: it does not sleep any more, and cannot be lost."""
        ...


class Sleeper(Wakeable, Protocol):
    """What a thread or greenlet sleeps with."""

    def sleep(self, seconds: float | None) -> bool:
        """Sleep until woken (True) or until the time is over (False); ``None`` for ever."""
        ...


class TaskSleeper(Wakeable, Protocol):
    """What a task sleeps with."""

    def sleep(self, seconds: float | None) -> Generator[Any, Any, bool]:
        """Do the same, by steps that the task awaits. What is thrown into them, a cancellation, comes out at once."""
        ...


AnySleeper: TypeAlias = Sleeper | TaskSleeper


def do_nothing() -> None:
    """Do nothing about a sleeper that is lost."""


def always_alive() -> bool:
    """Say that a sleeper that has been disposed of is alive: it does not sleep, and so cannot be lost."""
    return True


class NativeSleeper:
    """A native thread sleeps on a raw lock: the unpatched primitive, with an exact timeout."""

    __slots__ = ("_lock",)

    hub = None

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._lock.acquire()

    def sleep(self, seconds: float | None) -> bool:
        return acquire(self._lock, seconds)

    def wake(self) -> bool:
        try:
            self._lock.release()
        except RuntimeError:  # it was woken already and has not slept since
            pass
        return True

    def alive(self) -> bool:
        return True

    def dispose(self) -> None:
        """Do nothing: a lock is only memory."""


class Hub(Protocol):
    """The event loop of one thread. A pool that is first used in one has its hooks called there."""

    @property
    def for_tasks(self) -> bool:
        """Whether it runs tasks, and is blocked by what a greenlet may do, such as to log lines."""
        ...

    def here(self) -> bool:
        """Whether the current thread is the hub's."""
        ...

    def alive(self) -> bool:
        """Whether the hub still exists, and so can run what it is given."""
        ...

    def spawn(self, job: Callable[[], None]) -> bool:
        """Run a job in a greenlet of this hub, from any thread; say whether the hub still exists."""
        ...


class TaskLoop(Hub, Protocol):
    """An event loop of tasks: asyncio's, or one run of trio. There is one of these for each loop, and it is kept.

    What is said of "here" holds while the loop runs in the current thread, in a task or a callback of it.
    """

    @property
    def name(self) -> str:
        """What the loop is called in errors and log lines."""
        ...

    @property
    def exits_with_task(self) -> bool:
        """Whether a ``SystemExit`` in a task of ``start`` ends the loop, and comes out of what runs it.

        Else it must not be raised there: trio takes it for a fault of its own.
        """
        ...

    @property
    def cancelled(self) -> type[BaseException]:
        """What is thrown into a task that is cancelled."""
        ...

    @property
    def current(self) -> Callable[[], object]:
        """A function in C whose result equals ``mark`` in the loop's thread, and, as a rule, in no other."""
        ...

    @property
    def mark(self) -> object:
        """What ``current`` returned when it was last asked here."""
        ...

    def owner(self) -> Owner:
        """Who calls, here: the task, or the thread if no task runs."""
        ...

    @property
    def running_task(self) -> Callable[[Any], Any]:
        """A function that is given ``task_key``. In the loop's thread its result has an attribute ``_ppp_owner``.

        That is the task that runs at this moment, as an owner. There is none if no task runs, or if its owner has not
        been asked for before: see ``owner``.
        """
        ...

    @property
    def task_key(self) -> object:
        """What ``running_task`` is given."""
        ...

    def new_sleeper(self, lost: Callable[[], None] = do_nothing, /) -> TaskSleeper:
        """Make the sleeper of a task, here.

        ``lost`` is never called. A task is lost if its loop is closed while it sleeps, which tells nobody: if nobody
        refers to the task, its steps are closed; else its sleeper says that it is not alive.
        """
        ...

    def start(
        self,
        steps: Generator[Any, Any, None],
        name: str,
        *,
        inherit: bool = False,
        ends_with_loop: bool = False,
        limit: float = math.inf,
        lost: Callable[[], object] = do_nothing,
    ) -> None:
        """Have a new task do steps, here, which must raise nothing but what ends the task; it is kept until its end.

        They are not begun before this returns, and they are begun though the task is cancelled at once, unless the loop
        is closed before. An ``Exception`` that they raise is nobody's, and is dropped. Where whoever ends the loop
        cancels all tasks this one goes on, within some seconds.

        Args:
            steps: What it does.
            name: What the task is called.
            inherit: Whether it sees the context variables of the caller (a copy of them), and not those of nobody.
            ends_with_loop: Whether nobody needs what it does once the loop ends: then it is cancelled at once.
            limit: Seconds after which it is cancelled; for those that end with the loop.
            lost: Called if the loop is closed before the steps are begun.
        """
        ...

    def at_end(self, last: Callable[[], Generator[Any, Any, None]]) -> Callable[[], None]:
        """Have steps done at the end of the loop, when its tasks have ended, in a task; give what calls it off.

        They are begun when the loop finalizes its asynchronous generators, as ``asyncio.run`` and ``trio.run`` have it
        do, and are cancelled only if they take ten seconds. A loop that is closed without that does not do them. The
        loop refers to what is to be done, until it is called off. To call off is harmless at any time, from any thread
        and in finalizers.
        """
        ...

    def wait_for_tasks(self, seconds: float) -> Generator[Any, Any, None]:
        """Wait, in what ``at_end`` does, until all tasks of ``start`` have ended.

        Those that have not in time are cancelled, and waited for, and so are at once those that end with the loop.
        """
        ...


class RunningHub(NamedTuple):
    """What the hub that runs in the current thread offers. There is a module for each kind of hub, which makes it."""

    new_sleeper: Callable[[Callable[[], None]], Sleeper]
    hub: Callable[[], Hub]
    pause: Callable[[float], bool]
