"""Which pools are shown, whatever other threads do meanwhile."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator

import pytest

from ProxyPatternPool import AsyncPool, Pool, control, proxy
from ProxyPatternPool._export import Gauges, Watched, read
from ProxyPatternPool._pool.either import EitherPool

from ..unit.helpers import Thing
from ..unit.tasks import both, run_in


def in_short(found: dict[str, Gauges]) -> dict[str, tuple[float, ...]]:
    """Of each pool how many objects are idle and in use, and its bounds."""
    return {name: (each.idle, each.in_use, each.min_size, each.max_size) for name, each in found.items()}


class Busy(Watched):
    """Pools to which something happens when the first of them has been read."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__()
        self._meanwhile = meanwhile

    def pools(self) -> Iterator[EitherPool]:
        for pool in super().pools():
            yield pool
            self._meanwhile()


def test_a_pool_dropped_while_another_is_read() -> None:
    """It is not read, and not kept alive by the reading."""
    others: list[Pool[Thing]] = [Pool(Thing, 3, name="dropped")]

    def drop() -> None:
        others.clear()
        gc.collect()

    watched = Busy(drop)
    with Pool(Thing, 3, name="db") as pool:
        watched.add(pool)
        watched.add(*others)
        dropped = weakref.ref(others[0])
        assert in_short(read(watched)) == {"db": (1, 0, 1, 3)}
        assert dropped() is None


def test_pools_that_come_while_others_are_read() -> None:
    """A new pool is shown the next time, and disturbs no reading."""
    later: list[Pool[Thing]] = []

    def come() -> None:
        later.append(Pool(Thing, 3, name="later"))
        watched.add(later[-1])

    watched = Busy(come)
    with Pool(Thing, 3, name="db") as pool:
        watched.add(pool)
        assert set(read(watched)) == {"db"}
        assert set(read(watched)) == {"db", "later"}
    for each in later:
        each.close()


def test_nobody_is_asked() -> None:
    """A reading calls no hook, and no method of the objects."""

    class Private(Thing):
        def __str__(self) -> str:
            raise AssertionError("a reading looks at no object")

    def never(_: Thing) -> str:
        raise AssertionError("a reading calls no hook")

    watched = Watched()
    with Pool(Private, 3, 2, name="db", stats=never, tracer=never) as pool, pool.obj():
        watched.add(pool)
        assert read(watched)["db"].in_use == 1


def test_a_pool_that_is_watched_twice() -> None:
    """It counts once, by itself and by its proxy."""
    watched = Watched()
    thing = proxy(fun=Thing, max_size=3, name="db")
    assert thing.number == 0
    pool = control(thing).pool
    assert pool is not None
    watched.add(thing, pool)
    watched.add(pool)
    assert in_short(read(watched)) == {"db": (0, 1, 1, 3)}


def test_names_that_are_the_same_as_labels() -> None:
    """They are one: a metric that has the same labels twice would be refused as a whole."""
    watched = Watched()
    with Pool(Thing, 3, name="f \udc80") as pool, Pool(Thing, 4, name="f \\udc80") as other:
        watched.add(pool, other)
        assert in_short(read(watched)) == {"f \\udc80": (2, 0, 2, 7)}


@both
def test_a_pool_for_tasks(flavour: str) -> None:
    """It is shown as others are, until it is closed."""
    watched = Watched()
    pool = AsyncPool(Thing, 3, name="db")
    watched.add(pool)
    assert in_short(read(watched)) == {"db": (0, 0, 1, 3)}

    async def hold() -> None:
        async with pool.obj():
            assert in_short(read(watched)) == {"db": (0, 1, 1, 3)}
        await pool.close()

    run_in(flavour, hold)
    assert read(watched) == {}


def test_a_proxy() -> None:
    """It may be watched before it is set, and is shown with the pool that it has when it is."""
    watched = Watched()
    thing: Thing = proxy(max_size=3, name="db")
    watched.add(thing)
    assert read(watched) == {}
    control(thing).set_fun(Thing)
    assert in_short(read(watched)) == {"db": (1, 0, 1, 3)}
    assert thing.number == 0
    control(thing).set_fun(Thing)
    assert in_short(read(watched)) == {"db": (1, 0, 1, 3)}
    del thing
    gc.collect()
    assert read(watched) == {}


def test_a_proxy_of_a_pool() -> None:
    """It is its own pool that is shown, not the pool that it stands for, nor is there any without one."""
    watched = Watched()
    with Pool(Thing, 3, name="db") as pool:
        stand_in = proxy(pool)
        watched.add(stand_in)
        assert stand_in.name == "db"
        assert read(watched) == {}


def test_what_is_no_pool() -> None:
    """Then nothing of what is given is watched."""
    watched = Watched()
    with Pool(Thing, 3, name="db") as pool:
        with pytest.raises(TypeError, match=r"watch\(\) takes pools and proxies, not thing 7"):
            watched.add(pool, Thing(7))
        assert read(watched) == {}
