"""Greenlets are killed, and timeouts thrown into them, in every place of the pool: no object and no place is lost."""

import random
import sys
from collections.abc import Callable

from ProxyPatternPool import Pool

from ..green_env import PATIENCE, Task, Token, at_rest, green


class Boom(BaseException):
    """Not an `Exception`, as the hubs' own."""


def survive(fun: Callable[..., object], *args: object) -> Task:
    """Spawn something that is going to be ended by a `Boom`, quietly."""

    def run() -> object:
        try:
            return fun(*args)
        except Boom:
            return "boom"

    return green.spawn(run)


def waiting(pool: Pool[Token], count: int) -> None:
    green.eventually(lambda: pool.stats()["nwaiting"] == count)


def killed_waiters() -> None:
    """Waiters are killed while they wait: the next in line gets the object."""
    with Pool(Token, max_size=1) as pool:
        held = pool.get()
        first, second = green.spawn(pool.get), survive(pool.get)
        waiting(pool, 2)
        third = green.spawn(pool.get)
        waiting(pool, 3)
        first.kill()
        second.throw(Boom())
        waiting(pool, 1)
        pool.ret(held)
        assert third.join() is held
        pool.ret(held)
        at_rest(pool)


def killed_at_hand_over() -> None:
    """A waiter is killed in the moment it is handed the object, before it runs: the object goes to the next."""
    with Pool(Token, max_size=1) as pool:
        for how in ("kill", "throw", "kill before"):
            held = pool.get(timeout=5)
            first = survive(pool.get)
            waiting(pool, 1)
            second = green.spawn(pool.get, 5.0)
            waiting(pool, 2)
            green.sleep(0.005)  # long enough to be handed the object directly
            if how == "kill before":
                first.kill()
                pool.ret(held)
            else:
                pool.ret(held)
                first.kill() if how == "kill" else first.throw(Boom())
            assert second.join() is held, how
            pool.ret(held)
            at_rest(pool)


def timeouts_thrown_into_waiters() -> None:
    """The hub's own `Timeout` ends waits at all moments, between others that borrow."""
    chance = random.Random(SEED)
    with Pool(Token, max_size=2) as pool:
        served: list[int] = []

        def borrow(name: int) -> None:
            for _ in range(25):
                try:
                    with green.timeout(chance.uniform(0.0005, 0.008)), pool.obj(timeout=20) as token:
                        token.take(name)
                        try:
                            green.sleep(0.001)
                            served.append(name)
                        finally:
                            token.leave(name)
                except green.timeout_error:
                    pass

        for task in [green.spawn(borrow, name) for name in range(8)]:
            task.join()
        assert 0 < len(served) < 8 * 25, f"{len(served)} served with seed {SEED}"
        at_rest(pool)
        held = [pool.get(timeout=0) for _ in range(2)]
        assert len({id(token) for token in held}) == 2
        for token in held:
            pool.ret(token)
        at_rest(pool)


def killed_creators() -> None:
    """A greenlet is killed while it creates: its place goes to who waits, by a permit to create."""
    entered: list[int] = []

    def slow(number: int) -> Token:
        entered.append(number)
        green.sleep(0.02 if len(entered) == 3 else PATIENCE)  # the others are killed, however late
        return Token(number)

    with Pool(slow, max_size=1, min_size=0) as pool:
        first, second, third = survive(pool.get), survive(pool.get), green.spawn(pool.get, 5.0)
        green.eventually(lambda: len(entered) == 1 and pool.stats()["nwaiting"] == 2)
        first.kill()
        green.eventually(lambda: len(entered) == 2)
        second.throw(Boom())
        token = third.join()
        assert isinstance(token, Token)
        pool.ret(token)
        at_rest(pool)
        assert pool.stats()["nobjs"] == 1


def killed_in_hook(hook: str) -> None:
    """A greenlet is killed inside a hook: the object is not lost to the others, nor its place."""
    inside: list[Token] = []

    def slow(token: Token) -> None:
        inside.append(token)
        green.sleep(PATIENCE if len(inside) == 1 else 0.02)  # the first is killed, however late

    with Pool(
        Token,
        max_size=1,
        min_size=0,
        opener=slow if hook == "opener" else None,
        getter=slow if hook == "getter" else None,
        retter=slow if hook == "retter" else None,
    ) as pool:

        def borrow() -> None:
            with pool.obj(timeout=5):
                pass

        first, second = survive(borrow), green.spawn(borrow)
        green.eventually(lambda: len(inside) == 1 and pool.stats()["nwaiting"] == 1)
        first.throw(Boom())
        second.join()
        at_rest(pool)
        assert pool.stats()["nobjs"] == 1


def killed_in_hooks() -> None:
    """Wherever a hook may wait."""
    for hook in ("opener", "getter", "retter"):
        killed_in_hook(hook)


def killed_holders() -> None:
    """A greenlet is killed, or times out, while it holds: the object comes back at the end of its block."""
    with Pool(Token, max_size=1) as pool:

        def hold() -> None:
            with pool.obj(timeout=5):
                green.sleep(20)

        def check(end: Callable[[Task], None]) -> None:
            holder = survive(hold)
            green.eventually(lambda: pool.stats()["nusing"] == 1)
            end(holder)
            pool.ret(pool.get(timeout=5))
            at_rest(pool)

        check(lambda task: task.kill())
        check(lambda task: task.throw(Boom()))
        try:
            with green.timeout(0.01):
                hold()
        except green.timeout_error:
            pass
        pool.ret(pool.get(timeout=0))
        at_rest(pool)


def run() -> None:
    for check in (
        killed_waiters,
        killed_at_hand_over,
        timeouts_thrown_into_waiters,
        killed_creators,
        killed_in_hooks,
        killed_holders,
    ):
        check()
        print(check.__name__)


SEED = int(sys.argv[4]) if len(sys.argv) > 4 else 20250
