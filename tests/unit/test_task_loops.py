"""What is asked of an event loop of asyncio or of trio: which one runs here, its tasks, its end."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import sys
import weakref
from collections.abc import AsyncGenerator, Callable, Generator
from functools import partial
from typing import Any

import pytest
import trio

from ProxyPatternPool._runtime import asyncio_hub, task_loops, tasks, trio_hub
from ProxyPatternPool._runtime.task_loops import running_task_loop
from ProxyPatternPool._runtime.tasks import awaiting
from ProxyPatternPool._runtime.waiting import TaskLoop

from .helpers import DEADLINE, Caller, run_script
from .loops import Asyncio, Library, Trio, here, steps_of, until

Steps = Generator[Any, Any, None]

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")


class Log:
    """What tasks have done."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.lines: list[str] = []

    def steps(self, what: str, seconds: float = 0.0) -> Steps:
        """Note begin and end, and how it has ended."""
        self.lines.append(f"{what} begins")
        try:
            yield from self.library.pause(seconds).__await__()
        except self.library.cancelled:
            self.lines.append(f"{what} is cancelled")
            raise
        self.lines.append(f"{what} ends")


# --- Which loop runs here


def test_where_no_loop_runs() -> None:
    """Then there is none, in whatever thread, and nothing is imported to find that out."""
    assert running_task_loop() is None
    assert run_script("loops") == []


def test_a_loop_is_always_the_same(library: Library) -> None:
    """There is one object for each loop; it says whether it is here, and what it is called."""

    async def main() -> TaskLoop:
        loop = here()
        assert here() is loop
        assert loop.here()
        assert loop.alive()
        assert loop.current() == loop.mark
        assert ("trio" if isinstance(library, Trio) else "asyncio") in loop.name
        known = trio.lowlevel.current_trio_token() if isinstance(library, Trio) else asyncio.get_running_loop()
        assert f" {id(known):#x} " in loop.name
        assert "thread 'MainThread'" in loop.name
        Caller(partial(elsewhere, loop)).result()
        child = library.begin(inner)
        await until(library, lambda: child.ended)
        assert child.result is loop
        return loop

    async def inner() -> TaskLoop:
        return here()

    def elsewhere(loop: TaskLoop) -> None:
        assert running_task_loop() is None
        assert not loop.here()
        assert loop.alive()
        assert loop.current() != loop.mark

    first = library.run(main)
    assert not first.here()
    assert str(first.owner()) == "thread 'MainThread'", "no task runs"
    assert library.run(main) is not first


def test_a_loop_keeps_what_is_asked_of_it() -> None:
    """Both are freed together, whether or not the loop was closed."""

    async def main() -> weakref.ref[TaskLoop]:
        here().at_end(lambda: steps_of(asyncio.sleep(0)))
        return weakref.ref(here())

    for close in (True, False):
        loop = asyncio.new_event_loop()
        known = loop.run_until_complete(main())
        gc.collect()
        assert known() is not None
        if close:
            loop.close()
        else:
            vars(loop)["_selector"].close()  # what remains of it is not complained about
            for end in ("_ssock", "_csock"):
                vars(loop)[end].close()
            vars(loop)["_closed"] = True
        del loop
        gc.collect()
        assert known() is None


def test_a_run_keeps_what_is_asked_of_it() -> None:
    """So does a run of trio."""

    async def main() -> weakref.ref[TaskLoop]:
        known = weakref.ref(here())
        gc.collect()
        assert known() is not None
        return known

    known = trio.run(main)
    gc.collect()
    assert known() is None


def test_trio_in_a_loop_of_asyncio() -> None:
    """In guest mode the tasks of each see their own loop."""
    seen: list[TaskLoop] = []

    async def guest() -> None:
        for _ in range(3):
            await trio.sleep(0)
            seen.append(here())

    async def host() -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        trio.lowlevel.start_guest_run(
            guest, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=lambda _: ended.set()
        )
        while not ended.is_set():
            assert "asyncio" in here().name
            assert not any(other.here() for other in seen)
            await asyncio.sleep(0)

    asyncio.run(host())
    assert len(set(seen)) == 1
    assert "trio" in seen[0].name


