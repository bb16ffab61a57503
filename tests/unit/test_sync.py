"""What a pool waits with, and who is said to hold an object."""

from __future__ import annotations

import _thread
import gc
import math
import random
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from ProxyPatternPool import Pool
from ProxyPatternPool._engine import core
from ProxyPatternPool._runtime import hubs, native, owner, waiting
from ProxyPatternPool._runtime import threads as daemons
from ProxyPatternPool._runtime.native import Empty, SimpleQueue, acquire, allocate_lock, start_thread
from ProxyPatternPool._runtime.owner import ThreadOwner, here
from ProxyPatternPool._runtime.waiting import Hub, NativeSleeper
from ProxyPatternPool._scheduler import deadlines as agenda_
from ProxyPatternPool._scheduler.deadlines import Agenda
from ProxyPatternPool._scheduler.exit_jobs import Jobs

from .clock import FakeScheduler, HandMovedClock
from .helpers import DEADLINE, Caller, Thing, eventually, wait_for

# --- native primitives -----------------------------------------------------------------------------------


def test_acquire() -> None:
    """A lock is acquired within some seconds, at once, or for ever."""
    lock = allocate_lock()
    assert acquire(lock, 0)
    assert not acquire(lock, 0)
    assert not acquire(lock, -1)
    start = time.monotonic()
    assert not acquire(lock, 0.02)
    assert time.monotonic() - start >= 0.02
    waiting = Caller(lambda: acquire(lock, None))
    lock.release()
    assert waiting.result()
    lock.release()
    assert acquire(lock, 1e300), "longer than a system can wait"


def test_start_thread() -> None:
    """A thread is started without a Thread object."""
    done = threading.Event()
    before = set(threading.enumerate())
    assert start_thread(done.set)
    wait_for(done)
    assert set(threading.enumerate()) <= before


def test_no_thread_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no thread can be started one is told, and nothing is raised."""

    def refuse(run: Callable[[], None], args: tuple[()]) -> int:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(native, "_start_new_thread", refuse)
    assert not start_thread(lambda: None)


def test_primitives_are_the_interpreters() -> None:
    """In a process that nobody has patched the primitives are the interpreter's own."""
    primitives: list[object] = [native.allocate_lock, native.get_ident]
    assert primitives == [_thread.allocate_lock, _thread.get_ident]
    assert native._original("time", "monotonic") is time.monotonic


def test_primitives_before_gevent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where gevent has patched something, what was there before is taken."""

    class Monkey:
        @staticmethod
        def is_object_patched(module: str, name: str) -> bool:
            return name == "get_ident"

        @staticmethod
        def get_original(module: str, name: str) -> str:
            return f"original {module}.{name}"

    monkeypatch.setitem(sys.modules, "gevent.monkey", Monkey)
    assert native._original("_thread", "get_ident") == "original _thread.get_ident"
    assert native._original("_thread", "allocate_lock") is _thread.allocate_lock


@pytest.mark.parametrize("patched", [True, False])
def test_primitives_before_eventlet(patched: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where eventlet has patched threads, what was there before is taken."""

    class Patcher:
        @staticmethod
        def is_monkey_patched(what: str) -> bool:
            return patched and what == "thread"

        @staticmethod
        def original(module: str) -> SimpleNamespace:
            return SimpleNamespace(get_ident="original")

    monkeypatch.setitem(sys.modules, "eventlet.patcher", Patcher)
    assert (native._original("_thread", "get_ident") == "original") == patched


def test_a_sign_of_life() -> None:
    """A sign of life is there as long as its thread, and no longer."""
    go_on = threading.Event()
    signs: list[weakref.ref[Any]] = []

    def job() -> None:
        signs.append(native.sign_of_life())
        wait_for(go_on)

    caller = Caller(job)
    eventually(lambda: signs)
    gc.collect()
    assert signs[0]() is not None
    go_on.set()
    caller.result()
    eventually(lambda: signs[0]() is None)
    assert native.sign_of_life()() is native.sign_of_life()() is not None


def test_the_end_of_a_sign_of_life() -> None:
    """Whoever holds a sign of life can have something called at the end of its thread; others cost nothing."""
    go_on = threading.Event()
    ended: list[str] = []
    signs: list[weakref.ref[Any]] = []

    def job() -> None:
        signs.append(native.sign_of_life(partial(ended.append, "held")))
        native.sign_of_life(partial(ended.append, "let go"))
        assert native.sign_of_life() is native.sign_of_life()
        wait_for(go_on)

    caller = Caller(job)
    eventually(lambda: signs)
    gc.collect()
    assert not ended
    go_on.set()
    caller.result()
    eventually(lambda: ended)
    assert ended == ["held"]
    assert signs[0]() is None


