"""Every unit test has a hand-moved clock and a scheduler that does nothing by itself."""

import logging
from collections.abc import Iterator

import pytest

from ProxyPatternPool._runtime.environment import Environment
from ProxyPatternPool._runtime.hubs import new_sleeper
from ProxyPatternPool._runtime.native import GIL
from ProxyPatternPool._scheduler.process import using_scheduler
from ProxyPatternPool._scheduler.scheduler import Scheduler
from ProxyPatternPool._scheduler.timing import Timing

from .clock import Chance, FakeScheduler, HandMovedClock
from .diary import Diary
from .helpers import Caller, Naps, Works, have_all_said
from .loops import LIBRARIES, Library
from .maintained import Hanging, Threads, with_threads

pytest.register_assert_rewrite("tests.unit.model")  # which is no test, and asserts

# Without a GIL a test of these takes minutes: what happens to one thread at thousands of places is the same there. And
# the child of a fork in C, of which Python knows nothing, may end at once: it may wait for threads that it has not.
IN_ONE_THREAD = ("async_interruptions", "async_proxy_sweep", "async_sweep", "interruptions")
collect_ignore = [] if GIL else [f"test_{name}.py" for name in (*IN_ONE_THREAD, "c_forks")]

IMPATIENT = Timing(worker_idle=0.02)


@pytest.fixture
def clock() -> HandMovedClock:
    return HandMovedClock()


@pytest.fixture
def chance() -> Chance:
    """The random numbers that pools of this test get."""
    return Chance()


@pytest.fixture
def environment(clock: HandMovedClock, chance: Chance, request: pytest.FixtureRequest) -> Environment:
    """The world of this test: its clock, its chance, and its naps if it has any."""
    naps: Naps | None = request.getfixturevalue("naps") if "naps" in request.fixturenames else None
    return Environment(clock=clock, random=chance, new_sleeper=new_sleeper if naps is None else naps.new_sleeper)


@pytest.fixture
def scheduler(environment: Environment) -> Iterator[FakeScheduler]:
    """Pools made in this test are maintained by this one."""
    with using_scheduler(FakeScheduler(environment)) as scheduler:
        yield scheduler
        scheduler.run()


@pytest.fixture
def naps(clock: HandMovedClock) -> Iterator[Naps]:
    """Whoever waits in this test sleeps like this; every sleeper is disposed of in the end."""
    naps = Naps(clock)
    yield naps
    assert naps.disposed == len(naps.sleepers)
    assert not naps.meanwhile, "nobody slept so often"


@pytest.fixture
def works() -> Works:
    """A factory that keeps books."""
    return Works()


@pytest.fixture
def diary() -> Diary:
    """An observer that writes down what it is told."""
    return Diary()


@pytest.fixture(autouse=True)
def log_level() -> Iterator[None]:
    """A test that silences the log, or makes it speak, does so for itself."""
    log = logging.getLogger("ppp")
    level = log.level
    yield
    log.setLevel(level)


class Swallowed(logging.Handler):
    """Notes assertions that failed in a hook, which a pool logs, and errors that a loop of asyncio logs."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        text = record.getMessage()
        mistaken = isinstance(error, _MISTAKES) or any(mistake.__name__ in text for mistake in _MISTAKES)
        if mistaken or record.name == "asyncio":
            self.failures.append(text)


_MISTAKES = (AssertionError, AttributeError, NameError, pytest.fail.Exception)
"""What no test has a hook raise on purpose."""


@pytest.fixture(autouse=True)
def nothing_is_swallowed() -> Iterator[None]:
    """What is asserted in a hook, an observer or a callback fails the test, though whoever called it goes on."""
    swallowed = Swallowed()
    logs = [logging.getLogger(name) for name in ("ppp", "asyncio")]
    for log in logs:
        log.addHandler(swallowed)
    yield
    have_all_said()
    for log in logs:
        log.removeHandler(swallowed)
    unheard = [error for _, error in Caller.unheard]
    Caller.unheard.clear()
    assert swallowed.failures == []
    assert unheard == []


@pytest.fixture
def threads() -> Threads:
    """The threads that schedulers of this test have started."""
    return Threads()


@pytest.fixture
def timing() -> Timing:
    """How patient `real` and `timed` are; a test that has them be otherwise is parametrized with it."""
    return IMPATIENT


@pytest.fixture
def real(threads: Threads, timing: Timing) -> Iterator[Scheduler]:
    """A scheduler with threads, of which one at most is left afterwards, waiting for work for ever."""
    yield from with_threads(Scheduler(Environment(start_thread=threads.start), timing), threads)


@pytest.fixture
def timed(threads: Threads, timing: Timing, clock: HandMovedClock) -> Iterator[Scheduler]:
    """A scheduler whose workers are real, and that looks when told to, at times moved by hand."""
    scheduler = Scheduler(Environment(clock=clock, start_thread=threads.start), timing)
    scheduler._running = True  # so its own thread, which would look as well, is not started
    yield from with_threads(scheduler, threads)


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    """A hook that hangs until the end of the test at the latest."""
    hook = Hanging()
    yield hook
    hook.go_on.set()


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> Library:
    """What runs the event loop of a test: each in turn."""
    return LIBRARIES[request.param]