def test_the_task_that_runs(library: Library) -> None:
    """It is known at once who its owner is."""

    async def main() -> None:
        loop = here()
        owner = loop.owner()
        assert loop.running_task(loop.task_key)._ppp_owner is owner

    library.run(main)


# --- Jobs of other threads


def test_a_job_from_anywhere(library: Library) -> None:
    """A job is done soon, in the loop, without the context variables of who gave it."""

    async def main() -> None:
        loop, done = here(), list[object]()

        def job() -> None:
            done.append((running_task_loop(), variable.get("nothing"), str(loop.owner())))

        variable.set("mine")
        assert loop.spawn(job)
        assert done == []
        await until(library, lambda: done)
        assert Caller(lambda: (variable.set("mine"), loop.spawn(job))[1]).result()
        await until(library, lambda: len(done) == 2)
        who = "task '<TrioToken.run_sync_soon task>'" if isinstance(library, Trio) else "thread 'MainThread'"
        assert done == [(loop, "nothing", who)] * 2

    library.run(main)


def test_a_job_of_a_task_wakes_no_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop is awake: what would wake it, a system call, is not needed."""

    async def main() -> None:
        done = asyncio.Event()
        with monkeypatch.context() as patch:
            patch.setattr(asyncio.get_running_loop(), "call_soon_threadsafe", None)
            assert here().spawn(done.set)
        await done.wait()

    asyncio.run(main())


def test_a_job_that_fails_ends_no_run_of_trio() -> None:
    """A job raises nothing. If it does, nobody else has to end."""

    async def main() -> None:
        done = trio.Event()
        assert here().spawn(lambda: 1 // 0)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        assert here().spawn(done.set)
        await done.wait()

    trio.run(main)


def test_no_job_when_the_loop_has_ended(library: Library) -> None:
    """It is said that it is not done."""

    async def main() -> TaskLoop:
        return here()

    loop = library.run(main)
    assert not loop.spawn(lambda: None)


def test_a_run_of_trio_that_has_crashed() -> None:
    """One that did not finalize its asynchronous generators says that it does no job."""

    async def main() -> TaskLoop:
        loop: Any = here()
        loop._ending = loop._over = False
        loop._finish = nothing
        loop._end._finish = nothing
        return here()

    async def nothing() -> None:
        pass

    loop = trio.run(main)
    assert loop.alive(), "nobody has said so"
    assert not loop.spawn(lambda: None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # threads of other tests may be about to end
def test_the_child_of_a_fork_leaves_the_loop_to_its_parent(library: Library) -> None:
    """There the loop is not alive, and it is not woken."""

    async def main() -> int:
        loop, sleeper = here(), here().new_sleeper()
        child = os.fork()
        if child == 0:
            os._exit(loop.alive() or loop.spawn(lambda: None) or sleeper.alive() or Caller(sleeper.wake).result())
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert library.run(main) == 0


# --- Tasks


def test_a_task_of_its_own(library: Library) -> None:
    """It has its name, and is begun later; nobody has to keep it; what it raises is nobody's."""

    async def main() -> None:
        loop, log = here(), Log(library)
        names: list[str] = []

        def steps() -> Steps:
            names.append(str(loop.owner()))
            yield from log.steps("it", 0.001)
            raise ZeroDivisionError

        loop.start(steps(), "chore")
        assert log.lines == []
        await library.pause()
        gc.collect()
        await until(library, lambda: len(log.lines) == 2)
        assert log.lines == ["it begins", "it ends"]
        assert names == ["task 'chore'"]
        await library.pause(0.001)
        gc.collect()

    library.run(main)


@pytest.mark.parametrize("inherit", [True, False])
def test_the_context_of_a_task(library: Library, inherit: bool) -> None:
    """It has a copy of the context of who started it, or one that is empty."""

    async def main() -> None:
        seen: list[str] = []

        def steps() -> Steps:
            seen.append(variable.get("nothing"))
            variable.set("the task's")
            yield from library.pause().__await__()
            seen.append(variable.get())

        variable.set("the caller's")
        here().start(steps(), "chore", inherit=inherit)
        variable.set("another")
        await until(library, lambda: len(seen) == 2)
        assert seen == ["the caller's" if inherit else "nothing", "the task's"]
        assert variable.get() == "another"

    library.run(main)


