"""Every parameter is checked once, at construction, and refused with a sentence that names it and its value."""

from __future__ import annotations

import inspect
import logging
import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ProxyPatternPool import (
    AsyncFactory,
    AsyncOpener,
    Factory,
    Getter,
    Hooks,
    Opener,
    Pool,
    PoolException,
    PoolValueError,
)
from ProxyPatternPool._config import HEALTH_DELAY, PoolConfig
from ProxyPatternPool._hooks import AsyncHooks

from .clock import FakeScheduler
from .helpers import Thing, Works, said


def pool_with(**parameters: Any) -> Pool[Thing]:
    """A pool with parameters that no checker looks at."""
    return Pool(Thing, **parameters)


DELAYS = ["max_lifetime", "max_avail_delay", "max_using_delay", "max_using_delay_kill", "hk_delay", "delay"]
COUNTS = ["max_size", "min_size", "max_use", "max_waiting", "health_freq"]


@pytest.fixture
def level() -> Iterator[None]:
    """Put the logger's level back afterwards."""
    logger = logging.getLogger("ppp")
    before = logger.level
    yield
    logger.setLevel(before)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in [*DELAYS, "timeout"] for value in (-1, -0.001, -math.inf, math.nan, True, False)),
        *((name, value) for name in COUNTS for value in (-1, True, False)),
        ("health_freq", 0),
        *(("health_before_get", value) for value in (-1, math.nan, True, 0.0, 5)),  # the last need a health check
        *(("backoff", value) for value in ((0, 5), (5, 1), (1, math.inf), (1,), (1, 2, 3), (), [0, 0])),
        ("hook_errors", "explode"),
        ("hook_errors", ""),
        ("log_level", "NO SUCH LEVEL"),
        ("log_level", True),
    ],
)
def test_senseless_values(name: str, value: Any) -> None:
    """A value that makes no sense is a PoolValueError, which is a ValueError too; it names parameter and value."""
    with pytest.raises(PoolValueError) as raised:
        pool_with(**{name: value})
    assert str(raised.value).startswith(f"{name} ")
    assert repr(value) in str(raised.value)
    assert isinstance(raised.value, PoolException)
    assert isinstance(raised.value, ValueError)


@pytest.mark.parametrize("name", [*DELAYS, "timeout"])
def test_numbers_beyond_floats(name: str) -> None:
    """A whole number that no float can hold is refused like other senseless values."""
    with pytest.raises(PoolValueError, match=name):
        pool_with(**{name: 10**400})


NO_NUMBERS: list[object] = ["1", "", [], 1j]
NO_PAIRS: list[object] = [0.05, "12", {}, 1j]
NO_WHOLE_NUMBERS: list[object] = [1.0, 2.5, "1", math.nan]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in [*DELAYS, "timeout"] for value in NO_NUMBERS),
        *((name, value) for name in COUNTS for value in NO_WHOLE_NUMBERS),
        *((name, None) for name in ("min_size", "health_freq")),
        *(("health_before_get", value) for value in NO_NUMBERS),
        *(("backoff", value) for value in NO_PAIRS),
        ("hook_errors", None),
        ("hook_errors", 1),
        ("trace_owner", 1),
        ("trace_owner", None),
        ("name", 3),
        ("name", b"books"),
        ("log_level", 3.5),
        ("log_level", []),
        *((name, 3) for name in ("opener", "getter", "retter", "closer", "health", "stats", "tracer")),
    ],
)
def test_wrong_types(name: str, value: Any) -> None:
    """A value of the wrong type is a TypeError that names the parameter and the value."""
    with pytest.raises(TypeError) as raised:
        pool_with(**{name: value})
    assert str(raised.value).startswith(f"{name} ")
    assert repr(value) in str(raised.value)


def test_a_flag_is_not_a_number() -> None:
    """The refusal says what it may be."""
    with pytest.raises(TypeError, match=r"^trace_owner must be True or False, not 1$"):
        pool_with(trace_owner=1)


@pytest.mark.parametrize("fun", [None, 3, "fun"])
def test_the_factory_must_be_callable(fun: Any) -> None:
    """No pool without a factory."""
    with pytest.raises(TypeError, match="fun must be callable, not "):
        Pool(fun)
    with pytest.raises(TypeError, match="fun must be callable, not "):
        Hooks(fun)