# --- daemon threads ----------------------------------------------------------------------------------------


def test_a_daemon_has_a_name() -> None:
    """A thread of ours has a name; other threads have none, and `threading` hears nothing of it."""
    names: list[str] = []
    done = threading.Event()
    before = set(threading.enumerate())

    def job() -> None:
        names.append(daemons.thread_name())
        done.set()

    assert daemons.Daemons().start("ppp-1", job)
    wait_for(done)
    assert names == ["ppp-1"]
    assert daemons.thread_name() == ""
    assert set(threading.enumerate()) <= before


def test_no_daemon_is_left_before_its_first_step() -> None:
    """The end waits for each thread that the system has given no turn to yet, not for those at work."""
    turns = [threading.Event() for _ in range(2)]
    left = list(turns)
    begun: list[str] = []
    work = threading.Event()

    def start_late(run: Callable[[], None]) -> bool:
        turn = left.pop()

        def begin() -> None:
            wait_for(turn)
            run()

        return start_thread(begin)

    def have_begun(number: int) -> bool:
        return len(begun) == number

    def give_turns() -> None:
        eventually(lambda: ours._ended)
        for number, turn in enumerate(turns):
            eventually(partial(have_begun, number))
            turn.set()

    starts = [start_thread, start_late, start_late]
    ours = daemons.Daemons(lambda run: starts.pop(0)(run))
    assert ours.start("at work", lambda: wait_for(work))
    for _ in turns:
        assert ours.start("ppp-1", lambda: begun.append("first step"))
    other = Caller(give_turns)
    ours.end(DEADLINE)
    assert all(turn.is_set() for turn in turns)
    assert not ours._unborn
    other.result()
    work.set()


def test_a_daemon_that_is_started_as_the_end_comes() -> None:
    """Either the end waits for it, or it is not started, whichever of the two is at whichever step."""
    tried: list[bool] = []

    class EndsWhenNoted(set[SimpleQueue[None]]):
        def add(self, born: SimpleQueue[None], /) -> None:
            super().add(born)
            first.end(0.0)

    class StartsWhenCounted(set[SimpleQueue[None]]):
        def __iter__(self) -> Iterator[SimpleQueue[None]]:
            tried.append(second.start("ppp-1", lambda: None))
            return super().__iter__()

    first, second = daemons.Daemons(), daemons.Daemons()
    first._unborn = EndsWhenNoted()
    second._unborn = StartsWhenCounted()
    assert not first.start("ppp-1", lambda: None)
    second.end(0.0)
    assert tried == [False]
    assert not second.start("ppp-1", lambda: None)


@pytest.mark.parametrize("started", [True, False])
def test_a_daemon_that_never_takes_its_first_step(started: bool) -> None:
    """Nobody waits for a thread that could not be started, nor for ever for one that the system forgets."""

    def start_none(run: Callable[[], None]) -> bool:
        return started

    ours = daemons.Daemons(start_none)
    assert ours.start("ppp-1", lambda: None) == started
    assert bool(ours._unborn) == started
    ours.end(0.01)


def test_the_end_takes_its_time_once() -> None:
    """However many threads the system forgets, the end takes the time that it was given."""
    times: list[float] = []

    class Never(SimpleQueue[None]):
        def get(self, block: bool = True, timeout: float | None = None) -> None:
            assert timeout is not None
            times.append(timeout)
            clock.advance(timeout)
            raise Empty

    clock = HandMovedClock()
    ours = daemons.Daemons(clock=clock)
    ours._unborn = {Never(), Never()}
    ours.end(3.0)
    assert times == [3.0, 0.0]


def test_a_daemon_whose_start_is_interrupted() -> None:
    """An exception thrown in during the start passes, and the thread counts as on its way: it may have been started."""
    born = threading.Event()

    def start_and_raise(run: Callable[[], None]) -> bool:
        def turn() -> None:
            eventually(lambda: ours._ended)
            born.set()
            run()

        assert start_thread(turn)
        raise KeyboardInterrupt

    ours = daemons.Daemons(start_and_raise)
    with pytest.raises(KeyboardInterrupt):
        ours.start("interrupted", lambda: None)
    ours.end(DEADLINE)
    assert born.is_set()


