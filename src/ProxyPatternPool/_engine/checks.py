"""Whether an object that was just taken may be lent."""

from typing import Generic, TypeVar

from .._ledger.counters import Tally
from .._ledger.entry import Entry
from .._ledger.ledger import Ledger
from .._observer import DiscardReason
from .returns import Returns
from .shared import Shared
from .steps import Steps

T = TypeVar("T")


class Checks(Generic[T]):
    """Looks at objects before they are lent."""

    def __init__(self, shared: Shared[T], returns: Returns[T]) -> None:
        self._clock = shared.environment.clock
        self._driver = shared.driver
        self._limit = shared.config.health_before_get
        self._hooks = shared.hooks
        self._returns = returns

    def start_empty(self, ledger: Ledger[T], tally: Tally) -> None:
        """Look at the objects of a new ledger."""
        self._ledger = ledger
        self._tally = tally

    def why_unfit(self, entry: Entry[T]) -> DiscardReason | Steps[DiscardReason | None] | None:
        """Why an object just lent to the caller may not be: too old, or, if checked, in bad health."""
        now, limit = entry.last_get, self._limit
        why = self._ledger.validity.why_not_lend(entry, now)
        if why is not None or limit is None or now - max(entry.last_ret, entry.last_check) < limit:
            return why
        self._tally.add("checks_before_get")
        use = entry.uses
        try:
            healthy = self._hooks.check(entry)
        except BaseException:  # the object's state is unknown
            self._driver.finish(self._returns.end_loan(entry, use, "interrupted"))
            raise
        return (
            self._judge_check(entry, healthy) if isinstance(healthy, bool) else self._await_check(entry, use, healthy)
        )

    def _await_check(self, entry: Entry[T], use: int, check: Steps[bool]) -> Steps[DiscardReason | None]:
        try:
            healthy = yield from check
        except BaseException:
            self._driver.finish(self._returns.end_loan(entry, use, "interrupted"))
            raise
        return self._judge_check(entry, healthy)

    def _judge_check(self, entry: Entry[T], healthy: bool) -> DiscardReason | None:
        if not healthy:
            return "health"
        ledger = self._ledger
        return (
            ledger.validity.why_not_lend(entry, self._clock())
            if ledger.shelves.using.get(entry.key) is entry
            else "killed"
        )
