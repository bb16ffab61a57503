"""A task that is interrupted at any of its suspension points, while it takes, uses or gives back through a proxy."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from itertools import count
from typing import Any

import pytest

from ProxyPatternPool import ProxyException, Scope, control, proxy
from ProxyPatternPool.asgi import ReturnMiddleware

from .cancelling import KINDS, Flavour, Kind, Watch, meanwhile, pause, run_task, until
from .clock import FakeScheduler, HandMovedClock
from .helpers import Thing
from .test_async_sweep import BOUND, Server


async def aget(db: Thing) -> None:
    try:
        thing = await control(db).aget(60)
        assert control(db).get() is thing
        await pause()
    finally:
        control(db).ret()


async def aobj(db: Thing) -> None:
    async with control(db).aobj(60) as thing:
        await pause()
        assert control(db).get() is thing


async def adiscard(db: Thing) -> None:
    async with control(db).aobj(60):
        await pause()
        control(db).discard()


async def request(db: Thing) -> None:
    async def app(scope: object, receive: object, send: object) -> None:
        assert db.number >= 0
        await pause()
        assert db.number >= 0

    await ReturnMiddleware(app, db, acquire=True)({"type": "http"}, None, None)


@pytest.mark.parametrize("hooks", [False, True])
@pytest.mark.parametrize("lent", range(BOUND + 1))
@pytest.mark.parametrize("way", [aget, aobj, adiscard, request])
@pytest.mark.parametrize("flavour", KINDS)
def test_interrupted_at_any_suspension_point_a_task_loses_nothing_of_a_proxy(
    flavour: Flavour,
    way: Callable[[Thing], Coroutine[Any, Any, None]],
    lent: int,
    hooks: bool,
    scheduler: FakeScheduler,
    clock: HandMovedClock,
) -> None:
    """It keeps nothing, ends at once, and the next ones are served; from the first creation to the last hook."""
    logging.getLogger("ppp").setLevel(logging.CRITICAL)

    def attempt(kind: Kind, place: int) -> Watch:
        server, watch = Server(), Watch(flavour, kind, place)
        db = proxy(
            fun=server.make,
            scope=Scope.CONTEXT,
            max_size=BOUND,
            min_size=0,
            getter=server.get if hooks else None,
            retter=server.ret if hooks else None,
            closer=server.close,
        )
        pool = control(db).apool
        assert pool is not None

        async def main() -> None:
            at_work = True

            async def maintain() -> None:
                while at_work:
                    scheduler.run()
                    await pause()

            async with meanwhile(maintain):
                things = [await pool.get() for _ in range(lent)]

                async def give_back() -> None:
                    for thing in things:
                        await pause(3)
                        clock.advance(0.1)
                        _ = pool.ret(thing)

                async with meanwhile(give_back, partial(aobj, db)):
                    await watch.over(partial(way, db))
                assert not control(db).has()
                with pytest.raises(ProxyException, match=r"^this task has no object"):
                    _ = db.number
                gc.collect()
                scheduler.run()
                core = pool._core
                await until(lambda: core.shelves.nidle == len(core.ledger.places) == server.places)
                clock.advance(6)
                leases = [await pool.lease(0) for _ in range(BOUND)]
                assert len({lease.obj for lease in leases}) == BOUND
                for lease in leases:
                    _ = lease.release()
                await control(db).aclose(60)
                at_work = False
            assert server.places == server.alive == 0
            assert server.wrong == []

        run_task(flavour, main)
        return watch

    for kind in KINDS[flavour]:
        for place in count():
            watch = attempt(kind, place)
            if not watch.interrupted:
                assert watch.came_out is None
                assert place == watch.passed > 0
                break
            print(kind, place, watch.came_out, watch.suspended_again)
            assert watch.came_out is watch.expected
            assert watch.suspended_again == 0