# --- sleepers ----------------------------------------------------------------------------------------------


def test_a_wake_before_the_sleep_is_kept() -> None:
    """Who is woken before he sleeps does not sleep; several wakes count as one."""
    bed = NativeSleeper()
    bed.wake()
    bed.wake()
    assert bed.sleep(None)
    assert not bed.sleep(0)
    assert bed.hub is None
    assert bed.alive()
    bed.dispose()
    assert bed.alive()


def test_sleep_until_woken_or_over() -> None:
    """A sleep ends when it is woken, or when its time is over."""
    bed = NativeSleeper()
    start = time.monotonic()
    assert not bed.sleep(0.02)
    assert time.monotonic() - start >= 0.02
    sleeping = Caller(lambda: bed.sleep(30))
    bed.wake()
    assert sleeping.result()
    assert time.monotonic() - start < 20


class Hubs:
    """gevent and eventlet, as far as a sleeper looks at them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.running: dict[str, object] = {"gevent": None, "eventlet": None}
        package = sys.modules["ProxyPatternPool._runtime"]
        for name, loaded in (("gevent", "gevent.hub"), ("eventlet", "eventlet.hubs")):
            fake = SimpleNamespace(
                running=partial(self.running.get, name),
                GeventSleeper=partial(self.made, "gevent bed"),
                GeventHub=partial(self.made, "gevent home"),
                EventletSleeper=partial(self.made, "eventlet bed"),
                EventletHub=partial(self.made, "eventlet home"),
                pause=partial(self.made, f"{name} pause"),
            )
            monkeypatch.setitem(sys.modules, loaded, ModuleType(loaded))
            monkeypatch.setitem(sys.modules, f"ProxyPatternPool._runtime.{name}_hub", fake)
            monkeypatch.setattr(package, f"{name}_hub", fake, raising=False)

    def made(self, what: str, hub: object, *lost: object) -> tuple[object, ...]:
        return what, hub, *lost


def lost() -> None:
    """What would be done about a sleeper that is lost."""


def chosen() -> list[object]:
    found: list[object] = [hubs.new_sleeper(lost), hubs.new_sleeper(), hubs.current_hub(), hubs.pause(0.5)]
    return found


def test_a_sleeper_for_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits gets the bed that fits the hub his thread runs at this moment, a native one where it runs none."""
    fakes = Hubs(monkeypatch)
    assert isinstance(hubs.new_sleeper(), NativeSleeper)
    assert hubs.current_hub() is None
    assert not hubs.pause(0.5)
    fakes.running["eventlet"] = "hub"
    assert chosen() == [
        ("eventlet bed", "hub", lost),
        ("eventlet bed", "hub", waiting.nothing),
        ("eventlet home", "hub"),
        ("eventlet pause", "hub", 0.5),
    ]
    fakes.running["gevent"] = "loop"
    assert chosen() == [
        ("gevent bed", "loop", lost),
        ("gevent bed", "loop", waiting.nothing),
        ("gevent home", "loop"),
        ("gevent pause", "loop", 0.5),
    ]


def test_a_sleeper_without_hubs() -> None:
    """Where neither hub was imported, neither is looked for."""
    assert isinstance(hubs.new_sleeper(), NativeSleeper)
    assert hubs.current_hub() is None
    assert "gevent" not in sys.modules
    assert "eventlet" not in sys.modules


