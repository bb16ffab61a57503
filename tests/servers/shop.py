"""A small pool, of which the tests see what becomes of it."""

from __future__ import annotations

from ProxyPatternPool import Scope, control, proxy

from ..unit.helpers import DEADLINE, Thing, Works


class Oops(Exception):
    pass


class Shop:
    """A proxy on a pool of one, and what becomes of its object."""

    def __init__(self, scope: Scope = Scope.AUTO) -> None:
        self.works = Works(1)
        self.resets = 0
        self.failing: BaseException | None = None
        self.db: Thing = proxy(
            fun=self.works.make,
            scope=scope,
            max_size=1,
            timeout=DEADLINE,
            retter=self._reset,
            closer=self.works.close,
        )

    def _reset(self, thing: Thing) -> None:
        self.resets += 1
        if self.failing is not None:
            raise self.failing

    @property
    def lent(self) -> int:
        pool = control(self.db).pool
        assert pool is not None
        return pool.stats()["nusing"]

    def text(self) -> bytes:
        """Use the object, which this takes it for."""
        return f"thing {self.db.number}".encode()