class SetUp(Opener[Thing], Getter[Thing]):
    """A class of hooks, of two kinds at once."""

    def __call__(self, obj: Thing, /) -> bool:
        return obj.number >= 0


class Make(Factory[Thing]):
    """A class of factories."""

    def __call__(self, number: int, /) -> Thing:
        return Thing(number)


class Numbered(SetUp):
    """A class of hooks that could be a factory of them."""

    def __init__(self, number: int) -> None:
        self.number = number


@pytest.mark.parametrize("name", ["opener", "getter", "retter", "closer", "health", "stats", "tracer"])
def test_a_class_of_hooks_is_no_hook(name: str, scheduler: FakeScheduler) -> None:
    """A class that derives from a protocol of ours can be called, but it is an instance that is meant."""
    with pytest.raises(TypeError, match=rf"^{name} must be an instance: SetUp\(…\), not the class$"):
        pool_with(**{name: SetUp})
    with pytest.raises(TypeError, match=f"^{name} must be an instance"):
        Hooks(Thing, **{name: Make})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pool_with(**{name: SetUp()}) as pool:
        assert pool.get().number == 0


class SetUpLater(AsyncOpener[Thing]):
    """A class of hooks that are awaited."""

    async def __call__(self, obj: Thing, /) -> None: ...


class MakeLater(AsyncFactory[Thing]):
    """A class of factories that are awaited."""

    async def __call__(self, number: int, /) -> Thing:
        return Thing(number)


@pytest.mark.parametrize("hooks", [Hooks, AsyncHooks])
def test_a_class_of_hooks_that_are_awaited_is_no_hook(hooks: type[Hooks[object]]) -> None:
    """Likewise; an instance is one where hooks are awaited, and only there."""
    opener: Any = SetUpLater
    factory: Any = MakeLater
    with pytest.raises(TypeError, match=r"^opener must be an instance: SetUpLater\(…\), not the class$"):
        hooks(Thing, opener)
    with pytest.raises(TypeError, match=r"^fun must be an instance: MakeLater\(…\), not the class$"):
        hooks(factory)
    make: Any = MakeLater()
    assert AsyncHooks(make, SetUpLater()).fun is make
    with pytest.raises(TypeError, match=r"^fun must be a plain function, not a coroutine function.*; use AsyncPool$"):
        Pool(make)


def test_a_class_of_factories_is_no_factory(scheduler: FakeScheduler) -> None:
    """Likewise. Other classes make what is pooled, which may be hooks, and can be hooks themselves."""
    with pytest.raises(TypeError, match=r"^fun must be an instance: Make\(…\), not the class$"):
        Pool(Make)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert Pool(Make()).get().number == 0
    assert Pool(Numbered).get().number == 0
    assert Pool(Thing, opener=type, tracer=str).get().number == 0


def test_min_over_max(scheduler: FakeScheduler) -> None:
    """A pool cannot keep more objects than it may have."""
    with pytest.raises(PoolValueError, match=r"min_size \(3\) must not exceed max_size \(2\)"):
        Pool(Thing, 2, 3)
    with pytest.raises(PoolValueError, match="min_size"):
        Pool(Thing, max_size=2, min_size=3)
    assert Pool(Thing, 3, 3).stats()["nobjs"] == 3
    assert Pool(Thing, 0, 3).stats()["nobjs"] == 3, "0 is no limit, not less than 3"


def test_nothing_is_created_for_a_refused_pool(works: Works) -> None:
    """A pool that is refused has created nothing."""
    with pytest.raises(PoolValueError):
        Pool(works.make, max_use=-1)
    assert works.numbers == []


def test_the_order_of_the_first_parameters(scheduler: FakeScheduler) -> None:
    """fun, max_size, min_size and timeout may be given by position, in this order; see test_compatibility.py, too."""
    stats = Pool(Thing, 4, 2, 1.5).stats()
    assert (stats["max_size"], stats["min_size"], stats["timeout"]) == (4, 2, 1.5)


def test_defaults(scheduler: FakeScheduler) -> None:
    """Without parameters: unlimited, one object kept, no timeout, nothing to watch."""
    stats = Pool(Thing).stats()
    assert stats["max_size"] == 0
    assert stats["min_size"] == 1
    assert stats["timeout"] is None
    assert stats["max_use"] == 0
    assert stats["delay"] == 0.0
    assert stats["max_avail_delay"] == 0.0
    assert stats["max_using_delay_warn"] == 0.0
    assert stats["max_using_delay_kill"] == 0.0
    assert stats["health_freq"] == 1
    assert stats["sem"] is None


