"""A process with a hub forks: both go on waiting in their hubs, and are woken from their threads, each for itself."""

import os
import traceback
import warnings
from collections.abc import Callable
from time import monotonic

from ProxyPatternPool import Pool
from ProxyPatternPool._runtime import hubs

from ..green_env import Native, Token, at_rest, green, native_sleep


def cross(pool: Pool[Token]) -> None:
    """Have greenlets wait for what native threads hold, and the reverse."""
    for _ in range(5):
        taken: list[Token] = []

        def hold(taken: list[Token] = taken) -> None:
            taken.append(pool.get(timeout=10))
            while pool.stats()["nwaiting"] == 0:
                native_sleep(0.001)
            pool.ret(taken[0])

        thread = Native(hold)
        green.eventually(lambda taken=taken: bool(taken))  # type: ignore[misc]
        waiters = [green.spawn(pool.get, 10.0)]
        for waiter in waiters:
            token = waiter.join()
            assert token is taken[0]
        pool.ret(taken[0])
        thread.join(green)
    at_rest(pool)


def late(pool: Pool[Token]) -> None:
    """Have a greenlet be woken while its hub is blocked: the ring is there when the hub turns, nobody else hears it."""
    seen: list[str] = []

    def hold() -> None:
        with pool.obj(timeout=10):
            seen.append("held")
            while "return" not in seen:
                native_sleep(0.001)

    thread = Native(hold)
    green.eventually(lambda: "held" in seen)
    waiter = green.spawn(pool.get, 10.0)
    green.eventually(lambda: pool.stats()["nwaiting"] == 1)
    seen.append("return")
    native_sleep(0.2)
    start = monotonic()
    token = waiter.join()
    assert isinstance(token, Token)
    assert monotonic() - start < 5
    pool.ret(token)
    thread.join(green)
    at_rest(pool)


def in_a_child(check: Callable[[], None]) -> int:
    """Begin to check something in the child of a fork."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads, and of eventlet, which does not like it
        child = green.fork()
    if child == 0:
        try:
            check()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return child


def ends_well(child: int) -> None:
    """Wait for the end of a child while the hub turns."""
    ended: list[int] = []

    def has_ended() -> bool:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            ended.append(status)
        return pid == child

    green.eventually(has_ended)
    assert ended == [0]


def side_by_side(pool: Pool[Token]) -> None:
    """Have a child and its parent do the same at the same time."""

    def check() -> None:
        cross(pool)
        late(pool)

    child = in_a_child(check)
    cross(pool)
    ends_well(child)
    check()


def in_a_thread(pool: Pool[Token]) -> None:
    """Fork in a thread without a hub."""
    child = in_a_child(lambda: pool.ret(pool.get(timeout=10)))
    assert os.waitpid(child, 0)[1] == 0


def run() -> None:
    green.sleep(0)
    pool = Pool(Token, max_size=1)
    sleeper = hubs.new_sleeper()  # nobody has slept before: what listens in the hub was made, and has not begun
    side_by_side(pool)
    sleeper.dispose()
    side_by_side(pool)  # now it listens
    Native(lambda: in_a_thread(pool)).join(green)
    cross(pool)
    pool.shutdown()
    print("both go on")
