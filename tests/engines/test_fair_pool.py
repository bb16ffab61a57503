"""``FairPool`` is a pool of SQLAlchemy's, and lends as ours do."""

from __future__ import annotations

import gc
import logging
import threading
from functools import partial
from typing import Any, cast

import pytest
from sqlalchemy import create_engine, event, exc, text
from sqlalchemy.pool import ConnectionPoolEntry, ManagesConnection, PoolProxiedConnection

from ProxyPatternPool import PoolValueError, TimeOut, TooManyWaiting
from ProxyPatternPool.sqlalchemy import FairPool

from ..exporters.running import run_code
from ..unit.clock import FakeScheduler, HandMovedClock
from ..unit.diary import Diary
from ..unit.helpers import Caller, Naps, eventually, said
from .driver import Connection, Driver


@pytest.fixture
def driver() -> Driver:
    return Driver()


def numbers(pool: FairPool) -> tuple[int, int, int, int]:
    return pool.size(), pool.checkedin(), pool.overflow(), pool.checkedout()


def numbers_of(*borrowed: ManagesConnection) -> list[int]:
    """Which connections these are."""
    return [cast("Connection", each.dbapi_connection).number for each in borrowed]


def connect(pool: FairPool, count: int) -> list[PoolProxiedConnection]:
    return [pool.connect() for _ in range(count)]


def close(borrowed: list[PoolProxiedConnection]) -> None:
    for connection in borrowed:
        connection.close()


# --- sizes


def test_the_overflow_goes_when_it_comes_back(driver: Driver, scheduler: FakeScheduler) -> None:
    """As many as ``pool_size`` stay, and the numbers say so, as QueuePool's do."""
    pool = FairPool(driver.connect, pool_size=2, max_overflow=2)
    assert numbers(pool) == (2, 0, -2, 0)
    borrowed = connect(pool, 4)
    assert numbers(pool) == (2, 0, 2, 4)
    close(borrowed)
    assert numbers(pool) == (2, 2, 0, 0)
    assert driver.open == [0, 1]
    assert pool.status() == (
        "Pool size: 2  Connections in pool: 2 Current Overflow: 0 Current Checked out connections: 0"
    )


@pytest.mark.parametrize(("pool_size", "max_overflow", "kept"), [(0, 3, 5), (2, -1, 2), (2, -5, 2)])
def test_no_bound(driver: Driver, scheduler: FakeScheduler, pool_size: int, max_overflow: int, kept: int) -> None:
    """Without a ``pool_size`` all are kept; with an overflow without bound so many."""
    pool = FairPool(driver.connect, pool_size, max_overflow, timeout=0)
    close(connect(pool, 5))
    assert (pool.checkedin(), pool.overflow()) == (kept, 0)


def test_what_makes_no_sense_is_refused(driver: Driver) -> None:
    """At once, and by its name."""
    with pytest.raises(PoolValueError, match="pool_size"):
        FairPool(driver.connect, pool_size=-1)
    with pytest.raises(PoolValueError, match="max_waiting"):
        FairPool(driver.connect, max_waiting=-1)
    with pytest.raises(TypeError, match="recyle"):
        FairPool(driver.connect, recyle=1)


@pytest.mark.parametrize(("use_lifo", "order"), [(False, [0, 1, 2]), (True, [2, 1, 0])])
def test_which_connection_is_lent_first(
    driver: Driver, scheduler: FakeScheduler, use_lifo: bool, order: list[int]
) -> None:
    """The one that came back first, as by QueuePool, unless ``use_lifo`` says otherwise."""
    pool = FairPool(driver.connect, use_lifo=use_lifo)
    close(connect(pool, 3))
    borrowed = connect(pool, 3)
    assert numbers_of(*borrowed) == order
    close(borrowed)


# --- waiting


def test_who_waits_longest_is_served_first(driver: Driver) -> None:
    pool = FairPool(driver.connect, pool_size=1, max_overflow=0, timeout=30)
    served: list[int] = []

    def use(number: int) -> None:
        connection = pool.connect()
        served.append(number)
        connection.close()

    held = pool.connect()
    callers: list[Caller[None]] = []
    for number in range(4):
        callers.append(Caller(lambda number=number: use(number), f"caller {number}"))  # type: ignore[misc]
        eventually(lambda number=number: pool.stats()["nwaiting"] == number + 1)  # type: ignore[misc]
    held.close()
    for caller in callers:
        caller.result()
    assert served == [0, 1, 2, 3]


