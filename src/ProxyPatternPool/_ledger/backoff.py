"""When objects may be created again after a creation has failed. Called with the pool's lock held."""

import math
from collections.abc import Callable

from . import policy

FIRST, MOST = 0.05, 5.0
"""Seconds: the delay after one failure, and the longest, where a pool is told nothing else."""


class Backoff:
    """Failures in a row, and when the next attempt is due.

    Attempts are spaced from beginning to beginning, so that one that hangs holds up the others for one delay only, and
    one that is lost on the way is waited for no longer.
    """

    __slots__ = ("_failures_ever", "_failures_recovered", "_first", "_most", "_random", "due_at", "spaced")

    def __init__(self, spans: tuple[float, float] | None, random: Callable[[], float]) -> None:
        self._random = random
        self._first, self._most = spans or (FIRST, MOST)
        self.spaced = spans is not None  # whether callers wait for it, too, or the house keeper alone
        self.due_at = 0.0
        self._failures_ever = self._failures_recovered = 0  # that counted; of them, those before the last success

    @property
    def failures(self) -> int:
        """How many there are in a row."""
        return self._failures_ever - self._failures_recovered

    def allows(self, now: float) -> bool:
        """Whether there may be an attempt now."""
        return self.failures == 0 or now >= self.due_at

    def allows_callers(self, now: float) -> bool:
        """Whether there may be an attempt now on behalf of a caller."""
        return not self.spaced or self.allows(now)

    def left(self, now: float) -> float:
        """Seconds until there may be an attempt on behalf of a caller."""
        return 0.0 if self.allows_callers(now) else self.due_at - now

    def left_to_sleep(self, now: float) -> float:
        """Seconds until a caller may try, infinity if he waits for something else; may be asked without the lock."""
        return math.inf if self.allows_callers(now) else self.due_at - now

    def begin(self, now: float) -> int:
        """Note an attempt; give its mark: how many failures there had ever been."""
        if self.failures:
            self.due_at = now + self._delay()
        return self._failures_ever

    def is_retry(self, mark: int) -> bool:
        """Whether an attempt was begun after a failure, and nobody has succeeded since."""
        return mark > self._failures_recovered

    def failed(self, now: float, mark: float = math.inf) -> None:
        """Note that an attempt has failed.

        Of several that were under way together only the first to fail makes the delay longer: the news is the same.
        After a success any failure is news.
        """
        if mark >= self._failures_ever or not self.failures:
            self._failures_ever += 1
            self.due_at = now + self._delay()

    def succeeded(self) -> None:
        """Note a success: the next failure is the first again."""
        self._failures_recovered = self._failures_ever

    def _delay(self) -> float:
        return policy.backoff(self.failures, self._first, self._most, self._random())
