"""Who holds what since when: as a list, and as a dump that works at any time."""

from __future__ import annotations

import io
import linecache
import os
import re
import sys
import threading
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import IO, Any, cast

import pytest

from ProxyPatternPool import Holding, Pool, PoolException, TimeOut
from ProxyPatternPool._engine.loans import STACK_DEPTH
from ProxyPatternPool._ledger.queue import Waiter
from ProxyPatternPool._runtime import owner, process
from ProxyPatternPool._runtime.process import this_process
from ProxyPatternPool._runtime.races import snapshot

from .clock import FakeScheduler, HandMovedClock
from .helpers import Caller, Naps, Thing, Works, run_script


def test_owners(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """What is lent is listed, longest first, with who holds it since when."""
    pool = Pool(works.make, 3)
    assert pool.owners() == []
    first = pool.get()
    clock.advance(5)
    second = Caller(pool.get, "worker").result()
    clock.advance(2)
    pool.ret(pool.get())
    before = datetime.now().astimezone()
    one, two = pool.owners()
    assert isinstance(one, Holding)
    assert (one.obj, one.owner, one.held, one.stack) == (first, "thread 'MainThread'", 7.0, None)
    assert (two.obj, two.held) == (second, 2.0)
    assert two.owner.startswith("thread 'worker'")
    assert timedelta() <= one.since - (before - timedelta(seconds=7)) < timedelta(seconds=20)
    assert one.since.tzinfo is not None
    assert two.since - one.since == timedelta(seconds=5)
    using = pool._core.ledger.shelves.using
    using[id(first)] = using.pop(id(first))  # as by a round that sees that it was lent again
    assert [holding.obj for holding in pool.owners()] == [first, second]
    pool.ret(first)
    assert [holding.obj for holding in pool.owners()] == [second]


def test_a_dropped_lease_has_no_owner(scheduler: FakeScheduler, works: Works) -> None:
    """What was dropped is not out any more, whether or not maintenance has come by."""
    pool = Pool(works.make, 1, max_use=1)
    lease = pool.lease(quiet=True)
    del lease
    scheduler.asked.clear()  # he has come by already, a moment before
    assert pool.owners() == []
    assert scheduler.asked, "he is to close what was found"


def borrow_here(pool: Pool[Thing]) -> Thing:
    return pool.get()


def test_stacks(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """With trace_owner there is the stack of each get, and never that of a loan before."""
    pool = Pool(works.make, 1, trace_owner=True)
    borrow_here(pool)
    (holding,) = pool.owners()
    assert holding.stack is not None
    assert holding.stack[-1].name == "borrow_here"
    pool.ret(holding.obj)
    core = pool._core
    assert core.ledger.shelves.take(clock(), this_process.here.owner) is not None  # lent, and its stack not yet taken
    (holding,) = pool.owners()
    assert holding.stack is None
    text = io.StringIO()
    pool.dump(text)
    assert "File" not in text.getvalue()


def borrow_deep_down(pool: Pool[Thing], depth: int) -> None:
    if depth > 0:
        borrow_deep_down(pool, depth - 1)
    else:
        borrow_here(pool)


def test_a_long_stack(scheduler: FakeScheduler) -> None:
    """Its innermost frames are kept, so many and no more."""
    pool = Pool(Thing, 1, trace_owner=True)
    borrow_deep_down(pool, STACK_DEPTH)
    (holding,) = pool.owners()
    assert holding.stack is not None
    assert [frame.name for frame in holding.stack] == [*["borrow_deep_down"] * (STACK_DEPTH - 1), "borrow_here"]


def test_a_loan_reads_no_sources(scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """With trace_owner it notes where it is; the lines of code are read by who shows the stack."""
    pool = Pool(Thing, 1, trace_owner=True)
    linecache.clearcache()
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(linecache, "updatecache", pytest.fail)
        borrow_here(pool)
    (holding,) = pool.owners()
    assert holding.stack is not None
    assert holding.stack[-1].line == "return pool.get()"


def test_the_frame_of_an_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is that of its thread; where greenlets take turns that may be another one's, and what is nobody's has none."""
    mine, frame = owner.ThreadOwner(threading.current_thread()), sys._getframe()
    running = {threading.get_ident(): frame}
    assert owner.frame_of(mine, running) is frame
    assert owner.frame_of(None, running) is None
    monkeypatch.setattr(owner, "here", object)
    assert owner.frame_of(mine, running) is None


class Hasty(dict[int, Any]):
    """The loans, of which one comes back while it is being read."""

    def get(self, key: int, default: Any = None) -> Any:
        return None


def test_what_comes_back_meanwhile(scheduler: FakeScheduler, works: Works) -> None:
    """A loan that ends, or another that begins, while it is being read is not listed."""
    pool = Pool(works.make, 1)
    pool.get()
    pool._core.ledger.shelves.using = Hasty(pool._core.ledger.shelves.using)
    assert pool.owners() == []


# --- the dump ---------------------------------------------------------------------------------------------


def dumped(pool: Pool[Any]) -> str:
    text = io.StringIO()
    pool.dump(text)
    return text.getvalue()


def test_a_dump(scheduler: FakeScheduler, clock: HandMovedClock, naps: Naps) -> None:
    """It says what there is, who holds what, where that was borrowed, who waits, and what is idle."""
    pool = Pool(Thing, 3, 2, trace_owner=True, name="db")
    borrow_here(pool)
    borrow_here(pool)
    held, idle = pool.get(), pool.owners()[0].obj
    clock.advance(1)
    pool.ret(idle)
    clock.advance(2)
    text = re.sub("0x[0-9a-f]+", "0x1", dumped(pool))
    lines = text.splitlines()
    assert lines[0] == ("pool 'db': 1 idle, 2 lent, 0 being checked, 0 being created, 0 being closed, 0 waiting, max 3")
    assert lines[1] == "  lent for 3.000 s to thread 'MainThread': <Thing at 0x1>, number 0, use 1"
    assert re.fullmatch(r'    File ".*test_owners\.py", line \d+ in borrow_here', lines[2])
    assert re.fullmatch(r'    File ".*test_owners\.py", line \d+ in test_a_dump', lines[3])
    assert lines[-1] == "  idle for 2.000 s: <Thing at 0x1>, number 1, use 1"
    pool.ret(held)


def test_a_dump_of_who_waits(scheduler: FakeScheduler, clock: HandMovedClock, naps: Naps) -> None:
    """Those who wait are named, with the time for which they have."""
    pool = Pool(Thing, 1)
    pool.get()
    texts: list[str] = []
    naps.meanwhile.append(lambda: clock.advance(1))
    naps.meanwhile.append(lambda: texts.append(dumped(pool)))
    with pytest.raises(TimeOut):
        pool.get(2)
    assert "1 waiting, max 1\n" in texts[0]
    assert "  waiting for 1.000 s: thread 'MainThread'\n" in texts[0]
    # One that has just got something, and has not been taken out yet, waits no more.
    pool._core.ledger.waiters.queue.append(Waiter(this_process.here.owner))
    assert "waiting for" not in dumped(pool)


def test_a_dump_of_a_closed_pool(scheduler: FakeScheduler) -> None:
    """A pool that is closed is said to be, and one without a bound is unlimited."""
    pool = Pool(Thing, min_size=0, name="db")
    pool.shutdown()
    assert dumped(pool) == (
        "pool 'db', closed: 0 idle, 0 lent, 0 being checked, 0 being created, 0 being closed, 0 waiting, unlimited\n"
    )


class Unspeakable(Exception):
    """Its text is the user's code."""

    def __str__(self) -> str:
        raise AssertionError("the user's code is called")


def test_a_dump_calls_nobody(scheduler: FakeScheduler) -> None:
    """Neither hooks nor objects nor errors are asked anything; an owner that cannot say its name has none."""

    class Shy:
        def __repr__(self) -> str:
            raise AssertionError("the user's code is called")

    def refuse(_: object) -> str:
        raise AssertionError("the user's code is called")

    pool = Pool(lambda _: Shy(), 1, tracer=refuse, stats=refuse, name="db")
    pool._core.objects.last_error = Unspeakable("no route", 113, b"")
    pool.get()

    class Owner:
        def __str__(self) -> str:
            raise LookupError

    (entry,) = pool._core.ledger.shelves.using.values()
    entry.owner = Owner()
    text = dumped(pool)
    assert "  last creation failed: Unspeakable: no route\n" in text
    assert " to ?: <Shy at 0x" in text
    pool.ret(entry.obj)


def test_no_lock_is_needed(scheduler: FakeScheduler) -> None:
    """It works while somebody holds every lock there is, and in the middle of this thread's own step."""
    pool = Pool(Thing, 1)
    pool.get()
    core = pool._core
    with core.guard.lock, core.tally._lock:
        assert "1 lent" in dumped(pool)
    texts: list[str] = []
    core.guard.locked(lambda: texts.append(dumped(pool)))
    assert "1 lent" in texts[0]
    with pytest.raises(PoolException, match="in the middle"):
        core.guard.locked(pool.owners)


def test_where_to(scheduler: FakeScheduler, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It writes to a descriptor, to what has one, past its buffer, or to what can write text; else to stderr."""
    pool = Pool(lambda _: Thing(0), 1, name="db \N{SNOWMAN} \udc80")
    expected = dumped(pool).encode(errors="backslashreplace")
    path = tmp_path / "dump"
    for mode in ("w", "wb"):
        with path.open(mode) as file:
            file.write(cast(Any, "later" if mode == "w" else b"later"))
            pool.dump(cast("IO[str] | IO[bytes]", file))
            assert path.read_bytes().startswith(b"pool 'db \xe2\x98\x83 \\udc80'")
        path.unlink()
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    pool.dump(descriptor)
    os.close(descriptor)
    assert len(path.read_bytes()) == len(expected)
    pool.dump()
    assert capfd.readouterr().err.startswith("pool 'db \N{SNOWMAN}")
    with pytest.raises(OSError, match="Bad file descriptor"):
        pool.dump(descriptor)
    for wrong in ("dump.txt", True):
        with pytest.raises(TypeError, match=f"file must be a file object or a descriptor, not {wrong!r}"):
            pool.dump(cast(Any, wrong))
    with path.open() as closed:
        pass
    with pytest.raises(ValueError, match="closed"):
        pool.dump(closed)


def test_a_descriptor_that_takes_little(scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not written is written next."""
    written = bytearray()

    def write(_: int, data: bytes) -> int:
        written.extend(data[:3])
        return min(3, len(data))

    pool = Pool(Thing, 1, name="db")
    expected = dumped(pool)
    monkeypatch.setattr("ProxyPatternPool._runtime.native.write", write)
    pool.dump(7)
    assert written.decode() == expected


def test_a_stderr_that_nobody_reads(scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks in a signal handler does not die of it: a pipe without a reader, a full one, a closed file."""
    pool = Pool(Thing, 1, name="db")
    ends = os.pipe()
    os.set_blocking(ends[1], False)
    with suppress(BlockingIOError):
        while True:
            os.write(ends[1], bytes(1 << 16))
    with open(ends[1], "w") as stderr:
        monkeypatch.setattr("sys.stderr", stderr)
        pool.dump()
        with pytest.raises(BlockingIOError):
            pool.dump(stderr)
        os.close(ends[0])
        pool.dump()
        with pytest.raises(BrokenPipeError):
            pool.dump(stderr)
    pool.dump()


class Odd:
    """A file whose descriptor is none, as that of a logging framework in place of stderr."""

    def __init__(self, descriptor: int | None = None) -> None:
        self.text = ""
        self.descriptor = descriptor

    def fileno(self) -> int | None:
        return self.descriptor

    def write(self, text: str) -> None:
        self.text += text


def test_files_of_other_kinds(scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that has no descriptor is written to; without a console there is nowhere to write to."""
    pool = Pool(Thing, 1, name="db")
    odd = Odd()
    pool.dump(cast(Any, odd))
    assert odd.text.startswith("pool 'db': 1 idle")
    logged = Odd(-1)
    monkeypatch.setattr("sys.stderr", logged)
    pool.dump()
    assert logged.text == odd.text
    in_memory = io.BytesIO()
    pool.dump(in_memory)
    assert in_memory.getvalue() == odd.text.encode()
    monkeypatch.setattr("sys.stderr", None)
    pool.dump()


def test_while_threads_work() -> None:
    """Whatever eight threads do meanwhile, it raises nothing and each line is whole."""
    pool = Pool(Thing, 4, 0, max_use=3, name="db")
    enough = threading.Event()

    def work() -> None:
        while not enough.is_set():
            try:
                with pool.obj(0.001):
                    pass
            except TimeOut:
                pass

    callers = [Caller(work) for _ in range(8)]
    whole = re.compile(
        r"pool 'db': \d+ idle, .*, max 4"
        r"|  (lent for [-\d.]+ s to|waiting for [-\d.]+ s:) thread '.*"
        r"|  being reset, handed over, checked or closed, came back [-\d.]+ s ago from thread .*: <Thing at .*"
        r"|  idle for [-\d.]+ s: <Thing at 0x[0-9a-f]+>, number \d+, use \d+"
    )
    for _ in range(300):
        for line in dumped(pool).splitlines():
            assert whole.fullmatch(line), line
    enough.set()
    for caller in callers:
        caller.result()
    pool.shutdown()


def test_a_signal_in_the_middle_of_a_step() -> None:
    """A real signal handler dumps a pool at every place of its work, its lock held by this very thread or not."""
    held, free = map(int, run_script("dumps"))
    assert held > 100
    assert free > 100


def test_a_collection_that_changes() -> None:
    """What changes while it is copied is copied again."""
    things = {1: 1}

    class Restless:
        def __init__(self) -> None:
            self.left = 2

        def __iter__(self) -> Any:
            for key in things:
                if self.left:
                    self.left -= 1
                    things[key + 10 + self.left] = 1
                yield key

    assert len(snapshot(cast(Any, Restless()))) == 3


@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_greenlets_are_owners_where_a_library_of_them_is_in_use(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not because of the module ``greenlet``, which others import for uses of their own."""

    class Greenlet:
        def __init__(self) -> None:
            self.parent = self
            self.dead = False
            self.name = "fisher"

    current = Greenlet()
    monkeypatch.setattr(owner, "_greenlets", None)
    monkeypatch.setitem(sys.modules, "greenlet", SimpleNamespace(getcurrent=lambda: current))
    for name in ("gevent", "eventlet"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert str(owner.here().owner) == f"thread {threading.current_thread().name!r}"
    monkeypatch.setitem(sys.modules, library, ModuleType(library))
    assert str(owner.here().owner) == "greenlet 'fisher'"


def test_greenlets_that_have_come_into_use(scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who finds nothing idle looks whether there are any: then he is a greenlet."""
    pool = Pool(Thing, 2, 0)
    monkeypatch.setattr(this_process, "here", this_process.here)
    monkeypatch.setattr(process, "here", lambda: SimpleNamespace(owner="a greenlet"))
    pool.get()
    assert [loan.owner for loan in pool.owners()] == ["a greenlet"]
