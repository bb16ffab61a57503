"""The parameters of a pool, checked once at construction, where 0 is turned into ``None``: no limit."""

import logging
import math
from dataclasses import dataclass, replace
from typing import Literal, TypeVar, cast, get_args

from ._errors import PoolValueError

K = TypeVar("K")

HookErrors = Literal["log", "discard"]
"""What is done if an ``opener`` or ``getter`` raises; see ``Pool``."""

HEALTH_DELAY = 60.0
"""Seconds between maintenance rounds where only health is to be checked, as in the original module."""


def seconds(name: str, value: object) -> float:
    """Check a time span given by a user.

    Raises:
        TypeError: It is no number.
        PoolValueError: It is negative, NaN or a bool.
    """
    if isinstance(value, bool):
        raise PoolValueError(f"{name} must be a number of seconds, not the bool {value!r}")
    if not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {value!r}")
    try:
        span = float(value)
    except OverflowError:
        raise PoolValueError(f"{name} must be a number of seconds that a float can hold") from None
    if math.isnan(span) or span < 0:
        raise PoolValueError(f"{name} must be 0 or more seconds, not {value!r}")
    return span


def count(name: str, value: object, least: int = 0) -> int:
    """Check a whole number given by a user.

    Raises:
        TypeError: It is no whole number.
        PoolValueError: It is less than ``least``, or a bool.
    """
    if isinstance(value, bool):
        raise PoolValueError(f"{name} must be a whole number, not the bool {value!r}")
    if not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    if value < least:
        raise PoolValueError(f"{name} must be {least} or more, not {value!r}")
    return value


