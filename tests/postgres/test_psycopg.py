"""``ProxyPatternPool.psycopg`` on a real server: pools of one call, for threads and for tasks."""

from __future__ import annotations

import asyncio
import logging
import select
import subprocess
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractContextManager, closing, suppress
from time import monotonic
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection, Connection, capabilities, waiting
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, TupleRow, dict_row
from psycopg.waiting import Ready
from typing_extensions import LiteralString

from ProxyPatternPool import AsyncPool, HookError, Pool
from ProxyPatternPool.psycopg import (
    AsyncCheck,
    AsyncClose,
    AsyncReset,
    AsyncSetUp,
    Check,
    Close,
    Reset,
    SetUp,
    async_connection_pool,
    backend,
    connection_pool,
    is_connected,
)

from .async_support import LONG, SOON, AsyncConn, ended, soon
from .relay import Relay
from .support import Conn, Server, ask, connect, eventually, spawn

TRANSACTION = TransactionStatus.INTRANS
KEPT_OPEN: list[AbstractContextManager[object]] = []


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Do something in an event loop."""

    async def begin() -> None:
        await main()

    asyncio.run(begin())


def status(connection: Connection[Any] | AsyncConnection[Any]) -> TransactionStatus:
    """What psycopg knows of the connection's transaction."""
    return connection.info.transaction_status


async def aask(connection: AsyncConnection[TupleRow], query: str) -> Any:
    """The one value a query gives."""
    row = await (await connection.execute(query.encode())).fetchone()
    assert row is not None
    return row[0]


# What is true of both, told apart by what is done with a connection of either kind.


def left_idle(connection: Conn) -> None:
    connection.execute("SELECT 1")
    connection.commit()


def left_in_transaction(connection: Conn) -> None:
    connection.execute("SELECT set_config('application_name', 'left', false)")
    assert status(connection) == TRANSACTION


def left_failed(connection: Conn) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("SELECT * FROM nowhere")
    assert status(connection) == TransactionStatus.INERROR


def left_closed(connection: Conn) -> None:
    connection.close()


def left_executing(connection: Conn | AsyncConn) -> None:
    """The server does so by then: a request to cancel a query that has not begun does nothing."""
    connection.pgconn.send_query(b"DO $$ BEGIN RAISE NOTICE 'begun'; PERFORM pg_sleep(60); END $$")
    begun: list[object] = []
    connection.add_notice_handler(begun.append)
    connection.pgconn.flush()
    while not begun:
        select.select([connection.pgconn.socket], [], [], LONG)
        connection.pgconn.consume_input()
        connection.pgconn.is_busy()
    assert status(connection) == TransactionStatus.ACTIVE


def left_in_pipeline(connection: Conn) -> None:
    connection.pgconn.enter_pipeline_mode()


def left_in_block(connection: Conn) -> None:
    KEPT_OPEN.append(connection.transaction())  # without a reference it would end
    KEPT_OPEN[-1].__enter__()


KEPT: dict[Callable[[Conn], None], bool] = {
    left_idle: True,
    left_in_transaction: True,
    left_failed: True,
    left_closed: False,
    left_executing: False,
    left_in_pipeline: False,
    left_in_block: False,
}
"""What a borrower may leave, and whether the connection can be lent again."""


@pytest.mark.parametrize("leave", KEPT, ids=lambda leave: leave.__name__)
def test_what_a_borrower_has_left(leave: Callable[[Conn], None], server: Server) -> None:
    """The next one finds an idle session without a transaction: the same, or another if that cannot be known."""
    with connection_pool(server.conninfo, 1) as pool:
        with pool.obj() as connection:
            leave(connection)
        with pool.obj() as other:
            assert (other is connection) == KEPT[leave]
            assert status(other) == TransactionStatus.IDLE
            assert ask(other, "SHOW application_name") != "left"
        assert not KEPT[leave] or pool.stats()["ncreated"] == 1