@pytest.mark.parametrize("in_c", [True, False])
def test_who_has_started_a_task_is_not_kept(library: Library, in_c: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the context variables of its caller refer to may go, though the task has not begun, or takes long."""
    if not in_c:
        monkeypatch.setattr(asyncio, "Task", vars(asyncio.tasks)["_PyTask"])

    class Value(str):
        pass

    async def main() -> None:
        loop, log = here(), Log(library)

        def start() -> weakref.ref[str]:
            value = Value()
            variable.set(value)
            loop.start(log.steps("it", DEADLINE), "chore", limit=DEADLINE, lost=log.lines.clear)
            return weakref.ref(value)

        kept = contextvars.Context().run(start)
        gc.collect()
        assert kept() is None
        await awaiting(loop.wait_for_tasks(0))
        assert log.lines == ["it begins", "it is cancelled"]

    library.run(main)


def test_the_timer_of_a_limit() -> None:
    """It ends with the task; a task without a limit has none."""

    def timers() -> list[asyncio.TimerHandle]:
        return [timer for timer in vars(asyncio.get_running_loop())["_scheduled"] if not timer.cancelled()]

    async def main() -> None:
        loop, log = here(), Log(Asyncio())
        loop.start(log.steps("first"), "chore")
        assert timers() == []
        loop.start(log.steps("second"), "chore", limit=DEADLINE)
        assert len(timers()) == 1
        await awaiting(loop.wait_for_tasks(DEADLINE))
        assert timers() == []

    asyncio.run(main())


def test_a_beginning_that_was_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was to tell that a task is not begun any more, and was never made, says nothing when it is freed."""
    said: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", said.append)
    vars(asyncio_hub)["_Begun"].__new__(vars(asyncio_hub)["_Begun"])
    assert said == []


def test_a_task_that_is_cancelled_at_once_begins(library: Library) -> None:
    """When a loop ends, its tasks are cancelled, also those that have just been started: what is in them is done."""
    log = Log(library)

    def plain() -> Steps:
        log.lines.append("plain")
        yield from ()

    async def main() -> None:
        here().start(log.steps("it", DEADLINE), "chore")
        here().start(plain(), "chore")
        await awaiting(here().wait_for_tasks(0))

    library.run(main)
    assert sorted(log.lines) == ["it begins", "it is cancelled", "plain"]


class Odd(asyncio.Future[Any]):
    """What a task factory may make."""

    def __init__(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **_: object) -> None:
        super().__init__(loop=loop)
        coroutine.close()


@pytest.mark.parametrize(
    "factory",
    [Odd, pytest.param("eager", marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="there are none"))],
)
def test_a_task_factory_is_not_asked(factory: Any) -> None:
    """It could begin the task at once, in the middle of who starts it, or make what is no task."""

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        loop.set_task_factory(vars(asyncio)["eager_task_factory"] if factory == "eager" else factory)
        log = Log(Asyncio())
        here().start(log.steps("it"), "chore")
        assert log.lines == []
        loop.set_task_factory(None)
        await until(log.library, lambda: len(log.lines) == 2)

    asyncio.run(main())


def test_an_exit_in_a_task() -> None:
    """What is no Exception ends the loop, as it does in any task."""

    def steps() -> Steps:
        raise SystemExit(3)
        yield

    async def main() -> None:
        here().start(steps(), "chore")
        await asyncio.sleep(DEADLINE)

    with pytest.raises(SystemExit, match="3"):
        asyncio.run(main())
    gc.collect()


@pytest.mark.parametrize("seconds", [0.0, 0.9, DEADLINE])
def test_wait_for_all_tasks(library: Library, seconds: float) -> None:
    """Those that take too long are cancelled; all have ended then."""

    async def main() -> None:
        loop, log = here(), Log(library)
        await awaiting(loop.wait_for_tasks(seconds))
        loop.start(log.steps("first", 0.001 if seconds else DEADLINE), "first")
        loop.start(log.steps("second"), "second")
        await library.pause()
        await awaiting(loop.wait_for_tasks(seconds))
        ends = ["first ends", "second ends"] if seconds else ["first is cancelled", "second is cancelled"]
        assert sorted(line for line in log.lines if "begins" not in line) == ends

    library.run(main)