def expect(name: str, value: object, kind: type[K], what: str) -> K:
    """Check the type of what a user gives.

    Raises:
        TypeError: It is another.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be {what}, not {value!r}")
    return value


def _limit(name: str, value: object) -> float | None:
    """Check a delay of which 0.0 means never, as do ``None`` and infinity."""
    if value is None:
        return None
    span = seconds(name, value)
    return span if 0 < span < math.inf else None


def _pair(name: str, value: object) -> tuple[float, float]:
    """Check a pair of time spans: the second must not be below the first."""
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"{name} must be a pair of seconds, or None, not {value!r}")
    spans = [seconds(name, span) for span in cast("tuple[object, ...]", value)]
    if len(spans) != 2 or not 0 < spans[0] <= spans[1] < math.inf:
        raise PoolValueError(
            f"{name} must be two finite times of more than 0 seconds, the shorter first, not {value!r}"
        )
    return spans[0], spans[1]


def _check_bounds(least: int, bound: int | None) -> None:
    if bound is not None and least > bound:
        raise PoolValueError(f"min_size ({least}) must not exceed max_size ({bound})")


def set_log_level(level: object) -> None:
    """Set the level of the package's logger.

    Raises:
        TypeError: It is neither a number nor a name.
        PoolValueError: It is a bool, or the name of no level.
    """
    if isinstance(level, bool):
        raise PoolValueError(f"log_level must be a logging level, not the bool {level!r}")
    if not isinstance(level, (int, str)):
        raise TypeError(f"log_level must be a logging level, not {level!r}")
    try:
        logging.getLogger("ppp").setLevel(level)
    except ValueError:
        raise PoolValueError(f"log_level must be a logging level, not {level!r}") from None


@dataclass(frozen=True)
class PoolConfig:
    """The parameters of a pool, checked. ``None`` means no limit, never, or for ever."""

    max_size: int | None
    min_size: int
    timeout: float | None
    max_use: int | None
    max_waiting: int | None
    max_lifetime: float | None
    max_avail_delay: float | None
    warn_delay: float | None
    kill_delay: float | None
    health_freq: int
    health_before_get: float | None
    """Seconds for which an object counts as healthy after a use or a check; ``None``: for ever."""
    backoff: tuple[float, float] | None
    delay: float | None
    """Seconds between maintenance rounds; ``None``: there is nothing to watch."""
    exact: bool
    """Whether maintenance also runs between rounds, at each deadline that is known."""
    hook_errors: HookErrors
    trace_owner: bool
    name: str | None

    @classmethod
    def validated(
        cls,
        *,
        # written by tools/generate.py: what is checked
        max_size: object,
        min_size: object,
        timeout: object,
        max_use: object,
        max_waiting: object,
        max_lifetime: object,
        max_avail_delay: object,
        max_using_delay: object,
        max_using_delay_kill: object,
        health_freq: object,
        health_before_get: object,
        backoff: object,
        hk_delay: object,
        delay: object,
        name: object,
        trace_owner: object,
        hook_errors: object,
        # end of what tools/generate.py has written
        has_health: bool,
    ) -> "PoolConfig":
        """Check every parameter as the user gave it.

        Raises:
            TypeError: A parameter has the wrong type; the message names it and its value.
            PoolValueError: A parameter has a value that makes no sense; the message names both.
        """
        bound = (0 if max_size is None else count("max_size", max_size)) or None
        least = count("min_size", min_size)
        _check_bounds(least, bound)
        if delay is not None and hk_delay is not None:
            raise PoolValueError(f"hk_delay ({hk_delay!r}) and delay ({delay!r}) are the same parameter: give only one")
        forced = _limit("delay", delay) if hk_delay is None else _limit("hk_delay", hk_delay)
        lifetime = _limit("max_lifetime", max_lifetime)
        idle = _limit("max_avail_delay", max_avail_delay)
        kill = _limit("max_using_delay_kill", max_using_delay_kill)
        warn = _limit("max_using_delay", max_using_delay)
        if warn is None:
            warn = kill  # as in the original module: what will be closed is at least warned about
        wait = None if timeout is None else seconds("timeout", timeout)
        if wait == math.inf:
            wait = None
        before_get = None if health_before_get is None else seconds("health_before_get", health_before_get)
        if before_get == math.inf:
            before_get = None
        if before_get is not None and not has_health:
            raise PoolValueError(f"health_before_get ({health_before_get!r}) needs a health check: give health, too")
        watched = [limit for limit in (lifetime, idle, warn, kill) if limit is not None]
        if not isinstance(hook_errors, str):
            raise TypeError(f"hook_errors must be a string, not {hook_errors!r}")
        if hook_errors not in get_args(HookErrors):
            raise PoolValueError(f"hook_errors must be 'log' or 'discard', not {hook_errors!r}")
        if not isinstance(name, (str, type(None))):
            raise TypeError(f"name must be a string, not {name!r}")
        return cls(
            max_size=bound,
            min_size=least,
            timeout=wait,
            max_use=None if max_use is None else count("max_use", max_use) or None,
            max_waiting=None if max_waiting is None else count("max_waiting", max_waiting),
            max_lifetime=lifetime,
            max_avail_delay=idle,
            warn_delay=warn,
            kill_delay=kill,
            health_freq=count("health_freq", health_freq, least=1),
            health_before_get=before_get,
            backoff=None if backoff is None else _pair("backoff", backoff),
            delay=forced or (min(watched) / 2 if watched else HEALTH_DELAY if has_health else None),
            exact=forced is None,
            hook_errors=cast(HookErrors, hook_errors),
            trace_owner=expect("trace_owner", trace_owner, bool, "True or False"),
            name=None if name is None else str.__str__(name),  # its own methods are the user's code
        )

    def resized(self, *, min_size: object, max_size: object) -> "PoolConfig":
        """Change the bounds, ``None`` for one that stays as it is.

        Raises:
            TypeError, PoolValueError: As in ``validated``.
        """
        bound = self.max_size if max_size is None else count("max_size", max_size) or None
        least = self.min_size if min_size is None else count("min_size", min_size)
        _check_bounds(least, bound)
        return replace(self, min_size=least, max_size=bound)

    @property
    def warns_too_late(self) -> bool:
        """Whether an object would be killed before a warning about it."""
        return self.warn_delay is not None and self.kill_delay is not None and self.warn_delay > self.kill_delay
