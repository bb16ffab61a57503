from types import TracebackType

from typing_extensions import Self

class Timeout(BaseException):
    seconds: float | None
    def __init__(
        self,
        seconds: float | None = None,
        exception: BaseException | type[BaseException] | bool | None = None,
    ) -> None: ...
    @property
    def pending(self) -> bool: ...
    def start(self) -> Self: ...
    def cancel(self) -> None: ...
    def __enter__(self) -> Self: ...
    # True only for Timeout(seconds, False), which swallows itself: code after such a block is reachable.
    def __exit__(
        self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> bool: ...
