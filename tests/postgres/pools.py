"""Pools of one connection of psycopg's: ours, psycopg_pool's and DBUtils', each used as its documentation advises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, closing, contextmanager
from importlib import import_module
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool

from ProxyPatternPool.psycopg import connection_pool

from .support import Conn

LONG = 20.0
"""Seconds that no loan takes that succeeds."""
SHORT = 0.5
"""Seconds after which a loan that cannot succeed is given up."""

Block = Callable[[], AbstractContextManager[Conn]]
"""Borrows for a ``with`` statement."""


class Kind(ABC):
    """A kind of pool."""

    name: str

    @abstractmethod
    def open(
        self, conninfo: str, *, check: bool = False, set_up: bytes | None = None, timeout: float = LONG
    ) -> AbstractContextManager[Block]:
        """Make one, perhaps with a check before each loan, or with a statement that sets each session up."""


def executing(statement: bytes | None) -> Callable[[Conn], None] | None:
    """A hook that executes the statement, if there is one."""
    if statement is None:
        return None

    def execute(connection: Conn) -> None:
        connection.execute(statement)

    return execute


class Ours(Kind):
    name = "ProxyPatternPool"

    @contextmanager
    def open(
        self, conninfo: str, *, check: bool = False, set_up: bytes | None = None, timeout: float = LONG
    ) -> Generator[Block]:
        with connection_pool(
            conninfo,
            1,
            min_size=0,
            opener=executing(set_up),
            health_before_get=0.0 if check else None,
            timeout=timeout,
        ) as pool:
            yield pool.obj


class PsycopgPool(Kind):
    name = "psycopg_pool"

    @contextmanager
    def open(
        self, conninfo: str, *, check: bool = False, set_up: bytes | None = None, timeout: float = LONG
    ) -> Generator[Block]:
        execute, made = executing(set_up), list[Conn]()

        def configure(connection: Conn) -> None:
            made.append(connection)
            if execute is not None:
                execute(connection)

        with ConnectionPool(
            conninfo,
            min_size=0,
            max_size=1,
            open=True,
            configure=configure,
            check=ConnectionPool.check_connection if check else None,
            timeout=timeout,
        ) as pool:
            try:
                yield pool.connection
            finally:
                for connection in made:  # it leaves those open that cannot be set up
                    connection.close()


class DBUtils(Kind):
    name = "DBUtils"

    @contextmanager
    def open(
        self, conninfo: str, *, check: bool = False, set_up: bytes | None = None, timeout: float = LONG
    ) -> Generator[Block]:
        pool: Any = import_module("dbutils.pooled_db").PooledDB(  # an untyped package
            psycopg,
            maxconnections=1,
            blocking=True,
            ping="SELECT 1" if check else 1,
            setsession=None if set_up is None else [set_up],
            conninfo=conninfo,
        )

        @contextmanager
        def block() -> Generator[Conn]:
            with pool.connection() as connection:
                yield connection.dbapi_connection

        with closing(pool):
            yield block


KINDS: tuple[Kind, ...] = (Ours(), PsycopgPool(), DBUtils())