def test_a_task_that_ends_too_late(library: Library) -> None:
    """It is cancelled when the time is over, not before; nobody waits any more then."""

    async def main() -> None:
        loop: Any = here()
        log = Log(library)
        loop.start(log.steps("it", DEADLINE), "chore")
        await awaiting(loop.wait_for_tasks(0.01))
        assert log.lines == ["it begins", "it is cancelled"]
        assert not loop._tasks._waiting

    library.run(main)


def test_a_task_that_takes_its_time_to_end() -> None:
    """It is cancelled once, whoever else ends meanwhile."""

    async def main() -> None:
        loop, log = here(), Log(Asyncio())

        def careful() -> Steps:
            try:
                yield from log.steps("it", DEADLINE)
            finally:
                yield from log.steps("its end", 0.01)

        loop.start(careful(), "chore")
        loop.start(log.steps("another", DEADLINE), "chore")
        await asyncio.sleep(0)
        await awaiting(loop.wait_for_tasks(0))
        assert "another is cancelled" in log.lines
        assert log.lines[-1] == "its end ends"

    asyncio.run(main())


def test_a_task_that_nobody_needs_at_the_end(library: Library) -> None:
    """It is cancelled as soon as the others are waited for, and not when they have ended."""

    async def main() -> None:
        loop, log = here(), Log(library)
        for number in range(2):
            loop.start(log.steps(f"round {number}", DEADLINE if number else 0.0), "round", ends_with_loop=True)
        loop.start(log.steps("closer", 0.001), "closer")
        await until(library, lambda: "round 0 ends" in log.lines)
        await awaiting(loop.wait_for_tasks(DEADLINE))
        assert sorted(log.lines[3:]) == ["closer ends", "round 0 ends", "round 1 is cancelled"]

    library.run(main)


# --- The end of a loop


def test_steps_at_the_end(library: Library) -> None:
    """They are done when all tasks have ended, and are not cancelled; they start tasks, and wait for them."""
    log = Log(library)
    names: list[str] = []

    def chore(number: int) -> Steps:
        names.append(str(here().owner()))
        yield from log.steps(f"chore {number}", 0.002)

    def last(number: int) -> Steps:
        loop = here()
        names.append(str(loop.owner()))
        assert loop.alive()
        yield from log.steps(f"last {number}")
        loop.start(chore(number), "chore")
        loop.spawn(lambda: log.lines.append(f"job {number}"))
        assert not (yield from loop.new_sleeper().sleep(0.001))
        yield from loop.wait_for_tasks(DEADLINE)
        log.lines.append(f"done {number}")
        raise ZeroDivisionError

    async def main() -> None:
        for number in range(2):
            here().at_end(partial(last, number))
        here().start(log.steps("it", DEADLINE), "chore", ends_with_loop=True)
        await library.pause(0.001)

    library.run(main)
    assert names.count("task 'chore'") == 2
    assert (
        names.count(f"task 'ProxyPatternPool at the end of the {'run' if isinstance(library, Trio) else 'loop'}'") == 2
    )
    assert log.lines[:2] == ["it begins", "it is cancelled"]
    for number in range(2):
        order = [f"last {number} begins", f"last {number} ends", f"job {number}", f"done {number}"]
        assert [line for line in log.lines if line in order] == order
        assert log.lines.index(f"chore {number} ends") < log.lines.index(f"done {number}")


def test_a_task_that_starts_when_the_last_has_ended() -> None:
    """A callback of a run of trio may start it, from another thread for instance: it is begun, or the run is over."""
    started: list[bool] = []
    begun: list[bool] = []

    def start(loop: TaskLoop) -> None:
        started.append(loop.here())
        if loop.here():
            loop.start(steps_of(begin()), "late")

    async def begin() -> None:
        begun.append(True)

    def last(loop: TaskLoop, token: trio.lowlevel.TrioToken) -> Steps:
        token.run_sync_soon(start, loop)
        yield from ()

    async def main() -> None:
        here().at_end(partial(last, here(), trio.lowlevel.current_trio_token()))

    for _ in range(20):  # trio does what is to be done at the same time in any order
        trio.run(main)
    assert len(started) == 20
    assert len(begun) == sum(started) > 0


