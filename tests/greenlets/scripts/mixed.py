"""Native threads, greenlets of gevent and of eventlet, tasks of asyncio and of trio share a pool, all unpatched."""

import asyncio
import threading
import time
from collections.abc import Callable

import trio

from ProxyPatternPool import Pool

from ..green_env import Green, Ticker, Token, at_rest, make

EACH, OBJECTS, ROUNDS = 8, 2, 15


def run() -> None:
    pool = Pool(Token, max_size=OBJECTS)
    served: dict[str, int] = {}
    errors: list[BaseException] = []

    def borrow(name: str, sleep: Callable[[float], None]) -> None:
        for _ in range(ROUNDS):
            with pool.obj(timeout=20) as token:
                token.take(name)
                sleep(0.001)
                token.leave(name)
        served[name] = ROUNDS

    def hub(name: str) -> None:
        green: Green = make(name)
        ticker = Ticker(green)
        tasks = [green.spawn(borrow, f"{name}-{number}", green.sleep) for number in range(EACH)]
        for task in tasks:
            task.join()
        ticker.stop()

    async def aborrow(name: str) -> None:
        for _ in range(ROUNDS):
            async with pool.aobj(timeout=20) as token:
                token.take(name)
                await (trio.sleep(0.001) if "trio" in name else asyncio.sleep(0.001))
                token.leave(name)
        served[name] = ROUNDS

    async def tasks_of_asyncio() -> None:
        await asyncio.gather(*(aborrow(f"asyncio-{number}") for number in range(EACH)))

    async def tasks_of_trio() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(EACH):
                nursery.start_soon(aborrow, f"trio-{number}")

    def guarded(fun: Callable[..., None], *args: object) -> threading.Thread:
        def work() -> None:
            try:
                fun(*args)
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        return thread

    for name in ("gevent", "eventlet"):
        make(name)  # imports it, before anyone waits
    threads = [guarded(hub, name) for name in ("gevent", "eventlet")]
    threads += [guarded(borrow, f"native-{number}", time.sleep) for number in range(EACH)]
    threads += [guarded(lambda: asyncio.run(tasks_of_asyncio())), guarded(trio.run, tasks_of_trio)]
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive(), f"not finished: {served} {pool!r}"
    if errors:
        raise errors[0]
    assert len(served) == 5 * EACH, served
    at_rest(pool)
    stats = pool.stats()
    assert stats["ncreated"] == OBJECTS
    assert stats["nborrows"] == stats["nreturns"] == 5 * EACH * ROUNDS
    pool.shutdown()
    print("all served")
