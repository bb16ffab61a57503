"""A pool made before there is a hub: once greenlets use it, its hooks run in a greenlet of their hub all the same."""

from ProxyPatternPool import Pool

from ..green_env import Token, green
from .hooks_in_hub import Hooks, Line


class Lazy(Token):
    """An object that connects when it is first used, as many drivers' do."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.line: Line | None = None

    def ping(self) -> bool:
        if self.line is None:
            self.line = Line(self.number)
        return self.line.ping()


hooks = Hooks()


def health(lazy: Lazy) -> bool:
    if lazy.line is None:
        return True
    hooks.note("health")
    return lazy.line.ping()


def closer(lazy: Lazy) -> None:
    if lazy.line is not None:
        hooks.note("closer")
        lazy.line.close()


pool = Pool(Lazy, max_size=2, min_size=2, health=health, closer=closer, hk_delay=0.02)


def run() -> None:
    def borrow(name: int) -> None:
        with pool.obj(timeout=20) as lazy:
            lazy.take(name)
            assert lazy.ping()
            lazy.leave(name)

    for task in [green.spawn(borrow, name) for name in range(8)]:
        task.join()
    green.eventually(lambda: hooks.count("health") >= 6)
    assert not hooks.astray, f"hooks ran outside the hub's greenlets: {hooks.astray}"
    stats = pool.stats()
    assert (stats["bad_health"], stats["hc_errors"], stats["hk_errors"]) == (0, 0, 0), stats
    pool.shutdown()
    green.eventually(lambda: hooks.count("closer") > 0)
    assert not hooks.astray
    print("belongs to the hub that uses it")
