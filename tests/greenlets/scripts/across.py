"""Objects go back and forth between native threads and greenlets that wait for them."""

from collections.abc import Callable
from functools import partial

from ProxyPatternPool import Pool

from ..green_env import Native, Ticker, Token, at_rest, green, native_ident, native_sleep

ROUNDS = 20


def native_returns() -> None:
    """A greenlet waits for what a native thread holds, in a hub with nothing else to do: no `LoopExit`, no hang."""
    with Pool(Token, max_size=1) as pool:

        def meet(timeout: float | None) -> None:
            taken: list[Token] = []

            def hold() -> None:
                taken.append(pool.get())
                while pool.stats()["nwaiting"] == 0:
                    native_sleep(0.002)
                native_sleep(0.05)
                pool.ret(taken[0])

            thread = Native(hold)
            green.eventually(lambda: len(taken) == 1)
            token = pool.get(timeout)
            assert token is taken[0]
            pool.ret(token)
            thread.join(green)
            at_rest(pool)

        meet(None)
        meet(5.0)


def greenlet_returns() -> None:
    """A native thread waits for what a greenlet holds, and the hub runs on meanwhile."""
    with Pool(Token, max_size=1) as pool:
        got: list[int] = []

        def wait() -> None:
            with pool.obj(timeout=20):
                got.append(native_ident())

        held = pool.get()
        thread = Native(wait)
        ticker = Ticker(green)
        green.eventually(lambda: pool.stats()["nwaiting"] == 1)
        green.sleep(0.05)
        assert not got
        pool.ret(held)
        thread.join(green)
        ticker.stop()
        assert got != [native_ident()]
        at_rest(pool)


def no_switch_under_the_lock() -> None:
    """A greenlet wakes another thread's hub while others of its own look at the pool: no switch with the lock held."""
    with Pool(Token, max_size=1) as pool:

        def wait() -> None:
            green.sleep(0)  # this thread gets a hub of its own
            with pool.obj(timeout=20):
                pass

        for _ in range(5):
            held = pool.get(timeout=20)
            thread = Native(wait)
            green.eventually(lambda: pool.stats()["nwaiting"] == 1)
            # both are due in the same turn of the hub: if the first switches, the second runs in the middle of it
            for task in (green.spawn(pool.ret, held), green.spawn(pool.stats)):
                task.join()
            thread.join(green)
        at_rest(pool)


def ping_pong() -> None:
    """Many waits in turn on both sides, one object: every hand-over crosses the border."""
    with Pool(Token, max_size=1) as pool:

        def play(name: str, sleep: Callable[[float], None]) -> None:
            for _ in range(ROUNDS):
                with pool.obj(timeout=20) as token:
                    token.take(name)
                    sleep(0.002)
                    token.leave(name)

        threads = [Native(partial(play, name, native_sleep)) for name in ("native-0", "native-1")]
        tasks = [green.spawn(play, name, green.sleep) for name in ("green-0", "green-1")]
        for task in tasks:
            task.join()
        for thread in threads:
            thread.join(green)
        at_rest(pool)
        assert pool.stats()["nborrows"] == 4 * ROUNDS


def timeouts_of_both() -> None:
    """Timeouts of either side leave no wake-up behind that the other would miss."""
    with Pool(Token, max_size=1) as pool:

        def play(name: str, sleep: Callable[[float], None]) -> None:
            for number in range(ROUNDS):
                try:
                    with pool.obj(timeout=0.001 * (number % 4)) as token:
                        token.take(name)
                        sleep(0.001)
                        token.leave(name)
                except TimeoutError:
                    sleep(0.0005)

        thread = Native(partial(play, "native", native_sleep))
        tasks = [green.spawn(play, f"green-{number}", green.sleep) for number in range(3)]
        for task in tasks:
            task.join()
        thread.join(green)
        at_rest(pool)
        pool.ret(pool.get(timeout=0))


def run() -> None:
    for check in (native_returns, greenlet_returns, no_switch_under_the_lock, ping_pong, timeouts_of_both):
        check()
        print(check.__name__)