def test_what_tasks_have_left(server: Server) -> None:
    """The same for tasks: idle costs nothing, a transaction is rolled back, what is lost is discarded."""

    async def main() -> None:
        async with async_connection_pool(server.conninfo, 1) as pool:
            async with pool.obj() as connection:
                assert AsyncReset()(connection) is None, "nothing to await"
            async with pool.obj() as again:
                assert again is connection
                await again.execute("SELECT set_config('application_name', 'left', false)")
            async with pool.obj() as again:
                assert again is connection
                assert status(again) == TransactionStatus.IDLE
                assert await aask(again, "SHOW application_name") != "left"
                await again.close()
            async with pool.obj() as other:
                assert other is not connection
                assert await aask(other, "SELECT 6 * 7") == 42

    run(main)


def test_a_return_of_an_idle_connection_asks_the_server_nothing(server: Server, relay: Relay) -> None:
    """It ends even while the network stalls."""
    with connection_pool(server.through(relay.port), 1) as pool:
        with pool.obj() as connection:
            left_idle(connection)
            relay.stall()
        assert pool.stats()["navail"] == 1
        relay.resume()


def test_the_session_is_set_up_once(server: Server) -> None:
    """Its settings outlive the rollbacks."""
    opener = SetUp(statement_timeout="29s", application_name="fruits")
    with connection_pool(server.conninfo, 1, opener=opener) as pool:
        for _ in range(2):
            with pool.obj() as connection:
                assert ask(connection, "SHOW statement_timeout") == "29s"
                assert ask(connection, "SHOW application_name") == "fruits"
        assert pool.stats()["ncreated"] == 1

    async def main() -> None:
        opener = AsyncSetUp(statement_timeout="29s", application_name="fruits")
        async with async_connection_pool(server.conninfo, 1, opener=opener) as pool:
            for _ in range(2):
                async with pool.obj() as connection:
                    assert await aask(connection, "SHOW statement_timeout") == "29s"
                    assert await aask(connection, "SHOW application_name") == "fruits"
            assert pool.stats()["ncreated"] == 1

    run(main)


def test_a_hook_of_the_users_must_leave_no_transaction(server: Server) -> None:
    """As with ``configure`` and ``reset`` of psycopg_pool: what such an opener or retter leaves is not lent."""

    def begin(connection: Conn) -> None:
        assert status(connection) == TransactionStatus.IDLE, "ours has been first"
        connection.execute("SELECT 1")

    with connection_pool(server.conninfo, 1, min_size=0, opener=begin) as pool:
        with pytest.raises(HookError, match="left a transaction open"):
            pool.get()
        assert pool.stats()["nobjs"] == 0
    with connection_pool(server.conninfo, 1, retter=begin) as pool:
        with pool.obj() as connection:
            left_in_transaction(connection)
        assert (pool.stats()["nobjs"], connection.closed) == (0, True)

    async def abegin(connection: AsyncConn) -> None:
        await connection.execute("SELECT 1")

    async def main() -> None:
        async with async_connection_pool(server.conninfo, 1, opener=abegin) as pool:
            with pytest.raises(HookError, match="left a transaction open"):
                await pool.get()
        seen: list[TransactionStatus] = []
        async with async_connection_pool(
            server.conninfo,
            1,
            opener=lambda connection: None,
            retter=lambda connection: seen.append(status(connection)),
        ) as pool:
            async with pool.obj() as connection:
                await connection.execute("SELECT 1")
            async with pool.obj() as again:
                assert again is connection
        assert seen == [TransactionStatus.IDLE] * 2

    run(main)


def test_checks_leave_no_transaction(server: Server) -> None:
    """A connection that answers stays, and can be used."""
    with connection_pool(server.conninfo, 1) as pool:
        pool.housekeep()
        stats = pool.stats()
        assert (stats["nhealth"], stats["bad_health"], stats["navail"]) == (1, 0, 1)
        with pool.obj() as connection:
            assert status(connection) == TransactionStatus.IDLE
            assert ask(connection, "SELECT 2") == 2

    async def main() -> None:
        async with async_connection_pool(server.conninfo, 1, health_before_get=0.0) as pool:
            async with pool.obj() as connection:
                pass
            async with pool.obj() as again:
                assert again is connection
                assert status(again) == TransactionStatus.IDLE
                assert await aask(again, "SELECT 2") == 2
            assert pool.stats()["bad_health"] == 0

    run(main)


