"""Observers that keep books: one writes everything down, one complains of what does not fit together."""

from __future__ import annotations

from ProxyPatternPool import DiscardReason, HookName, PoolObserver


class Diary(PoolObserver[object]):
    """Writes down what it is told, pool by pool."""

    def __init__(self) -> None:
        self.lines: list[tuple[object, ...]] = []
        self.pools: set[str] = set()

    def note(self, pool: str, *line: object) -> None:
        self.pools.add(pool)
        self.lines.append(line)

    def read(self) -> list[tuple[object, ...]]:
        """What was told since the last look."""
        lines, self.lines = self.lines, []
        return lines

    def created(self, pool: str, obj: object, took: float, /) -> None:
        self.note(pool, "created", obj, took)

    def creation_failed(self, pool: str, error: BaseException, took: float, /) -> None:
        self.note(pool, "creation_failed", error, took)

    def lent(self, pool: str, obj: object, waited: float, /) -> None:
        self.note(pool, "lent", obj, waited)

    def returned(self, pool: str, obj: object, used: float, /) -> None:
        self.note(pool, "returned", obj, used)

    def discarded(self, pool: str, obj: object, reason: DiscardReason, /) -> None:
        self.note(pool, "discarded", obj, reason)

    def timed_out(self, pool: str, waited: float, /) -> None:
        self.note(pool, "timed_out", waited)

    def refused(self, pool: str, waiting: int, /) -> None:
        self.note(pool, "refused", waiting)

    def hook_failed(self, pool: str, hook: HookName, error: BaseException, /) -> None:
        self.note(pool, "hook_failed", hook, error)


class Auditor(PoolObserver[object]):
    """Keeps books of objects and loans, by identity, and says what cannot be.

    Each step is a single change of a collection, so threads need no lock here.
    """

    def __init__(self) -> None:
        self.alive: dict[int, object] = {}  # held, so that no id is used again before its end was told
        self.lent_now: dict[int, object] = {}
        self.reasons: list[str] = []
        self.created_so_far: list[None] = []
        self.loans: list[None] = []
        self.timeouts: list[float] = []
        self.failures: list[str] = []
        self.failed_creations: list[str] = []
        self.waits: list[float] = []
        self.wrong: list[str] = []

    def _expect(self, fine: bool, what: str) -> None:
        if not fine:
            self.wrong.append(what)

    def created(self, pool: str, obj: object, took: float, /) -> None:
        self._expect(self.alive.setdefault(id(obj), obj) is obj, "two objects at the same place")
        self.created_so_far.append(None)
        self._expect(took >= 0, "created in no time")

    def creation_failed(self, pool: str, error: BaseException, took: float, /) -> None:
        self.failed_creations.append(type(error).__name__)

    def lent(self, pool: str, obj: object, waited: float, /) -> None:
        self._expect(id(obj) in self.alive, "lent and not alive")
        self._expect(self.lent_now.setdefault(id(obj), self) is self, "lent twice")
        self.lent_now[id(obj)] = obj
        self.loans.append(None)
        self.waits.append(waited)

    def returned(self, pool: str, obj: object, used: float, /) -> None:
        self._expect(self.lent_now.pop(id(obj), None) is obj, "returned and not lent")
        self._expect(used >= 0, "used backwards")

    def discarded(self, pool: str, obj: object, reason: DiscardReason, /) -> None:
        self._expect(id(obj) not in self.lent_now, f"discarded and lent: {reason}")
        self._expect(self.alive.pop(id(obj), None) is obj, f"discarded and not alive: {reason}")
        self.reasons.append(reason)

    def timed_out(self, pool: str, waited: float, /) -> None:
        self.timeouts.append(waited)

    def hook_failed(self, pool: str, hook: HookName, error: BaseException, /) -> None:
        self.failures.append(hook)