@pytest.mark.parametrize("unlimited", [0, None])
def test_unlimited(unlimited: int | None, scheduler: FakeScheduler) -> None:
    """A bound of 0 or None is no bound."""
    pool = Pool(Thing, unlimited, max_use=unlimited)
    assert len({id(pool.get(0)) for _ in range(50)}) == 50


@pytest.mark.parametrize("name", DELAYS)
def test_never(name: str, scheduler: FakeScheduler) -> None:
    """A delay of 0, of infinity, or none at all, is never."""
    for value in (0, 0.0, math.inf, None):
        pool = pool_with(**{name: value})
        assert pool.stats()["delay"] == 0.0
        assert scheduler.look_at(pool._core) is None


@pytest.mark.parametrize("value", [math.inf, None])
def test_timeout_for_ever(value: float | None, scheduler: FakeScheduler) -> None:
    """A timeout of infinity is the same as none."""
    assert Pool(Thing, timeout=value).stats()["timeout"] is None


def test_timeout_zero_is_a_value(scheduler: FakeScheduler) -> None:
    """A default timeout of 0 never waits; it is not "no timeout"."""
    assert Pool(Thing, timeout=0).stats()["timeout"] == 0.0


positive = st.floats(min_value=1e-3, max_value=1e6)


@given(
    life=positive | st.just(0.0),
    idle=positive | st.just(0.0),
    warn=positive | st.just(0.0),
    kill=positive | st.just(0.0),
    health=st.booleans(),
)
def test_default_delay(life: float, idle: float, warn: float, kill: float, health: bool) -> None:
    """The maintenance delay is half the smallest delay it has to watch, 60 s for health alone, else none."""
    config = checked(
        max_lifetime=life,
        max_avail_delay=idle,
        max_using_delay=warn,
        max_using_delay_kill=kill,
        has_health=health,
    )
    watched = [delay for delay in (life, idle, warn, kill) if delay]
    expected = min(watched) / 2 if watched else HEALTH_DELAY if health else None
    assert config.delay == expected
    assert config.exact
    assert HEALTH_DELAY == 60.0


def checked(**parameters: Any) -> PoolConfig:
    """Check parameters of which the others have their defaults."""
    of_a_pool = inspect.signature(Pool).parameters
    names = inspect.signature(PoolConfig.validated).parameters
    defaults: dict[str, Any] = {name: of_a_pool[name].default for name in names if name in of_a_pool}
    return PoolConfig.validated(**{"has_health": False, **defaults, **parameters})


def test_numbers_in_a_pair() -> None:
    """A pair may be a list, as from a file; what is in it is looked at like any other number."""
    assert checked(backoff=[1, 2]).backoff == (1.0, 2.0)
    assert checked(backoff=(1, 1)).backoff == (1.0, 1.0)
    for value in (("1", 2), (None, 1)):
        with pytest.raises(TypeError, match="backoff must be a number of seconds"):
            checked(backoff=value)


def test_health_before_get_for_ever() -> None:
    """Infinity is never, and a check is needed for anything else."""
    assert checked(health_before_get=math.inf).health_before_get is None
    assert checked(health_before_get=3, has_health=True).health_before_get == 3.0


@pytest.mark.parametrize("name", ["hk_delay", "delay"])
def test_forced_delay(name: str, scheduler: FakeScheduler) -> None:
    """The maintenance delay can be forced, under its name in the documentation and the one in the module's code."""
    pool = pool_with(max_avail_delay=10, **{name: 3})
    assert pool.stats()["delay"] == 3.0


@pytest.mark.parametrize("values", [(1, 2), (1, 1), (0, 0), (0.0, 5)])
def test_forced_twice(values: tuple[float, float]) -> None:
    """The two names are one parameter: giving both is an error, whatever they say."""
    with pytest.raises(PoolValueError, match=rf"hk_delay \({values[0]}\) and delay \({values[1]}\)"):
        Pool(Thing, hk_delay=values[0], delay=values[1])


