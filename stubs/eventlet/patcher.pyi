from types import ModuleType
from typing import Any

def original(modname: str) -> Any: ...
def is_monkey_patched(module: str | ModuleType) -> bool: ...
def monkey_patch(
    *,
    all: bool = True,
    os: bool = ...,
    select: bool = ...,
    socket: bool = ...,
    thread: bool = ...,
    time: bool = ...,
    subprocess: bool = ...,
    psycopg: bool = ...,
    MySQLdb: bool = ...,
    builtins: bool = ...,
) -> None: ...
