"""In the child of a fork the first to use the pool is an operator: what is made for him is made in the child's hub."""

from collections.abc import Callable
from functools import partial

from ProxyPatternPool import Pool

from ..green_env import Token, green, native_ident
from .forked import ends_well, in_a_child


class Made(Token):
    """An object that knows in which thread it was made."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.thread = native_ident()


def check(pool: Pool[Made], operate: Callable[[], object]) -> None:
    operate()
    green.eventually(lambda: pool.stats()["navail"] == 3)
    assert {pool.get(timeout=10).thread for _ in range(3)} == {native_ident()}


def run() -> None:
    green.sleep(0)
    pool = Pool(Made, max_size=4, min_size=3)
    for operate in (
        partial(pool.wait_ready, 10),
        pool.drain,
        pool.clear,
        partial(pool.resize, max_size=3),
        pool.housekeep,
    ):
        ends_well(in_a_child(partial(check, pool, operate)))
    print("all made in the hub")
