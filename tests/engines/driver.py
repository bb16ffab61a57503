"""A driver without a database: its connections note what is done to them."""

from __future__ import annotations

import threading
from typing import Any, cast

from sqlalchemy.engine.interfaces import DBAPIConnection


class Connection:
    """What a pool needs of a connection, and a book of it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.done: list[str] = []
        self.closed_by: int | None = None

    def rollback(self) -> None:
        self.done.append("rollback")

    def commit(self) -> None:
        self.done.append("commit")

    def close(self) -> None:
        assert self.closed_by is None, "closed twice"
        self.closed_by = threading.get_ident()

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("there is no database")


class Driver:
    """Connects, unless it is told to fail."""

    def __init__(self) -> None:
        self.made: list[Connection] = []
        self.failing: BaseException | None = None

    def connect(self) -> DBAPIConnection:
        if self.failing is not None:
            raise self.failing
        self.made.append(Connection(len(self.made)))
        return cast("DBAPIConnection", self.made[-1])

    @property
    def open(self) -> list[int]:
        """The numbers of the connections that are not closed."""
        return [each.number for each in self.made if each.closed_by is None]
