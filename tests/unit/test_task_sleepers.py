"""How a task of asyncio or of trio sleeps until it is woken, from wherever."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from collections.abc import Callable, Generator
from time import monotonic
from typing import Any

import pytest
import trio

from ProxyPatternPool._runtime import trio_hub
from ProxyPatternPool._runtime.tasks import awaiting
from ProxyPatternPool._runtime.waiting import TaskLoop, TaskSleeper

from .helpers import DEADLINE, Caller
from .loops import Asyncio, Library, Trio, here, until


def refuse(*_: object, **__: object) -> bool:
    raise AssertionError("this must not be called")


class Garbage:
    """Wakes a sleeper when it is freed, in a cycle."""

    def __init__(self, sleeper: TaskSleeper) -> None:
        self._sleeper = sleeper
        self._me = self

    def __del__(self) -> None:
        self._sleeper.wake()


def wake_in_finalizer(sleeper: TaskSleeper) -> None:
    Garbage(sleeper)
    gc.collect()


# --- Sleeping


def test_a_wake_before_the_sleep_is_kept(library: Library) -> None:
    """A task that is woken before it sleeps does not sleep; several wake-ups count as one; no time is no sleep."""

    async def main() -> None:
        sleeper = here().new_sleeper()
        assert sleeper.wake()
        sleeper.wake()
        assert await awaiting(sleeper.sleep(None))
        for seconds in (0, -1):
            with pytest.raises(StopIteration, match=r"^False$"):
                next(sleeper.sleep(seconds))
        sleeper.wake()
        assert await awaiting(sleeper.sleep(0))
        assert sleeper.alive()
        sleeper.dispose()
        assert sleeper.alive()

    library.run(main)


def test_sleep_until_the_time_is_over(library: Library) -> None:
    """A sleep takes as long as it was told, whatever was before; it can be longer than any loop can wait."""

    async def main() -> None:
        sleeper = here().new_sleeper()
        for seconds in (0.02, 0.001):
            start = monotonic()
            assert not await awaiting(sleeper.sleep(seconds))
            assert seconds - 0.001 <= monotonic() - start < DEADLINE  # uvloop counts milliseconds
        for endless in (1e9, 1e300, float("inf"), None):
            sleeping = library.begin(lambda endless=endless: awaiting(sleeper.sleep(endless)))  # type: ignore[misc]
            await library.pause(0.002)
            assert not sleeping.ended
            sleeper.wake()
            await until(library, lambda sleeping=sleeping: sleeping.ended)  # type: ignore[misc]
            assert sleeping.result is True

    library.run(main)


@pytest.mark.parametrize("seconds", [None, DEADLINE])
def test_woken_by_a_task(library: Library, seconds: float | None) -> None:
    """A task wakes another one of its loop at once: nothing goes through what wakes a loop that sleeps."""

    async def main() -> None:
        loop: Any = here()
        sleeper = loop.new_sleeper()
        assert sleeper.hub is loop.new_sleeper().hub
        loop.spawn = refuse
        sleeping = library.begin(lambda: awaiting(sleeper.sleep(seconds)))
        await library.pause()
        assert not sleeping.ended
        assert sleeper.wake()
        sleeper.wake()
        await until(library, lambda: sleeping.ended)
        assert sleeping.result is True
        assert not await awaiting(sleeper.sleep(0)), "it was woken once"

    library.run(main)


@pytest.mark.parametrize("seconds", [None, DEADLINE])
def test_woken_by_another_thread(library: Library, seconds: float | None) -> None:
    """A loop that sleeps wakes up at once."""

    async def main() -> None:
        sleeper = here().new_sleeper()
        start = monotonic()
        waking = threading.Timer(0.01, sleeper.wake)
        waking.start()
        assert await awaiting(sleeper.sleep(seconds))
        assert monotonic() - start < DEADLINE / 2
        waking.join()

    library.run(main)


def test_woken_by_a_finalizer(library: Library) -> None:
    """A finalizer wakes a task, be it in another thread or in another task."""

    async def main() -> None:
        sleeper = here().new_sleeper()
        for elsewhere in (False, True):
            sleeping = library.begin(lambda: awaiting(sleeper.sleep(None)))
            await library.pause(0.001)
            if elsewhere:
                Caller(lambda: wake_in_finalizer(sleeper)).result()
            else:
                wake_in_finalizer(sleeper)
            await until(library, lambda sleeping=sleeping: sleeping.ended)  # type: ignore[misc]
            assert sleeping.result is True

    library.run(main)


def test_a_late_wake_up_ends_no_other_sleep(library: Library) -> None:
    """A wake-up by another thread that was seen before it came does not end the next sleep."""

    async def main() -> None:
        sleeper = here().new_sleeper()
        Caller(sleeper.wake).result()
        assert await awaiting(sleeper.sleep(None))
        start = monotonic()
        assert not await awaiting(sleeper.sleep(0.02))
        assert monotonic() - start >= 0.019
        Caller(sleeper.wake).result()
        assert await awaiting(sleeper.sleep(None))
        await library.pause(0.001)  # it comes when nobody sleeps

    library.run(main)


# --- Cancellation


@pytest.mark.parametrize("seconds", [None, DEADLINE])
def test_cancelled_in_its_sleep(library: Library, seconds: float | None) -> None:
    """A cancellation comes out at once; the sleeper can be woken, and slept with, as if nothing had been."""

    async def main() -> None:
        sleeper = here().new_sleeper()
        sleeping = library.begin(lambda: awaiting(sleeper.sleep(seconds)))
        await library.pause(0.001)
        sleeping.cancel()
        await until(library, lambda: sleeping.ended)
        assert isinstance(sleeping.error, library.cancelled)
        sleeper.wake()
        assert await awaiting(sleeper.sleep(None))
        assert not await awaiting(sleeper.sleep(0.001))

    library.run(main)


@pytest.mark.parametrize("woken_first", [True, False])
def test_woken_and_cancelled(library: Library, woken_first: bool) -> None:
    """If a task is cancelled in the very step in which it is woken, its cancellation is not lost."""

    async def main() -> None:
        sleeper = here().new_sleeper()

        async def sleep() -> None:
            await awaiting(sleeper.sleep(None))
            await library.pause()  # the next moment at which trio can say so, if the task was woken first

        sleeping = library.begin(sleep)
        await library.pause(0.001)
        for do in (sleeper.wake, sleeping.cancel) if woken_first else (sleeping.cancel, sleeper.wake):
            do()
        await until(library, lambda: sleeping.ended)
        assert isinstance(sleeping.error, library.cancelled)

    library.run(main)


def test_no_timer_is_left() -> None:
    """Whether a sleep with a timeout is cancelled, woken or over: its timer is gone."""

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        timers: list[asyncio.TimerHandle] = []
        call_later = loop.call_later

        def note(*arguments: Any, **others: Any) -> asyncio.TimerHandle:
            timers.append(call_later(*arguments, **others))
            return timers[-1]

        async def sleep(sleeper: TaskSleeper) -> None:
            await awaiting(sleeper.sleep(DEADLINE))

        sleeper: Any = here().new_sleeper()
        for cancelled in (True, False):
            sleeping = asyncio.ensure_future(sleep(sleeper))
            loop.call_later = note
            await asyncio.sleep(0)
            del loop.call_later
            sleeping.cancel() if cancelled else sleeper.wake()
            await asyncio.wait([sleeping])
            assert timers.pop().cancelled()
            assert timers == []
            assert sleeper._future is None

    asyncio.run(main())


# --- A finalizer at the worst moment


class Worst:
    """Runs a finalizer, or a signal handler, at a certain moment of a task's sleep."""

    def __init__(self) -> None:
        self.sleeper: TaskSleeper | None = None

    def __call__(self) -> None:
        sleeper, self.sleeper = self.sleeper, None
        if sleeper is not None:
            assert sleeper.wake()


