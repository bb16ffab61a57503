from collections.abc import Callable

from typing_extensions import ParamSpec

_P = ParamSpec("_P")

class Timer:
    seconds: float
    called: bool
    def __init__(self, seconds: float, cb: Callable[_P, object], *args: _P.args, **kw: _P.kwargs) -> None: ...
    @property
    def pending(self) -> bool: ...
    def cancel(self) -> None: ...
