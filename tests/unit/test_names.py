"""What objects are called: what the tracer said of each when it was new, whatever has become of it since."""

from __future__ import annotations

import io
import re
import sqlite3
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ProxyPatternPool import HookError, Pool, PoolClosed, TimeOut, TooManyWaiting
from ProxyPatternPool._runtime.process import this_process

from .clock import FakeScheduler, HandMovedClock
from .helpers import Caller, Thing, Works, have_all_said, said


class Link:
    """A connection of which nothing is known any more once it is broken, as of one of psycopg's."""

    def __init__(self, number: int) -> None:
        self.pid = 4711 + number
        self.traced = 0

    def break_down(self) -> None:
        self.pid = 0

    def __repr__(self) -> str:
        raise AssertionError("asked for its text")


def backend(link: Link) -> str:
    link.traced += 1
    return f"backend {link.pid}"


def gone(link: Link) -> None:
    if link.pid == 0:
        raise ConnectionError("gone")


def test_a_broken_object_is_called_what_it_was(
    scheduler: FakeScheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Every line of the log that is about an object calls it by the name that it got when it was new."""
    pool = Pool(
        Link,
        4,
        0,
        name="db",
        tracer=backend,
        getter=gone,
        retter=gone,
        closer=gone,
        health=lambda link: link.pid != 0,
        max_using_delay=10,
        max_using_delay_kill=20,
    )
    late, killed = pool.get(), pool.get()
    for link in (late, killed):
        link.break_down()
    clock.advance(10)
    pool.housekeep()
    pool.ret(late)  # it came back, cannot be reset, and cannot be closed
    clock.advance(10)
    pool.housekeep()
    sick = pool.get()
    pool.ret(sick)
    sick.break_down()
    with pool.obj():  # the getter is for another
        pass
    pool.housekeep()
    lease = pool.lease()
    lease.obj.break_down()
    del lease
    scheduler.run()
    kept = pool.get()
    kept.break_down()
    pool.shutdown()
    scheduler.run()
    assert sorted(line.removeprefix("pool 'db': ") for line in said(caplog)) == sorted(
        [
            "backend 4711 has been kept for 10.000 s by thread 'MainThread'",
            "backend 4712 has been kept for 10.000 s by thread 'MainThread'",
            "backend 4711 came back after 10.000 s from thread 'MainThread'",
            "retter failed, discarding backend 4711: ConnectionError('gone')",
            "closer failed on backend 4711: ConnectionError('gone')",
            "closer failed on backend 4712: ConnectionError('gone')",
            "backend 4712 has been kept for 20.000 s by thread 'MainThread', closing it",
            "getter failed on backend 4713: ConnectionError('gone')",
            "retter failed, discarding backend 4713: ConnectionError('gone')",
            "closer failed on backend 4713: ConnectionError('gone')",
            "the lease of backend 4714 was dropped by thread 'MainThread' without release()",
            "retter failed, discarding backend 4714: ConnectionError('gone')",
            "closer failed on backend 4714: ConnectionError('gone')",
            "closed while thread 'MainThread' has backend 4715, lent 0.000 s ago; it will be closed when it comes back",
        ]
    )
    assert {link.traced for link in (late, killed, sick, kept)} == {1}


def test_bad_health_names_what_it_was(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """Of an object that is found dead, the log says which it was."""
    pool = Pool(Link, 1, tracer=backend, health=lambda link: link.pid != 0, name="db")
    link = pool.get()
    pool.ret(link)
    link.break_down()
    pool.housekeep()
    scheduler.run()
    assert said(caplog) == ["pool 'db': bad health, discarding backend 4711: it said no"]


def test_where_else_it_is_called_so(scheduler: FakeScheduler) -> None:
    """The statistics, the list of owners and the dump, and the error of a getter that failed."""
    pool = Pool(Link, 1, tracer=backend, getter=gone, hook_errors="discard", name="db")
    link = pool.get()
    link.break_down()
    (lent,) = pool.stats()["using"]
    assert (lent.get("name"), lent.get("trace")) == ("backend 4711", "backend 0")
    assert [holding.name for holding in pool.owners()] == ["backend 4711"]
    assert "to thread 'MainThread': backend 4711, <Link at 0x" in dumped(pool)
    pool.ret(link)
    assert "  idle for 0.000 s: backend 4711, <Link at 0x" in dumped(pool)
    with pytest.raises(HookError, match=r"^getter failed on backend 4711 in pool 'db': ConnectionError\('gone'\)$"):
        pool.get()


def dumped(pool: Pool[Any]) -> str:
    text = io.StringIO()
    pool.dump(text)
    return text.getvalue()


def test_with_a_stats_hook(scheduler: FakeScheduler) -> None:
    """A name is told beside what that hook says; without a tracer there is none."""
    named = Pool(Link, 1, tracer=backend, stats=lambda link: link.pid)
    plain = Pool(Thing, 1)
    (idle,) = named.stats()["avail"]
    assert (idle.get("name"), idle.get("stats"), "trace" in idle) == ("backend 4711", 4711, False)
    assert "name" not in plain.stats()["avail"][0]
    plain.get()
    assert [holding.name for holding in plain.owners()] == [None]


def test_a_tracer_may_ask_its_object(scheduler: FakeScheduler) -> None:
    """It is called once, in the creator's thread, when the opener has returned and before anybody has the object."""
    seen: list[tuple[str, int, int]] = []

    def ask(connection: sqlite3.Connection) -> str:
        (version,) = connection.execute("PRAGMA user_version").fetchone()  # sqlite refuses any other thread
        stats = pool.stats()
        seen.append((threading.current_thread().name, version, stats["navail"] + stats["nusing"]))
        return f"version {version}"

    pool = Pool(
        lambda number: sqlite3.connect(":memory:"),
        1,
        0,
        opener=lambda connection: connection.execute("PRAGMA user_version = 7"),
        closer=lambda connection: connection.close(),
        tracer=ask,
    )

    def use() -> list[str | None]:
        names: list[str | None] = []
        for _ in range(3):
            with pool.obj():
                names += [holding.name for holding in pool.owners()]
        with pool.obj() as connection:
            pool.discard(connection)
        return names

    assert Caller(use, "creator").result() == ["version 7"] * 3
    assert seen == [("creator", 7, 0)]


def test_a_name_is_plain_text(scheduler: FakeScheduler) -> None:
    """Whatever class of text a tracer gives, what is kept is text that can be written, in a dump on one line."""

    class Loud(str):
        def __str__(self) -> str:
            return self

        def __format__(self, spec: str) -> str:
            raise AssertionError("the user's code is called")

        split: Any = None

    pool = Pool(Thing, 1, tracer=lambda thing: Loud("one\ntwo \udc80"))
    pool.get()
    (holding,) = pool.owners()
    assert (type(holding.name), holding.name) == (str, "one\ntwo \\udc80")
    assert ": one two \\udc80, <Thing at 0x" in dumped(pool)


# Without a name. -------------------------------------------------------------------------------------------


def test_a_tracer_that_fails_at_first(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """The object is lent all the same; what needs it called something asks again."""
    known: dict[Thing, str] = {}
    pool = Pool(Thing, 1, tracer=known.__getitem__, max_using_delay=1.0, name="db")
    thing = pool.get()
    assert pool.owners()[0].name is None
    assert "name" not in pool.stats()["using"][0]
    assert ": <Thing at 0x" in dumped(pool)
    pool._core.maintenance._round(pool._core.clock() + 1, forced=True)
    have_all_said()
    known[thing] = "the first"
    assert pool._core.hooks.close(next(iter(pool._core.ledger.shelves.using.values()))) is None
    pool.ret(thing)
    scheduler.run()
    assert said(caplog) == [
        "pool 'db': <Thing: tracer failed: KeyError: thing 0> has been kept for 1.000 s by thread 'MainThread'",
        "pool 'db': the first came back after 0.000 s from thread 'MainThread'",
    ]
    assert pool.stats()["hook_errors"] == 0


def test_an_opener_that_fails(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """Its line calls the object what the tracer says then: there is no name yet."""

    def open_badly(link: Link) -> None:
        link.break_down()
        raise ConnectionError("gone")

    pool = Pool(Link, 1, opener=open_badly, tracer=backend, name="db")
    scheduler.run()
    assert said(caplog) == ["pool 'db': opener failed on backend 0: ConnectionError('gone')"]
    assert pool.stats()["avail"][0].get("name") == "backend 0"


def test_an_interrupted_tracer(scheduler: FakeScheduler, works: Works) -> None:
    """Whoever is interrupted in it has created nothing: the object is closed, and its place is free."""

    def interrupted(thing: Thing) -> str:
        raise KeyboardInterrupt

    pool = Pool(works.make, 1, 0, tracer=interrupted, closer=works.close)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            pool.get()
    assert works.alive == []
    assert pool.stats()["nobjs"] == 0


def test_what_a_hook_has_created(scheduler: FakeScheduler) -> None:
    """A tracer that borrows from its own pool comes to an end: what is created for it has no name."""
    asked: list[int] = []

    def borrow(thing: Thing) -> str:
        asked.append(thing.number)
        with pool.obj() as other:
            return f"{thing} beside {other}"

    pool = Pool(Thing, 2, 0, tracer=borrow)
    pool.get()
    assert asked == [0]
    assert sorted(holding.name or "" for holding in pool.owners()) == ["thing 0 beside thing 1"]
    assert "name" not in pool.stats()["avail"][0]


# Who has had an object for longest. --------------------------------------------------------------------------


def refused(pool: Pool[Any]) -> str:
    """What a time-out says after the number of those who wait."""
    with pytest.raises(TimeOut) as raised:
        pool.get(0)
    return str(raised.value).partition(" waiting")[2].partition("; this caller")[0]


def test_the_longest_holder(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """A time-out says who has had an object for longest, which, and for how long."""
    pool = Pool(Link, 2, 2, tracer=backend)
    first = Caller(pool.get, "worker-3").result()
    clock.advance(90)
    second = pool.get()
    clock.advance(3.2144)
    first.break_down()
    assert refused(pool) == "; the longest has been lent for 93.214 s to thread 'worker-3' (ended): backend 4712"
    pool.ret(first)
    pool.get()
    assert refused(pool) == "; the longest has been lent for 3.214 s to thread 'MainThread': backend 4711"
    pool.ret(second)


def test_who_is_refused_a_place_in_the_queue_hears_it_too(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """With ``max_waiting`` as with a timeout."""
    pool = Pool(Link, 1, tracer=backend, max_waiting=0)
    pool.get()
    clock.advance(1)
    with pytest.raises(
        TooManyWaiting, match=r"; the longest has been lent for 1\.000 s to thread 'MainThread': backend 47"
    ):
        pool.get(1)


def borrow_here(pool: Pool[Thing]) -> Thing:
    return pool.get()


def test_where_it_was_borrowed(scheduler: FakeScheduler) -> None:
    """With ``trace_owner`` there is the file and the line of the ``get``, of this loan and none before."""
    pool = Pool(Thing, 1, trace_owner=True)
    line = borrow_here.__code__.co_firstlineno + 1
    thing = borrow_here(pool)
    assert refused(pool) == f"; the longest has been lent for 0.000 s to thread 'MainThread' ({__file__}:{line})"
    pool.ret(thing)
    there: dict[str, Any] = {}
    exec(compile("def borrow(pool):\n    return pool.get()", "there.py", "exec"), there)
    thing = there["borrow"](pool)
    assert refused(pool).endswith(" (there.py:2)")
    pool.ret(thing)
    assert pool._core.ledger.shelves.take(0.0, this_process.here.owner) is not None  # lent, and its stack not yet taken
    assert re.fullmatch(r"; the longest has been lent for 1000.000 s to thread 'MainThread'", refused(pool))


def test_nobody_has_anything(scheduler: FakeScheduler) -> None:
    """Then nobody is named: not where nothing is lent, nor when it comes back while it is being read."""
    said_of: list[str] = []

    def make(number: int) -> Thing:
        said_of.append(refused(pool))
        return Thing(number)

    pool = Pool(make, 1, 0)
    pool.get()

    class Hasty(dict[int, Any]):
        def get(self, key: int, default: Any = None) -> Any:
            return None

    pool._core.ledger.shelves.using = Hasty(pool._core.ledger.shelves.using)
    said_of.append(refused(pool))
    assert said_of == ["", ""]


def test_a_holder_that_cannot_say_its_name(scheduler: FakeScheduler) -> None:
    """It is the user's code, and no reason to raise anything else."""

    class Nameless:
        def __str__(self) -> str:
            raise LookupError("no name")

    pool = Pool(Thing, 1)
    pool.get()
    (entry,) = pool._core.ledger.shelves.using.values()
    entry.owner = Nameless()
    assert refused(pool) == "; the longest has been lent for 0.000 s to ?"


def test_not_ready(scheduler: FakeScheduler) -> None:
    """Who waits until a pool is ready hears what has become of its places, and of those that are being closed."""

    def close(thing: Thing) -> None:
        with pytest.raises(TimeOut) as raised:
            pool.wait_ready(0)
        heard.append(str(raised.value).partition(": ")[2])

    heard: list[str] = []
    pool = Pool(Thing, 1, 1, closer=close)
    pool.discard(pool.get())
    assert heard == [
        "0 objects are ready, of 1; 1 object exists (0 idle, 0 lent, 1 being closed), 0 being created, 0 waiting"
    ]
    pool.shutdown()
    with pytest.raises(PoolClosed):
        pool.wait_ready(0)


def test_a_tracer_that_waits(scheduler: FakeScheduler) -> None:
    """What it returns cannot be awaited: there is no name, and the last errors say of which hook that is."""

    class Later:
        def __await__(self) -> Iterator[None]:
            yield

    def trace(link: Link) -> Any:
        return Later()

    pool = Pool(Link, 1, 0, tracer=trace)
    pool.ret(pool.get())
    (fault,) = pool._core.faults
    assert (fault.what, fault.kind) == ("tracer", "TypeError")
    assert fault.text.startswith("tracer ")
