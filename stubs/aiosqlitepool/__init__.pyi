# What this project uses of aiosqlitepool, which does not say that it is typed.
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Generic, Protocol, TypeVar, type_check_only

from aiosqlitepool.pool import Pool

@type_check_only
class _Connection(Protocol):
    async def execute(self, sql: str, /) -> object: ...
    async def rollback(self) -> None: ...
    async def close(self) -> None: ...

_C = TypeVar("_C", bound=_Connection)

class SQLiteConnectionPool(Generic[_C]):
    _pool: Pool
    def __init__(
        self, connection_factory: Callable[[], Awaitable[_C]], pool_size: int = 5, acquisition_timeout: int = 30
    ) -> None: ...
    def connection(self) -> AbstractAsyncContextManager[_C]: ...
    async def close(self) -> None: ...