def test_a_warning_later_than_the_kill(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """A warn delay over the kill delay is a logged warning that names both."""
    Pool(Thing, max_using_delay=5, max_using_delay_kill=1, name="books")
    (line,) = said(caplog)
    assert caplog.records[0].levelno == logging.WARNING
    for word in ("pool 'books'", "max_using_delay", "max_using_delay_kill", "5", "1"):
        assert word in line


@pytest.mark.parametrize(("warn", "kill"), [(1, 1), (1, 5), (5, 0), (0, 5), (5, math.inf)])
def test_a_warning_in_time(
    warn: float, kill: float, scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning that comes in time, or where nothing is killed, is worth no word."""
    Pool(Thing, max_using_delay=warn, max_using_delay_kill=kill)
    assert said(caplog) == []


def test_kill_without_a_warning(scheduler: FakeScheduler) -> None:
    """Where only the kill delay is given it is the warn delay too."""
    assert Pool(Thing, max_using_delay_kill=5).stats()["max_using_delay_warn"] == 5.0


@pytest.mark.parametrize(("given", "number"), [("ERROR", logging.ERROR), (logging.INFO, logging.INFO), (0, 0)])
@pytest.mark.usefixtures("level")
def test_log_level(given: int | str, number: int, scheduler: FakeScheduler) -> None:
    """The level of the package's logger can be given, by name or by number; 0 is a value."""
    logging.getLogger("ppp").setLevel(logging.CRITICAL)
    Pool(Thing, log_level=given)
    assert logging.getLogger("ppp").level == number


@pytest.mark.usefixtures("level")
def test_log_level_absent(scheduler: FakeScheduler) -> None:
    """A pool that was told no level leaves the logger alone."""
    logging.getLogger("ppp").setLevel(logging.ERROR)
    Pool(Thing)
    assert logging.getLogger("ppp").level == logging.ERROR


def test_names(scheduler: FakeScheduler) -> None:
    """A pool is called as it was told, the empty name too, or by its number, which no other has."""
    assert Pool(Thing, name="books").name == "books"
    assert Pool(Thing, name="").name == ""
    first, second = Pool(Thing), Pool(Thing)
    assert first.stats()["id"] < second.stats()["id"]
    assert first.name == f"#{first.stats()['id']}"
    assert first.stats()["name"] == first.name


class Reloader:
    """The environment of a reloading development server."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.patch = monkeypatch

    def set(self, workaround: str | None, main: str | None) -> None:
        for name, value in (("PPP_WERKZEUG_WORKAROUND", workaround), ("WERKZEUG_RUN_MAIN", main)):
            if value is None:
                self.patch.delenv(name, raising=False)
            else:
                self.patch.setenv(name, value)


@pytest.mark.parametrize("main", [None, "false", ""])
def test_parent_of_a_reloader(
    main: str | None,
    scheduler: FakeScheduler,
    works: Works,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In the parent of a reloading server a pool creates nothing, has no maintenance, and says so."""
    Reloader(monkeypatch).set("1", main)
    pool = Pool(works.make, min_size=2, max_avail_delay=1, name="books")
    assert works.numbers == []
    assert not scheduler.asked
    assert said(caplog) == ["pool 'books': no maintenance in the parent of a reloading server"]
    pool.ret(pool.get())
    assert not scheduler.asked, "on demand it still creates, and nobody watches it"


def test_what_is_dropped_in_the_parent_of_a_reloader(
    scheduler: FakeScheduler, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without maintenance dropped leases come back as soon as anybody looks."""
    Reloader(monkeypatch).set("1", None)
    returned: list[Thing] = []
    pool = Pool(works.make, 1, closer=works.close, retter=returned.append)
    thing = pool.lease().obj
    assert pool.get(0) is thing
    assert returned == [thing]
    pool.discard(thing)
    pool.lease()
    assert pool.stats()["navail"] == 1
    assert not scheduler.deadlines


@pytest.mark.parametrize(("workaround", "main"), [(None, None), (None, "false"), ("1", "true")])
def test_child_of_a_reloader(
    workaround: str | None,
    main: str | None,
    scheduler: FakeScheduler,
    works: Works,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In its child, and without a word about it, a pool is as always."""
    Reloader(monkeypatch).set(workaround, main)
    Pool(works.make, min_size=2)
    assert works.numbers == [0, 1]
    assert scheduler.asked