def test_a_check_ends_in_time(server: Server, relay: Relay) -> None:
    """Over a network that has failed it ends when its time is up, and not before."""
    with closing(psycopg.connect(server.through(relay.port))) as connection:
        relay.stall()
        started = monotonic()
        assert spawn(lambda: Check(SOON)(connection)).result(LONG) is False
        assert monotonic() - started >= SOON
        assert connection.closed
        relay.resume()

    async def main() -> None:
        connection = await AsyncConnection.connect(server.through(relay.port))
        relay.stall()
        started = monotonic()
        assert await AsyncCheck(SOON)(connection) is False
        assert monotonic() - started >= SOON
        assert connection.closed
        relay.resume()

    run(main)


def test_a_check_ends_though_something_seems_to_come(
    server: Server, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So does a check if psycopg says all the time that something has come, as some of its releases do."""

    def misled(steps: Generator[Any, Any, bool]) -> Generator[Any, Any, bool]:
        with suppress(StopIteration):
            wanted = next(steps)
            while True:
                yield wanted
                wanted = steps.send(Ready.R)
        return False

    def wait(steps: Generator[Any, Any, bool], fileno: int, interval: float) -> bool:
        return original(misled(steps), fileno, interval=interval)

    original = waiting.wait
    monkeypatch.setattr(waiting, "wait", wait)
    with closing(psycopg.connect(server.through(relay.port))) as connection:
        relay.stall()
        assert spawn(lambda: Check(SOON)(connection)).result(LONG) is False
        relay.resume()


def test_a_check_that_can_no_longer_be_answered(server: Server) -> None:
    """It finds out that the backend is gone, or that it answers something else, and the connection is not lent."""
    with connection_pool(server.conninfo, 1, health_before_get=0.0) as pool:
        with pool.obj() as connection:
            pass
        server.terminate([connection.info.backend_pid])
        with pool.obj() as other:
            assert other is not connection
        assert pool.stats()["bad_health"] == 1
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        connection.execute("BEGIN")
        left_failed(connection)
        assert Check()(connection) is False


def executes(server: Server, connection: Connection[Any] | AsyncConnection[Any]) -> Callable[[], bool]:
    """Make what says whether the backend of a connection executes a query."""
    pid = connection.info.backend_pid

    def is_active() -> bool:
        with connect(server.conninfo) as observer:
            query: LiteralString = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND state = 'active'"
            return bool(ask(observer, query, pid) == 1)

    return is_active


def test_a_check_that_asks_nobody(server: Server, relay: Relay) -> None:
    """It says whether a connection is still there, while nothing passes to the server; what was closed is not."""

    async def check() -> None:
        async with await AsyncConnection.connect(server.through(relay.port)) as connection:
            relay.stall()
            assert is_connected(connection)
            relay.resume()
            server.terminate([connection.info.backend_pid])
            eventually(lambda: not is_connected(connection), LONG)
            await connection.close()
            assert not is_connected(connection)

    run(check)
    with connection_pool(server.conninfo, 1, health=is_connected, health_before_get=0.0) as pool:
        with pool.obj() as connection:
            first = ask(connection, "SELECT pg_backend_pid()")
        with pool.obj() as connection:
            assert ask(connection, "SELECT pg_backend_pid()") == first
        server.terminate([first])
        eventually(lambda: not is_connected(connection), LONG)
        with pool.obj() as connection:
            assert ask(connection, "SELECT pg_backend_pid()") != first
        assert pool.stats()["bad_health"] == 1


def test_a_query_ends_with_its_connection(server: Server) -> None:
    """Who is killed in a query gets an error at once, and the server does not go on with it."""
    with connection_pool(server.conninfo, 1) as pool:
        connection = pool.get()
        is_active = executes(server, connection)
        victim = spawn(lambda: connection.execute("SELECT pg_sleep(60)"))
        eventually(is_active, LONG)
        pool.discard(connection)
        assert isinstance(victim.exception(LONG), psycopg.Error)
        eventually(lambda: not is_active(), LONG)
        assert connection.closed

    async def main() -> None:
        async with async_connection_pool(server.conninfo, 1) as pool:
            connection = await pool.get()
            is_active = executes(server, connection)
            victim = asyncio.create_task(connection.execute("SELECT pg_sleep(60)"))
            await soon(is_active)
            await pool.discard(connection)
            assert isinstance(await ended(victim, LONG), psycopg.Error)
            await soon(lambda: not is_active())
            assert connection.closed

    run(main)


def test_closing_does_not_wait_long_for_a_cancellation(server: Server, relay: Relay) -> None:
    """It ends in time if the server does not take the request."""
    connection = psycopg.connect(server.through(relay.port))
    pid = connection.info.backend_pid
    left_executing(connection)
    relay.stall()
    spawn(lambda: Close(SOON)(connection)).result(LONG)
    assert connection.closed
    with connect(server.conninfo) as killer:
        killer.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))
    relay.resume()


def test_closing_asks_for_no_cancellation_that_may_hang(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a libpq that has no time limit for it the query goes on, as with psycopg itself."""
    monkeypatch.setattr(capabilities, "has_cancel_safe", lambda: False)
    connection = connect(server.conninfo)
    is_active = executes(server, connection)
    left_executing(connection)
    eventually(is_active, LONG)
    pid = connection.info.backend_pid
    Close()(connection)
    assert connection.closed
    assert is_active()
    server.terminate([pid])


def test_who_waits_for_an_answer_is_woken(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a cancellation, too: he gets an error before a new connection can have the number of his socket."""
    monkeypatch.setattr(capabilities, "has_cancel_safe", lambda: False)
    connection = connect(server.conninfo)
    is_active, backends = executes(server, connection), [connection.info.backend_pid]
    victim = spawn(lambda: connection.execute("SELECT pg_sleep(60)"))
    eventually(is_active, LONG)
    Close()(connection)
    with connect(server.conninfo):
        assert isinstance(victim.exception(LONG), psycopg.OperationalError)

    async def main() -> None:
        connection = await AsyncConnection.connect(server.conninfo, autocommit=True)
        backends.append(connection.info.backend_pid)
        is_active = executes(server, connection)
        victim = asyncio.create_task(connection.execute("SELECT pg_sleep(60)"))
        await soon(is_active)
        await AsyncClose()(connection)
        async with await AsyncConnection.connect(server.conninfo):
            assert isinstance(await ended(victim, LONG), psycopg.OperationalError)

    run(main)
    server.terminate(backends)


@pytest.mark.parametrize("is_used", [True, False])
def test_closing_does_not_wait_for_ever_for_who_executes(server: Server, is_used: bool) -> None:
    """It ends in time if he does not notice, and at once if there is nobody."""
    connection = connect(server.conninfo)
    if is_used:
        connection.lock.acquire()
    left_executing(connection)
    spawn(lambda: Close(SOON if is_used else LONG)(connection)).result(LONG)
    assert connection.closed

    async def main() -> None:
        connection = await AsyncConnection.connect(server.conninfo)
        if is_used:
            await connection.lock.acquire()
        left_executing(connection)
        await asyncio.wait_for(AsyncClose(SOON if is_used else LONG)(connection), LONG)
        assert connection.closed

    run(main)


def test_a_task_that_is_cancelled_in_a_query(server: Server) -> None:
    """Its connection can be lent again, since psycopg has ended the query, and the reset rolls back."""

    async def main() -> None:
        async with async_connection_pool(server.conninfo, 1) as pool:

            async def query() -> None:
                async with pool.obj() as connection:
                    await connection.execute("SELECT pg_sleep(60)")

            task = asyncio.create_task(query())
            await soon(lambda: pool.stats()["nusing"] == 1)
            await soon(executes(server, pool.owners()[0].obj))
            task.cancel()
            assert isinstance(await ended(task), asyncio.CancelledError)
            async with pool.obj() as connection:
                assert await aask(connection, "SELECT 6 * 7") == 42
            assert pool.stats()["ncreated"] == 1

    run(main)


def test_connections_are_named_by_their_backend(server: Server) -> None:
    """As ``pg_stat_activity`` has them."""
    with connection_pool(server.conninfo, 1) as pool:
        with pool.obj() as connection:
            name = f"backend {ask(connection, 'SELECT pg_backend_pid()')}"
            assert name == backend(connection)
        assert pool.stats()["avail"][0].get("name") == name


def test_a_function_connects(server: Server) -> None:
    """What a conninfo cannot say, such as the form of rows, is said in a function; the pool is of such connections."""

    def connect() -> Connection[DictRow]:
        return Connection[DictRow].connect(server.conninfo, row_factory=dict_row)

    pool: Pool[Connection[DictRow]]
    with connection_pool(connect, 1) as pool, pool.obj() as connection:
        assert connection.execute("SELECT 42 AS answer").fetchone() == {"answer": 42}

    async def aconnect() -> AsyncConnection[DictRow]:
        return await AsyncConnection[DictRow].connect(server.conninfo, row_factory=dict_row)

    async def main() -> None:
        pool: AsyncPool[AsyncConnection[DictRow]]
        async with async_connection_pool(aconnect, 1) as pool, pool.obj() as connection:
            assert await (await connection.execute("SELECT 42 AS answer")).fetchone() == {"answer": 42}

    run(main)


def test_time_limits_of_a_conninfo(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets those that it does not have; what it or the environment says holds."""

    def limits(conninfo: str) -> tuple[str | None, str | None]:
        with connection_pool(conninfo, 1) as pool, pool.obj() as connection:
            parameters = connection.info.get_parameters()
            return parameters.get("connect_timeout"), parameters.get("tcp_user_timeout")

    assert limits(server.conninfo) == ("10", "10000")
    own = make_conninfo(server.conninfo, connect_timeout=29, tcp_user_timeout=1234)
    assert limits(own) == ("29", "1234")
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "28")
    assert limits(server.conninfo)[0] in (None, "28")
    assert limits(own)[0] == "29"
    for make in (connection_pool, async_connection_pool):
        with pytest.raises(psycopg.ProgrammingError, match="missing"):
            make("this is none", 1)


def test_defaults(server: Server) -> None:
    """Those of psycopg_pool where it has any, and all can be said."""
    with connection_pool(server.conninfo, 3) as pool:
        stats = pool.stats()
        assert (stats["timeout"], stats["max_lifetime"], stats["health_before_get"]) == (30.0, 3600.0, 30.0)
    with connection_pool(server.conninfo, 3, timeout=1.0, max_lifetime=None, health_before_get=None) as pool:
        stats = pool.stats()
        assert (stats["timeout"], stats["max_lifetime"], stats["health_before_get"]) == (1.0, 0.0, None)


def test_nothing_is_logged_of_what_is_normal(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """A borrower who only reads leaves a transaction, and that is no news."""
    caplog.set_level(logging.INFO)
    with connection_pool(server.conninfo, 1) as pool, pool.obj() as connection:
        connection.execute("SELECT 1")
    assert [record for record in caplog.records if record.name in ("ppp", "psycopg")] == []


@pytest.mark.parametrize("make", [SetUp, AsyncSetUp])
def test_settings_are_strings(make: Callable[..., object]) -> None:
    """As SET has them, with units: a number without one would be milliseconds here and kilobytes there."""
    with pytest.raises(TypeError, match="work_mem must be a string, not 4"):
        make(work_mem=4)


def test_hooks_are_for_pools_of_ones_own(server: Server) -> None:
    """They are hooks as any others."""
    with Pool(
        lambda number: psycopg.connect(server.conninfo),
        1,
        retter=Reset(),
        health=Check(),
        closer=Close(),
        tracer=backend,
    ) as pool:
        with pool.obj() as connection:
            left_in_transaction(connection)
        assert status(connection) == TransactionStatus.IDLE

    async def main() -> None:
        async with AsyncPool(
            lambda number: AsyncConnection.connect(server.conninfo),
            1,
            retter=AsyncReset(),
            health=AsyncCheck(),
            closer=AsyncClose(),
            tracer=backend,
        ) as pool:
            async with pool.obj() as connection:
                await connection.execute("SELECT 1")
            assert status(connection) == TransactionStatus.IDLE

    run(main)


def test_without_psycopg() -> None:
    """Whoever imports it is told what to install; nobody else is asked to."""
    script = """
import sys
sys.modules["psycopg"] = None
import ProxyPatternPool.dbapi
try:
    import ProxyPatternPool.psycopg
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=LONG, check=True)
    assert done.stdout == (
        "ProxyPatternPool.psycopg needs psycopg 3, which cannot be imported: pip install 'psycopg[binary]' "
        "(this package's extra 'psycopg' is psycopg without libpq)\n"
    )
