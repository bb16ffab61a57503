"""A hub is blocked for a long time: its pool's objects are neither checked nor created anywhere else meanwhile."""

from ProxyPatternPool import Pool
from ProxyPatternPool._scheduler.process import using_scheduler
from ProxyPatternPool._scheduler.scheduler import Scheduler
from ProxyPatternPool._scheduler.timing import Timing

from ..green_env import green, native_sleep
from .hooks_in_hub import Hooks, Line


class Closers(Hooks):
    """Hooks that note where they run; a closer may be called anywhere, and only notes that."""

    def closer(self, line: Line) -> None:
        self.ran["closer"] = self.count("closer") + 1


def run() -> None:
    hooks = Closers()
    green.sleep(0)
    with using_scheduler(Scheduler(timing=Timing(hub_patience=0.05))):
        pool = Pool(hooks.make, max_size=4, min_size=3, health=hooks.health, closer=hooks.closer, hk_delay=0.02)
    green.eventually(lambda: hooks.count("health") >= 8)  # object 1 is sick, and was replaced
    green.eventually(lambda: pool.stats()["navail"] == 3)
    pool.discard(pool.get())
    made, checks = hooks.count("make"), hooks.count("health")
    native_sleep(1.0)
    assert (hooks.count("make"), hooks.count("health")) == (made, checks)
    green.eventually(lambda: hooks.count("health") >= checks + 8)
    green.eventually(lambda: pool.stats()["navail"] == 3)
    stats = pool.stats()
    assert not hooks.astray, f"hooks ran outside the hub's greenlets: {hooks.astray}"
    assert (stats["bad_health"], stats["hc_errors"], stats["hk_errors"]) == (1, 0, 0), stats
    assert stats["ncreated"] == 5, stats
    pool.shutdown()
    print("checked and filled in the hub alone")
