import threading
from collections.abc import Callable
from types import ModuleType
from typing import Protocol, type_check_only

from eventlet.hubs.hub import BaseHub

@type_check_only
class _HasFileno(Protocol):
    def fileno(self) -> int: ...

# One hub a thread: `hub` is there once the thread has made one.
@type_check_only
class _ThreadLocal(threading.local):
    Hub: type[BaseHub]
    hub: BaseHub

_threadlocal: _ThreadLocal

def get_hub() -> BaseHub: ...
def use_hub(mod: type[BaseHub] | ModuleType | str | None = None) -> None: ...
def trampoline(
    fd: int | _HasFileno,
    read: bool | None = None,
    write: bool | None = None,
    timeout: float | None = None,
    timeout_exc: type[BaseException] = ...,
    mark_as_closed: Callable[[], object] | None = None,
) -> object: ...
def notify_close(fd: int) -> None: ...
def notify_opened(fd: int) -> None: ...

class IOClosed(OSError): ...
