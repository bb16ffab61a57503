"""The parameters of a proxy that are its pool's: typed once, and checked before there is a pool."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from typing_extensions import TypedDict

from .._hooks import Hooks
from .._pool.config import HookErrors, PoolConfig

T = TypeVar("T")


class PoolParameters(TypedDict, Generic[T], total=False):
    """What a proxy passes on to its pool; see ``Pool`` for what each is."""

    min_size: int
    timeout: float | None
    max_use: int
    max_avail_delay: float
    max_using_delay: float
    max_using_delay_kill: float
    health_freq: int
    hk_delay: float | None
    delay: float | None
    opener: Callable[[T], object] | None
    getter: Callable[[T], object] | None
    retter: Callable[[T], object] | None
    closer: Callable[[T], object] | None
    health: Callable[[T], bool] | None
    stats: Callable[[T], object] | None
    tracer: Callable[[T], str] | None
    name: str | None
    trace_owner: bool
    hook_errors: HookErrors


class PoolOverrides(PoolParameters[T], Generic[T], total=False):
    """What ``set_pool`` takes."""

    max_size: int | None
    log_level: int | str | None


_HOOKS = ("opener", "getter", "retter", "closer", "health", "stats", "tracer")


def check(max_size: int | None, parameters: PoolParameters[T]) -> None:
    """Check parameters as a pool would, for a proxy that has none yet.

    Raises:
        TypeError: a parameter is unknown, or has the wrong type.
        PoolValueError: a parameter has a value that makes no sense.
    """
    given: dict[str, Any] = {**parameters}
    for name in given:
        if name not in PoolParameters.__optional_keys__:
            raise TypeError(f"unexpected keyword argument {name!r}")
    Hooks(int, **{name: given.pop(name) for name in _HOOKS})
    PoolConfig.validated(max_size=max_size, has_health=parameters.get("health") is not None, **given)


def expect(name: str, value: object, kind: type, what: str) -> None:
    """Check the type of a parameter.

    Raises:
        TypeError: it is another.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be {what}, not {value!r}")