def test_a_timeout_is_sqlalchemys(driver: Driver, scheduler: FakeScheduler, naps: Naps) -> None:
    """Its users catch that; the cause is ours, and says who has had a connection for longest."""
    pool = FairPool(driver.connect, pool_size=1, max_overflow=0, timeout=2.5)
    held = pool.connect()
    with pytest.raises(exc.TimeoutError, match=r"FairPool limit of size 1 overflow 0 .* thread 'MainThread'") as late:
        pool.connect()
    assert late.value.code == "3o7r"
    assert isinstance(late.value.__cause__, TimeOut)
    assert naps.asked == [1.0, 1.0, 0.5] or sum(filter(None, naps.asked)) == 2.5
    assert pool.timeout() == 2.5
    held.close()


def test_too_many_who_wait(driver: Driver, scheduler: FakeScheduler) -> None:
    """They get the same error, at once."""
    pool = FairPool(driver.connect, pool_size=1, max_overflow=0, max_waiting=0)
    held = pool.connect()
    with pytest.raises(exc.TimeoutError, match="max_waiting=0") as refused:
        pool.connect()
    assert isinstance(refused.value.__cause__, TooManyWaiting)
    held.close()


def test_who_cannot_connect_is_told_so(driver: Driver, scheduler: FakeScheduler) -> None:
    """Each time, and at once: no back-off holds callers of SQLAlchemy back."""
    pool = FairPool(driver.connect, pool_size=1, max_overflow=0)
    driver.failing = OSError("no server")
    for _ in range(3):
        with pytest.raises(OSError, match="no server"):
            pool.connect()
    assert numbers(pool) == (1, 0, -1, 0)
    driver.failing = None
    close(connect(pool, 1))
    assert pool.stats()["nerrors"] == 3


# --- what SQLAlchemy does to connections


def test_a_reset_and_the_events(driver: Driver, scheduler: FakeScheduler) -> None:
    """They come as with any pool of SQLAlchemy's, and a new pool has the listeners of the old one."""
    heard: list[str] = []

    def note(name: str, *_: object) -> None:
        heard.append(name)

    pool = FairPool(driver.connect, pool_size=1, max_overflow=1, reset_on_return="commit")
    for name in ("first_connect", "connect", "checkout", "reset", "checkin", "invalidate", "detach", "close"):
        event.listen(pool, name, partial(note, name))
    first, second = connect(pool, 2)
    close([first, second])
    assert driver.made[0].done == ["commit"]
    expected = ["first_connect", "connect", "checkout", "connect", "checkout", "reset", "checkin", "reset", "checkin"]
    assert heard == [*expected, "close"]
    heard.clear()
    again = pool.recreate()
    close(connect(again, 1))
    assert heard == ["first_connect", "connect", "checkout", "reset", "checkin"]


def test_an_invalidated_connection_is_replaced_in_its_record(driver: Driver, scheduler: FakeScheduler) -> None:
    """So ``record_info`` stays."""
    pool = FairPool(driver.connect, pool_size=1, max_overflow=0)
    connection = pool.connect()
    assert connection.record_info is not None
    connection.record_info["kept"] = True
    connection.invalidate()
    assert (driver.open, numbers(pool)) == ([], (1, 1, 0, 0))
    connection = pool.connect()
    assert numbers_of(connection) == [1]
    assert connection.record_info == {"kept": True}
    connection.close()


def test_a_detached_connection_is_its_users(driver: Driver, scheduler: FakeScheduler) -> None:
    """Its place is free, and the pool never closes it."""
    pool = FairPool(driver.connect, pool_size=1, max_overflow=0)
    connection = pool.connect()
    connection.detach()
    other = pool.connect()
    assert driver.open == [0, 1]
    close([connection, other])
    assert driver.open == [1]


def test_a_dropped_connection_comes_back_once(driver: Driver) -> None:
    """SQLAlchemy gives it back; who waits gets it, and nothing of ours gives it back again."""
    pool = FairPool(driver.connect, pool_size=1, max_overflow=0)
    dropped = pool.connect()
    waiting: Caller[list[int]] = Caller(lambda: numbers_of(pool.connect()), "waiting")
    eventually(lambda: pool.stats()["nwaiting"] == 1)
    del dropped
    gc.collect()
    assert waiting.result() == [0]
    gc.collect()
    eventually(lambda: numbers(pool) == (1, 1, 0, 0))