def wakes_first(function: Callable[..., Any], worst: Worst) -> Callable[..., Any]:
    def wake_and_do(*arguments: Any) -> Any:
        worst()
        return function(*arguments)

    return wake_and_do


class EvilFuture(asyncio.Future[None]):
    """A finalizer runs just before a task suspends on it."""

    worst: Worst

    def __await__(self) -> Generator[Any, None, None]:
        self.worst()
        return (yield from super().__await__())

    __iter__ = __await__


def after_the_look_asyncio(worst: Worst) -> None:
    def create_future() -> asyncio.Future[None]:
        future = EvilFuture(loop=loop)
        future.worst = worst
        return future

    loop: Any = asyncio.get_running_loop()
    loop.create_future = create_future


def before_the_look_asyncio(worst: Worst) -> None:
    loop: Any = asyncio.get_running_loop()
    loop.create_future = wakes_first(loop.create_future, worst)


@pytest.mark.parametrize("when", [before_the_look_asyncio, after_the_look_asyncio])
def test_a_finalizer_in_the_sleeping_task_itself(when: Callable[[Worst], None]) -> None:
    """A task that is woken by itself, when it is about to sleep, does not sleep."""

    async def main() -> None:
        worst = Worst()
        when(worst)
        worst.sleeper = sleeper = here().new_sleeper()
        assert await awaiting(sleeper.sleep(DEADLINE))
        assert worst.sleeper is None

    start = monotonic()
    asyncio.run(main())
    assert monotonic() - start < DEADLINE / 2


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_finalizer_in_the_sleeping_task_of_trio(when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does one of trio, which has to suspend first."""

    async def main() -> None:
        worst = Worst()
        if when == "before":
            monkeypatch.setattr(trio_hub, "current_task", wakes_first(trio.lowlevel.current_task, worst))
        else:
            wait = wakes_first(trio.lowlevel.wait_task_rescheduled, worst)
            monkeypatch.setattr(trio.lowlevel, "wait_task_rescheduled", wait)
        worst.sleeper = sleeper = here().new_sleeper()
        try:
            assert await awaiting(sleeper.sleep(DEADLINE))
        finally:
            monkeypatch.undo()
        assert worst.sleeper is None

    start = monotonic()
    trio.run(main)
    assert monotonic() - start < DEADLINE / 2


def test_a_finalizer_when_the_loop_is_about_to_sleep() -> None:
    """A finalizer that runs within the loop, when it has seen that there is nothing to do, wakes the loop, too."""

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        worst = Worst()
        worst.sleeper = sleeper = here().new_sleeper()
        loop._selector.select = wakes_first(loop._selector.select, worst)
        assert await awaiting(sleeper.sleep(DEADLINE))
        assert worst.sleeper is None

    start = monotonic()
    asyncio.run(main())
    assert monotonic() - start < DEADLINE / 2


class BeforeIO(trio.abc.Instrument):
    """Runs a finalizer when trio is about to sleep."""

    def __init__(self) -> None:
        self.worst = Worst()

    def before_io_wait(self, timeout: float) -> None:
        if timeout > 0:
            self.worst()


def test_a_finalizer_when_trio_is_about_to_sleep() -> None:
    """So it is with trio."""
    instrument = BeforeIO()

    async def main() -> None:
        instrument.worst.sleeper = sleeper = here().new_sleeper()
        assert await awaiting(sleeper.sleep(DEADLINE))
        assert instrument.worst.sleeper is None

    start = monotonic()
    trio.run(main, instruments=[instrument])
    assert monotonic() - start < DEADLINE / 2


# --- The end of the loop


def test_no_task_wakes_up_any_more(library: Library) -> None:
    """A sleeper whose loop has ended says that it is not alive, and that it cannot wake."""

    async def main() -> tuple[TaskLoop, TaskSleeper]:
        return here(), here().new_sleeper()

    loop, sleeper = library.run(main)
    assert not sleeper.alive()
    assert not sleeper.wake()
    assert not loop.alive()
    assert not loop.here()


def test_what_another_thread_knows_stays_there() -> None:
    """Context variables of the thread that wakes a task are not seen in its loop."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    async def main(library: Library) -> None:
        loop: Any = here()
        seen: list[str] = []
        sleeper = loop.new_sleeper()
        rouse = sleeper._rouse

        def note() -> None:
            seen.append(variable.get("nothing"))
            rouse()

        def wake() -> None:
            variable.set("mine")
            loop.spawn(note)

        sleeper._woken = False
        sleeping = library.begin(lambda: awaiting(sleeper.sleep(None)))
        await library.pause(0.001)
        Caller(lambda: contextvars.Context().run(wake)).result()
        await until(library, lambda: seen)
        assert seen == ["nothing"]
        variable.set("the loop's")
        loop.spawn(note)
        await until(library, lambda: len(seen) == 2)
        assert seen[1] == "nothing"
        sleeper.wake()
        await until(library, lambda: sleeping.ended)

    for library in (Asyncio(), Trio()):
        library.run(lambda library=library: main(library))  # type: ignore[misc]