def test_a_task_that_starts_when_the_run_takes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is begun at the end of the run, as it would have been before."""
    seen: list[object] = []

    def steps() -> Steps:
        seen.append((str(here().owner()), variable.get("nothing")))
        yield from ()

    async def main() -> None:
        variable.set("mine")
        with monkeypatch.context() as patch:
            patch.setattr(trio.lowlevel, "spawn_system_task", refuse)
            here().start(steps(), "late")
        await trio.sleep(0)
        assert seen == []

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError

    trio.run(main)
    assert seen == [("task 'late'", "nothing")]


def test_who_notices_the_end_of_the_main_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task of the run does, as long as there are others that may go on for a while, and again when new ones come."""
    monkeypatch.setattr(trio_hub, "WATCH", 0.001)
    monkeypatch.setattr(trio_hub, "UNFINISHED", 0.02)
    log = Log(Trio())

    def ours() -> list[str]:
        root: Any = trio.lowlevel.current_root_task()
        return [task.name for each in root.child_nurseries for task in each.child_tasks if task.name == "chore"]

    async def main() -> None:
        loop: Any = here()
        loop.start(log.steps("first"), "chore")
        assert len(ours()) == 2
        await until(log.library, lambda: not ours())
        loop.start(log.steps("second", DEADLINE), "chore")
        assert len(ours()) == 2
        await trio.sleep(0)

    trio.run(main)
    assert log.lines == ["first begins", "first ends", "second begins", "second is cancelled"]


def test_steps_that_are_called_off(library: Library) -> None:
    """They are not done, and nobody keeps them; to call off twice, or after the end, does no harm."""

    class Last:
        def __call__(self) -> Steps:
            raise AssertionError("it was called off")

        def __del__(self) -> None:
            freed.append(self.__class__.__name__)

    freed: list[str] = []

    async def main() -> Callable[[], None]:
        for elsewhere in (False, True):
            off = here().at_end(Last())
            if elsewhere:
                Caller(off).result()
            off()
            off()
            gc.collect()
            assert freed.pop() == "Last"
        here().at_end(partial(steps_of, library.pause()))
        return here().at_end(partial(steps_of, library.pause()))

    late = library.run(main)
    late()


