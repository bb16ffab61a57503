"""An observer that is of no help."""

from __future__ import annotations

from ProxyPatternPool import DiscardReason, PoolObserver


class Contrary(PoolObserver[object]):
    """Fails whatever it is told."""

    def __init__(self) -> None:
        self.told = 0

    def _fail(self) -> None:
        self.told += 1
        raise RuntimeError("do not bother me")

    def created(self, pool: str, obj: object, took: float, /) -> None:
        self._fail()

    def lent(self, pool: str, obj: object, waited: float, /) -> None:
        self._fail()

    def returned(self, pool: str, obj: object, used: float, /) -> None:
        self._fail()

    def discarded(self, pool: str, obj: object, reason: DiscardReason, /) -> None:
        self._fail()
