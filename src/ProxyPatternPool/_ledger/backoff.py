"""When objects may be created again after a creation has failed. Called with the pool's lock held."""

import math
from collections.abc import Callable

from . import policy

FIRST_DELAY, LONGEST_DELAY = 0.05, 5.0
"""Seconds: the delay after one failure, and the longest delay, in a pool with ``backoff=None``."""


class Backoff:
    """Failures in a row, and when the next attempt is due.

    The delay runs from the beginning of one attempt to the beginning of the next. So an attempt that hangs, or that
    is lost on the way, holds up the others for one delay only.
    """

    __slots__ = ("_failures_ever", "_failures_recovered", "_first", "_most", "_random", "callers_wait", "due_at")

    def __init__(self, spans: tuple[float, float] | None, random: Callable[[], float]) -> None:
        self._random = random
        self._first, self._most = spans or (FIRST_DELAY, LONGEST_DELAY)
        self.callers_wait = spans is not None  # else only maintenance waits for the next attempt
        self.due_at = 0.0
        self._failures_ever = self._failures_recovered = 0  # counted failures; those of them before the last success

    @property
    def failures(self) -> int:
        """How many failures there are in a row."""
        return self._failures_ever - self._failures_recovered

    def allows(self, now: float) -> bool:
        """Whether there may be an attempt now."""
        return self.failures == 0 or now >= self.due_at

    def allows_callers(self, now: float) -> bool:
        """Whether there may be an attempt now on behalf of a caller."""
        return not self.callers_wait or self.allows(now)

    def seconds_left(self, now: float) -> float:
        """Seconds until there may be an attempt on behalf of a caller."""
        return 0.0 if self.allows_callers(now) else self.due_at - now

    def longest_sleep(self, now: float) -> float:
        """The longest that a waiter may sleep: until the next attempt is due, without limit if it is due already.

        May be called without the lock. With a time that is out of date a waiter looks once too early; and whoever
        frees a place during a back-off wakes one, who then asks again.
        """
        return math.inf if self.allows_callers(now) else self.due_at - now

    def begin(self, now: float) -> int:
        """Note that an attempt begins; return its mark, which is the number of failures counted so far."""
        if self.failures:
            self.due_at = now + self._delay()
        return self._failures_ever

    def is_retry(self, mark: int) -> bool:
        """Whether an attempt began after a failure, and no attempt has succeeded since that failure."""
        return mark > self._failures_recovered

    def failed(self, now: float, mark: float = math.inf) -> None:
        """Note that an attempt has failed.

        Of several attempts that are under way together, only the first to fail makes the delay longer: they all show
        the same outage. After a success every failure counts again.
        """
        if mark >= self._failures_ever or not self.failures:
            self._failures_ever += 1
            self.due_at = now + self._delay()

    def succeeded(self) -> None:
        """Note a success: the next failure counts as the first in a row."""
        self._failures_recovered = self._failures_ever

    def _delay(self) -> float:
        return policy.backoff(self.failures, self._first, self._most, self._random())