def test_a_record_that_came_back_before(
    driver: Driver, scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """It is ignored, and logged."""
    pool = FairPool(driver.connect)
    connection = pool.connect()
    fairy: Any = connection
    record, private = fairy._connection_record, cast("Any", pool)
    connection.close()
    private._do_return_conn(record)
    assert "not lent here" in said(caplog)[0]
    assert pool.checkedin() == 1


# --- the end


def test_dispose(driver: Driver, scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """What is idle is closed here, by this thread, what is in use when it comes back; and the pool can go on."""
    pool = FairPool(driver.connect, echo=True)
    used, *others = connect(pool, 4)
    close(others)
    with caplog.at_level(logging.INFO):
        pool.dispose()
    assert driver.open == [0]
    assert {each.closed_by for each in driver.made[1:]} == {threading.get_ident()}
    assert "Pool disposed. Pool size: 5  Connections in pool: 0" in caplog.text
    used.close()
    assert driver.open == []
    close(connect(pool, 1))
    assert driver.open == [4]


def test_recreate_takes_all_parameters(driver: Driver, diary: Diary) -> None:
    """Those of SQLAlchemy and ours."""

    def name(record: ConnectionPoolEntry) -> str:
        return f"record of {record.dbapi_connection}"

    def shown(pool: FairPool) -> dict[str, object]:
        state = {**vars(pool), **pool.stats()}
        own = {"_pool", "_invoke_creator", "_dialect", "dispatch", "logger", "id", "now", "started", "taken"}
        return {
            key: value for key, value in state.items() if key not in own | {"running", "rel_hk_last", "time_per_hk"}
        }

    given: dict[str, Any] = {
        "pool_size": 3,
        "max_overflow": 4,
        "timeout": 7.5,
        "use_lifo": True,
        "max_waiting": 8,
        "max_using_delay": 9.0,
        "trace_owner": True,
        "tracer": name,
        "observer": diary,
        "recycle": 10,
        "pre_ping": True,
        "echo": "debug",
        "logging_name": "shop",
        "reset_on_return": "commit",
    }
    pool = FairPool(driver.connect, **given)
    assert shown(pool.recreate()) == shown(pool)
    assert pool.pool.name == "shop"


FORK = """
import os, sys
from sqlalchemy import create_engine
from ProxyPatternPool.sqlalchemy import FairPool
from tests.engines.driver import Driver

driver = Driver()
engine = create_engine("sqlite://", creator=driver.connect, poolclass=FairPool, _initialize=False)
pool = engine.pool
used, idle = pool.connect(), pool.connect()
idle.close()
child = os.fork()
if not child:
    print(pool.checkedin(), driver.open)
    pool.connect().close()
    engine.dispose(close=False)
    engine.pool.connect().close()
    print(driver.open, flush=True)
    os._exit(0)
os.waitpid(child, 0)
used.close()
print(pool.checkedin(), driver.open)
"""


def test_a_child_of_a_fork_starts_empty() -> None:
    """It neither uses nor closes what the parent has, with and without ``dispose(close=False)``."""
    assert run_code(FORK) == ["0 [0, 1]", "[0, 1, 2, 3]", "2 [0, 1]"]


def test_a_dropped_pool_closes_what_is_idle(driver: Driver, scheduler: FakeScheduler) -> None:
    pool = FairPool(driver.connect)
    close(connect(pool, 2))
    del pool
    gc.collect()
    scheduler.run()
    assert driver.open == []


# --- what ours shows


def test_owners_and_long_uses(
    driver: Driver, scheduler: FakeScheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Who has which connection since when, where he got it, and a warning if he keeps it for long."""
    pool = FairPool(
        driver.connect,
        logging_name="shop",
        max_using_delay=60.0,
        trace_owner=True,
        tracer=lambda record: f"connection {numbers_of(record)[0]}",
    )
    connection = pool.connect()
    clock.advance(61.0)
    (holding,) = pool.owners()
    assert (holding.name, holding.owner, holding.held) == ("connection 0", "thread 'MainThread'", 61.0)
    assert holding.stack is not None
    assert any(frame.name == "test_owners_and_long_uses" for frame in holding.stack)
    pool.pool.housekeep()
    assert "pool 'shop': connection 0 has been kept for 61.000 s by thread 'MainThread'" in said(caplog)[0]
    connection.close()


def test_an_engine(diary: Diary, scheduler: FakeScheduler, tmp_path: Any) -> None:
    """``create_engine`` takes all parameters by the names that it has for them, and ours."""
    engine = create_engine(
        f"sqlite:///{tmp_path}/shop.db",
        poolclass=FairPool,
        pool_size=1,
        max_overflow=1,
        pool_timeout=0.5,
        pool_recycle=3600,
        pool_pre_ping=True,
        pool_use_lifo=True,
        pool_logging_name="shop",
        max_waiting=3,
        observer=diary,
    )
    for _ in range(2):
        with engine.connect() as connection:
            assert connection.execute(text("select 1")).scalar() == 1
    pool = engine.pool
    assert isinstance(pool, FairPool)
    stats = pool.stats()
    assert (stats["name"], stats["max_size"], stats["timeout"], stats["max_waiting"]) == ("shop", 2, 0.5, 3)
    assert (stats["ncreated"], stats["nuses"]) == (1, 2)
    assert [line[0] for line in diary.read()] == ["created", "lent", "returned", "lent", "returned"]
    engine.dispose()
    assert engine.pool is not pool
    assert isinstance(engine.pool, FairPool)
    assert engine.pool.stats()["name"] == "shop"