USES: dict[str, Callable[[Pool[Thing]], object]] = {
    "get": lambda pool: pool.get(),
    "wait_ready": lambda pool: pool.wait_ready(),
    "drain": lambda pool: pool.drain(),
    "clear": lambda pool: pool.clear(),
    "resize": lambda pool: pool.resize(max_size=3),
    "housekeep": lambda pool: pool.housekeep(),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_the_home_of_a_pool(
    use: Callable[[Pool[Thing]], object], scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pool is at home in the hub of the thread that makes it, or else of the first in which it may need objects."""
    hubs: list[Hub | None] = [None, FakeHome(), FakeHome()]

    def next_home() -> Hub | None:
        return hubs.pop(0)

    monkeypatch.setattr(core, "current_hub", next_home)
    first, second = hubs[1:]
    pool = Pool(Thing, min_size=0)
    assert pool._core.hub is None
    use(pool)
    assert pool._core.hub is first
    use(pool)
    assert pool._core.hub is first
    assert hubs == [second]


class FakeHome:
    """A hub that is always the current one, and does at once what it is asked."""

    def here(self) -> bool:
        return True

    def alive(self) -> bool:
        return True

    def spawn(self, job: Callable[[], None]) -> bool:
        job()
        return True


# --- deadlines and jobs ----------------------------------------------------------------------------------


class Watched:
    """Something that wants to be looked at."""


def test_an_agenda() -> None:
    """Things are due in the order of their deadlines, of which only the earliest counts until it has come."""
    agenda: Agenda[Watched] = Agenda()
    early, late = Watched(), Watched()
    assert agenda.time_left(0.0) is None
    agenda.note(late, 20.0)
    agenda.note(early, 30.0)
    agenda.note(early, 10.0)
    agenda.note(early, 15.0)
    assert agenda.time_left(4.0) == 6.0
    assert agenda.time_left(40.0) == 0.0
    assert agenda.due(9.9) == []
    assert agenda.due(10.0) == [early]
    agenda.note(early, 25.0)
    assert agenda.due(30.0) == [late, early]
    assert agenda.time_left(30.0) is None


def test_an_agenda_keeps_nothing_alive() -> None:
    """What is gone has no deadline any more."""
    agenda: Agenda[Watched] = Agenda()
    agenda.note(Watched(), 10.0)
    gc.collect()
    assert agenda.due(10.0) == []


def test_an_agenda_does_not_grow() -> None:
    """Far deadlines that are given up for nearer ones, again and again, do not heap up until they have passed."""
    agenda: Agenda[Watched] = Agenda()
    things = [Watched() for _ in range(10)]
    for now in range(1000):
        for thing in things:
            agenda.note(thing, now + 7200.0)
            agenda.note(thing, now + 0.5)
        assert agenda.due(now + 0.5) == things
        assert len(agenda) <= 2 * len(things) + agenda_.SPARE + 1
    assert agenda.due(9000.0) == []
    assert len(agenda) == 0


def test_an_agenda_cleared_of_what_is_given_up() -> None:
    """What is left of an agenda after deadlines were given up is still in order."""
    chance = random.Random(7)
    agenda: Agenda[Watched] = Agenda()
    things = [Watched() for _ in range(100)]
    deadlines: dict[Watched, int] = {}
    for thing in things:
        for deadline in sorted(chance.sample(range(10_000), 10), reverse=True):
            agenda.note(thing, deadline)
            deadlines[thing] = deadline
    assert len(agenda) <= 2 * len(things) + agenda_.SPARE + 1
    due: list[Watched] = []
    for now in range(10_000):
        due += agenda.due(now)
    assert [deadlines[thing] for thing in due] == sorted(deadlines.values())


def test_jobs() -> None:
    """Jobs are done once each, by all who help, whatever some of them raise; who waits is told of the end."""
    jobs = Jobs()
    done: list[int] = []
    go_on = threading.Event()

    def last() -> None:
        wait_for(go_on)
        done.append(100)

    jobs.add([partial(sys.exit, 3), *(partial(done.append, number) for number in range(50)), last])
    helpers = [Caller(jobs.run) for _ in range(3)]
    start = time.monotonic()
    jobs.wait(start + 0.02)
    assert time.monotonic() - start >= 0.02
    waiting = Caller(lambda: jobs.wait(math.inf))
    eventually(lambda: len(done) == 50)
    assert waiting.busy
    go_on.set()
    waiting.result()
    assert sorted(done) == [*range(50), 100]
    for helper in helpers:
        helper.result()
    jobs.wait(math.inf)


def test_jobs_of_nobody() -> None:
    """Where there is nothing to do nobody waits, and no greenlet is started."""
    jobs = Jobs()
    jobs.run()
    jobs.finish(FakeHome(), math.inf)


def test_jobs_without_time() -> None:
    """When the time is over no job is begun."""
    jobs = Jobs()
    jobs.add([partial(pytest.fail, "too late")])
    jobs.finish(FakeHome(), time.monotonic())


# --- owners ------------------------------------------------------------------------------------------------


def owner_here() -> owner.Owner:
    return here().owner


def test_a_thread_is_named() -> None:
    """A thread is shown by its name, and as ended when it has."""
    go_on = threading.Event()
    owners: list[owner.Owner] = []

    def job() -> None:
        owners.append(owner_here())
        wait_for(go_on)

    caller = Caller(job, "reader")
    eventually(lambda: owners)
    assert str(owners[0]) == "thread 'reader'"
    go_on.set()
    caller.result()
    assert str(owners[0]) == "thread 'reader' (ended)"
    del caller
    gc.collect()
    assert str(owners[0]) == "thread 'reader' (ended)"
    assert str(owner_here()) == "thread 'MainThread'"


def test_a_thread_that_is_renamed() -> None:
    """A thread that changes its name is shown by the new one, also after its end."""
    renamed, go_on = threading.Event(), threading.Event()
    owners: list[owner.Owner] = []

    def job() -> None:
        owners.append(owner_here())
        threading.current_thread().name = "new"
        renamed.set()
        wait_for(go_on)

    caller = Caller(job, "old")
    wait_for(renamed)
    assert str(owners[0]) == "thread 'new'"
    go_on.set()
    caller.result()
    assert str(owners[0]) == "thread 'new' (ended)"


def test_idents_used_again() -> None:
    """The system gives a new thread the ident of an ended one at once; the owner is not confused."""
    owners = [Caller(lambda: (owner_here(), threading.get_ident()), f"no. {n}").result() for n in range(20)]
    assert [str(each) for each, _ in owners] == [f"thread 'no. {n}' (ended)" for n in range(20)]
    assert len({ident for _, ident in owners}) < 20, "else this shows nothing"


def test_an_owner_is_not_kept_alive() -> None:
    """Who is remembered as an owner is not kept alive by it."""
    threads: list[weakref.ref[threading.Thread]] = []

    def job() -> owner.Owner:
        threads.append(weakref.ref(threading.current_thread()))
        return owner_here()

    remembered = Caller(job).result()
    gc.collect()
    assert threads[0]() is None
    assert str(remembered).endswith("(ended)")


def test_one_owner_per_thread() -> None:
    """A thread is the same owner each time, which costs one attribute."""
    assert owner_here() is owner_here()
    assert isinstance(owner_here(), ThreadOwner)
    assert Caller(owner_here).result() is not owner_here()


class FakeGreenlet:
    """A greenlet, as far as an owner looks at one."""

    def __init__(self, parent: object = None, name: str = "") -> None:
        self.parent = parent
        self.dead = False
        if name:
            self.name = name


@pytest.fixture
def greenlets(monkeypatch: pytest.MonkeyPatch) -> list[FakeGreenlet]:
    """Greenlets are in use, and this is the running one: at first its thread's main one."""
    running = [FakeGreenlet()]
    greenlet: Any = ModuleType("greenlet")
    greenlet.getcurrent = lambda: running[0]
    monkeypatch.setattr(owner, "_greenlets", None)
    monkeypatch.setitem(sys.modules, "greenlet", greenlet)
    monkeypatch.setitem(sys.modules, "gevent", ModuleType("gevent"))
    return running


def test_greenlets(greenlets: list[FakeGreenlet]) -> None:
    """Where greenlets are in use the owner is the running greenlet, its thread's main one being the thread."""
    main = greenlets[0]
    assert str(owner_here()) == "thread 'MainThread'"
    assert here() is here()
    running = greenlets[0] = FakeGreenlet(main, "Greenlet-7")
    named = owner_here()
    assert owner_here() is named, "the second look costs nothing"
    assert str(named) == "greenlet 'Greenlet-7'"
    running.name = "reader"
    assert str(named) == "greenlet 'reader'"
    running.dead = True
    assert str(named) == "greenlet 'reader' (ended)"
    running = greenlets[0] = FakeGreenlet(main)
    nameless = owner_here()
    assert str(nameless) == f"greenlet 'FakeGreenlet-{id(running):#x}'"
    address = id(running)
    running = greenlets[0] = main
    gc.collect()
    assert str(nameless) == f"greenlet 'FakeGreenlet-{address:#x}' (ended)"
    assert str(named) == "greenlet 'reader' (ended)"


def test_a_greenlet_that_is_gone(greenlets: list[FakeGreenlet]) -> None:
    """Of a greenlet that is gone before anyone asks a given name is known, and its kind if it was given none."""
    main = greenlets[0]
    owners: list[owner.Owner] = []
    for name in ("reader", ""):
        greenlets[0] = FakeGreenlet(main, name)
        owners.append(owner_here())
    greenlets[0] = main
    gc.collect()
    assert str(owners[0]) == "greenlet 'reader' (ended)"
    assert str(owners[1]).startswith("greenlet 'FakeGreenlet-0x")
    assert str(owners[1]).endswith("' (ended)")