def test_steps_that_hang_at_the_end(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are cancelled in the end."""
    log = Log(library)
    for module in ("asyncio_hub", "trio_hub"):
        monkeypatch.setattr(f"ProxyPatternPool._runtime.{module}.LONGEST_END", 0.01)

    async def main() -> None:
        here().at_end(partial(log.steps, "last", DEADLINE))

    library.run(main)
    assert log.lines == ["last begins", "last is cancelled"]


def test_a_generator_of_the_user_at_the_end(library: Library) -> None:
    """What one starts when it is finalized is done, too: nobody has left the loop yet."""
    log = Log(library)

    async def users() -> Any:
        try:
            yield 1
        finally:
            log.lines.append("the user's ends")
            here().start(log.steps("retter"), "chore")

    def last() -> Steps:
        log.lines.append("last")
        yield from here().wait_for_tasks(DEADLINE)

    async def main() -> None:
        kept.extend(users() for _ in range(5))
        for number, generator in enumerate(kept):
            if number == 2:
                here().at_end(last)
            assert await generator.__anext__() == 1

    kept: list[Any] = []
    library.run(main)
    assert log.lines.count("the user's ends") == 5
    assert log.lines.count("retter ends") == 5
    if isinstance(library, Trio):
        assert log.lines.index("last") >= 5, "after all of the user's"


def test_what_a_generator_of_the_user_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one starts that takes longer than all else at the end has some time, and is cancelled then."""
    monkeypatch.setattr("ProxyPatternPool._runtime.asyncio_hub.STARTED_TIME", 0.05)
    log = Log(Asyncio())

    async def users() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            for seconds in (0.01, DEADLINE):
                here().start(log.steps(f"{seconds:g} s", seconds), "chore")

    async def main() -> None:
        kept.append(users())
        assert await kept[0].__anext__() == 1
        here().at_end(partial(log.steps, "last"))

    kept: list[AsyncGenerator[int, None]] = []
    asyncio.run(main())
    assert log.lines[-3:] == ["last ends", "0.01 s ends", f"{DEADLINE:g} s is cancelled"]


def test_a_task_of_another_kind_at_the_end() -> None:
    """Others may register with asyncio what they take for tasks: it may lack what tasks have."""
    loop = asyncio.new_event_loop()
    log = Log(Asyncio())
    other = loop.create_future()
    vars(asyncio)["_register_task"](other)

    async def main() -> None:
        assert other in asyncio.all_tasks()
        here().at_end(partial(log.steps, "last"))

    loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    assert log.lines == ["last begins", "last ends"]


def test_a_loop_that_does_not_say_whether_it_ends() -> None:
    """One of uvloop has no attribute for that: steps at its end are done, too."""
    log = Log(Asyncio())

    async def main() -> None:
        known: Any = here()
        loop, known.loop = known.loop, object()
        known.at_end(partial(log.steps, "last"))
        known.loop = loop

    asyncio.run(main())
    assert log.lines == ["last begins", "last ends"]


def test_what_is_used_first_at_the_end(library: Library, recwarn: pytest.WarningsRecorder) -> None:
    """A generator of the user that is finalized may be the first to ask for something at the end: no error, no word."""
    log = Log(library)

    async def users() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            off = here().at_end(partial(log.steps, "last"))
            log.lines.append("the user's ends")
            if not isinstance(library, Trio):
                off()

    async def main() -> None:
        kept.append(users())
        assert await kept[0].__anext__() == 1
        # A loop of uvloop does not say whether it is about to end, and warns of what is begun then.
        says.append(isinstance(library, Trio) or hasattr(asyncio.get_running_loop(), "_asyncgens_shutdown_called"))

    kept: list[AsyncGenerator[int, None]] = []
    says: list[bool] = []
    library.run(main)
    assert log.lines == ["the user's ends", *(["last begins", "last ends"] if isinstance(library, Trio) else [])]
    warned = [warning for warning in recwarn if "shutdown_asyncgens" in str(warning.message)]
    assert not warned or not says[0]


def test_what_is_thrown_in_where_it_begins_to_watch(library: Library) -> None:
    """It is no end of the loop, which is watched again as soon as somebody wants to know of that."""
    log = Log(library)

    class Thrown(BaseException):
        pass

    async def main() -> None:
        here().at_end(partial(log.steps, "first"))
        end: Any = vars(here())["_end"]
        with pytest.raises(Thrown):
            await end._generator.athrow(Thrown())
        assert log.lines == []
        here().at_end(partial(log.steps, "second"))

    library.run(main)
    assert {"first ends", "second ends"} <= set(log.lines)


def test_the_end_comes_once() -> None:
    """A loop that goes on, though its asynchronous generators were finalized, does not do anything at its end."""
    loop = asyncio.new_event_loop()
    log = Log(Asyncio())

    async def main(what: str) -> None:
        here().at_end(partial(log.steps, what))

    loop.run_until_complete(main("first"))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(main("second"))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    assert log.lines == ["first begins", "first ends"]


ENDS = ["closed", "closed, kept", "never closed", "never closed, kept", "finalized", "finalized, kept", "stopped"]


@pytest.mark.parametrize("debug", ["", "debug"])
@pytest.mark.parametrize("how", ENDS)
def test_a_loop_that_is_not_ended_properly(how: str, debug: str) -> None:
    """Nothing is said of tasks that were pending, were never begun, or of what was to be done at the end."""
    lines = run_script("loops", "asyncio", how, debug)
    assert lines == (["last"] if "finalized" in how else []) + ["end"]


async def nothing() -> None:
    """Do nothing at the end of a loop."""


@pytest.fixture
def hooks() -> Generator[None, None, None]:
    """Hooks for asynchronous generators that a test may set."""
    before = sys.get_asyncgen_hooks()
    yield
    sys.set_asyncgen_hooks(*before)


def test_what_waits_for_the_end_is_freed(hooks: None) -> None:
    """That is done by whoever frees the loop: it is not asked to finalize what waits for its end."""
    finalized: list[object] = []
    sys.set_asyncgen_hooks(finalizer=finalized.append)
    end = tasks.EndOfLoop(lambda: False, nothing)
    end.watch()
    assert sys.get_asyncgen_hooks().finalizer == finalized.append, "that of others is"
    del end
    gc.collect()
    assert finalized == []


def test_a_warning_where_the_loop_has_ended(hooks: None) -> None:
    """A warning that is an error reaches nobody."""
    warned: list[object] = []

    def warn(generator: object) -> None:
        warned.append(generator)
        raise ResourceWarning

    sys.set_asyncgen_hooks(firstiter=warn)
    tasks.EndOfLoop(lambda: False, nothing).watch()
    assert len(warned) == 1


def test_the_ends_of_many_tasks_of_trio(monkeypatch: pytest.MonkeyPatch) -> None:
    """One instrument tells of all."""
    instruments: list[trio.abc.Instrument] = []
    ended: list[int] = []

    def add(instrument: trio.abc.Instrument) -> None:
        instruments.append(instrument)
        add_instrument(instrument)

    async def child(number: int) -> None:
        trio_hub.call_at_end(trio.lowlevel.current_task(), partial(ended.append, number))
        await trio.sleep(0)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(child, number)

    add_instrument = trio.lowlevel.add_instrument
    monkeypatch.setattr(trio.lowlevel, "add_instrument", add)
    trio.run(main)
    assert sorted(ended) == [0, 1, 2]
    assert len(instruments) == 1


def test_a_module_that_is_imported_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library is looked at from when it is imported on."""
    monkeypatch.setattr(task_loops, "_asyncio", None)
    monkeypatch.setattr(task_loops, "_trio", None)
    with monkeypatch.context() as patch:
        for name in ("asyncio.tasks", "trio.lowlevel"):
            patch.delitem(sys.modules, name)
        assert running_task_loop() is None
        assert task_loops._asyncio is task_loops._trio is None

    async def main() -> TaskLoop | None:
        return running_task_loop()

    assert asyncio.run(main()) is not None
    assert trio.run(main) is not None
    assert tasks.LONGEST_END > 2


def test_steps_as_a_coroutine() -> None:
    """Whoever awaits one, or closes it, gets what the steps give."""

    def steps() -> Generator[Any, Any, int]:
        yield from asyncio.sleep(0).__await__()
        return 5

    async def main() -> None:
        assert await tasks.StepsCoroutine(steps()) == 5
        unused = tasks.StepsCoroutine(steps())
        unused.close()

    asyncio.run(main())


def test_steps_that_are_sent_something() -> None:
    """They get it, and are ended by a close."""
    ended: list[object] = []

    def steps() -> Generator[Any, Any, None]:
        try:
            ended.append((yield))
            yield
        finally:
            ended.append("end")

    coroutine = tasks.StepsCoroutine(steps())
    coroutine.send(None)
    coroutine.send(5)
    assert ended == [5]
    coroutine.close()
    assert ended == [5, "end"]


def test_a_task_that_does_steps_shows_where_it_waits() -> None:
    """Its repr, which asyncio's debug mode logs if a hook stops the loop, and its stack show the line of the hook."""
    running: list[bool] = []

    async def hook() -> None:
        await asyncio.sleep(0)
        this: Any = asyncio.current_task()
        running.append(this.get_coro().cr_running)
        await asyncio.sleep(60)

    async def main() -> None:
        mine = asyncio.current_task()
        here().start(hook().__await__(), "chore", ends_with_loop=True)
        (task,) = asyncio.all_tasks() - {mine}
        assert [frame.f_code.co_name for frame in task.get_stack()] == ["quietly"]  # it has not begun
        await asyncio.sleep(0)
        assert [frame.f_code for frame in task.get_stack()] == [hook.__code__]
        assert f"coro=<steps() running at {__file__}:{hook.__code__.co_firstlineno + 1}>" in repr(task)
        coroutine: Any = task.get_coro()
        assert coroutine.cr_await is not None
        await asyncio.sleep(0)
        assert running == [True]
        assert not coroutine.cr_running
        task.cancel()
        await asyncio.wait([task])
        assert coroutine.cr_frame is None
        assert "coro=<steps() done" in repr(task)

    asyncio.run(main())
