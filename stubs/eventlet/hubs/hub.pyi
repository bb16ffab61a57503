from collections.abc import Callable
from typing import Any

from eventlet.hubs.timer import Timer
from greenlet import greenlet as _greenlet
from typing_extensions import ParamSpec

_P = ParamSpec("_P")

class BaseHub:
    greenlet: _greenlet
    running: bool
    stopping: bool
    clock: Callable[[], float]
    def __init__(self, clock: Callable[[], float] | None = None) -> None: ...
    def ensure_greenlet(self) -> None: ...
    def switch(self) -> Any: ...
    def abort(self, wait: bool = False) -> None: ...
    def schedule_call_global(
        self, seconds: float, cb: Callable[_P, object], *args: _P.args, **kw: _P.kwargs
    ) -> Timer: ...
    def schedule_call_local(
        self, seconds: float, cb: Callable[_P, object], *args: _P.args, **kw: _P.kwargs
    ) -> Timer: ...
    def set_timer_exceptions(self, value: bool) -> None: ...
