"""When objects may be created again after a creation has failed. Called with the pool's lock held."""

import math
import random

from . import policy

FIRST, MOST = 0.05, 5.0
"""Seconds: the delay after one failure, and the longest, where a pool is told nothing else."""


class Backoff:
    """Failures in a row, and when the next attempt is due.

    Attempts are spaced from beginning to beginning, so that one that hangs holds up the others for one delay only, and
    one that is lost on the way is waited for no longer.
    """

    __slots__ = ("_first", "_most", "due_at", "failures", "spaced")

    def __init__(self, spans: tuple[float, float] | None) -> None:
        self._first, self._most = spans or (FIRST, MOST)
        self.spaced = spans is not None  # whether callers wait for it, too, or the house keeper alone
        self.failures = 0
        self.due_at = 0.0

    def allows(self, now: float) -> bool:
        """Whether there may be an attempt now."""
        return self.failures == 0 or now >= self.due_at

    def allows_callers(self, now: float) -> bool:
        """Whether there may be an attempt now on behalf of a caller."""
        return not self.spaced or self.allows(now)

    def left(self, now: float) -> float:
        """Seconds until there may be an attempt."""
        return 0.0 if self.allows(now) else self.due_at - now

    def left_to_sleep(self, now: float) -> float:
        """Seconds until a caller may try, infinity if he waits for something else; may be asked without the lock."""
        return math.inf if self.allows_callers(now) else self.due_at - now

    def begin(self, now: float) -> int:
        """Note an attempt; give the number of failures it comes after."""
        if self.failures:
            self.due_at = now + self._delay()
        return self.failures

    def failed(self, now: float, after: int) -> None:
        """Note that an attempt has failed that came after so many failures.

        Of several that were under way together only the first to fail makes the delay longer: the news is the same.
        """
        if after >= self.failures:
            self.failures += 1
            self.due_at = now + self._delay()

    def succeeded(self) -> None:
        """Note a success: the next failure is the first again."""
        self.failures = 0

    def _delay(self) -> float:
        return policy.backoff(self.failures, self._first, self._most, random.random())
