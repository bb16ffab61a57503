"""Pure functions: what to do with an idle, a returned or a long-used entry, and how long to wait after a failure."""

import enum


class Verdict(enum.Enum):
    """What is done with an entry."""

    KEEP = "keep"
    WARN = "warn"
    RETIRE = "retire"


# By name: on 3.11 the look-up in the class costs a tenth of a microsecond each time.
KEEP, WARN, RETIRE = Verdict


YOUNGEST_END = 0.95
"""The part of ``max_lifetime`` that every object reaches. The rest is random: objects that were created together are
not all closed together."""


def on_idle(idle_for: float, limit: float | None, *, spare: bool) -> Verdict:
    """Judge an idle entry: retire it if it was idle for too long and the pool can spare it."""
    expired = limit is not None and idle_for >= limit
    return RETIRE if spare and expired else KEEP


def on_return(uses: int, max_use: int | None) -> Verdict:
    """Judge a returned entry: retire it if it was used as often as it may be."""
    return RETIRE if max_use is not None and uses >= max_use else KEEP


def on_long_use(used_for: float, warn: float | None, kill: float | None, *, warned: bool) -> Verdict:
    """Judge an entry in use: warn once in each loan, then retire it."""
    if kill is not None and used_for >= kill:
        return RETIRE
    if warn is not None and used_for >= warn and not warned:
        return WARN
    return KEEP


def lifetime(longest: float, chance: float) -> float:
    """Draw the lifetime of an object, in seconds. ``chance`` is in [0, 1)."""
    return longest * (1.0 - (1.0 - YOUNGEST_END) * chance)


def backoff(failures: int, first: float, most: float, chance: float) -> float:
    """Seconds to wait after so many failures in a row: exponential, with equal jitter (50 to 100 %).

    ``chance`` is in [0, 1). See M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    delay = min(most, first * 2.0 ** min(failures - 1, 64))
    return delay * (0.5 + 0.5 * chance)
