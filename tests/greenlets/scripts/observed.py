"""An observer switches whatever it is told, and is told of all that other greenlets do meanwhile."""

from __future__ import annotations

from ProxyPatternPool import DiscardReason, Pool, PoolObserver

from ..green_env import green

GREENLETS, ROUNDS = 6, 20


class Thing:
    """An object like any other."""


class Switching(PoolObserver[Thing]):
    """Knows the state of each thing, and lets others run before it notes it."""

    def __init__(self) -> None:
        self.states: dict[int, str] = {}
        self.things: list[Thing] = []  # held, so that no id is used again
        self.loans = self.inside = self.most = 0

    def _goes(self, thing: Thing, before: str, after: str) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        green.sleep(0.001)
        self.inside -= 1
        assert self.states.get(id(thing), "") == before, (before, after)
        self.states[id(thing)] = after

    def created(self, pool: str, obj: Thing, took: float, /) -> None:
        self.things.append(obj)
        self._goes(obj, "", "idle")

    def lent(self, pool: str, obj: Thing, waited: float, /) -> None:
        self._goes(obj, "idle", "lent")
        self.loans += 1

    def returned(self, pool: str, obj: Thing, used: float, /) -> None:
        self._goes(obj, "lent", "idle")

    def discarded(self, pool: str, obj: Thing, reason: DiscardReason, /) -> None:
        self._goes(obj, "idle", "gone")


def run() -> None:
    observer = Switching()
    pool = Pool(lambda _: Thing(), 3, 0, max_use=4, observer=observer)

    def job() -> None:
        for _ in range(ROUNDS):
            with pool.obj():
                green.sleep(0)
            lease = pool.lease(quiet=True)
            green.sleep(0)
            del lease

    for task in [green.spawn(job) for _ in range(GREENLETS)]:
        task.join()
    green.eventually(lambda: pool.stats()["nusing"] == 0)
    pool.shutdown(5.0)
    green.eventually(lambda: set(observer.states.values()) == {"gone"})
    stats = pool.stats()
    assert stats["observer_errors"] == stats["hk_errors"] == 0, stats
    assert observer.loans == stats["nuses"] == 2 * ROUNDS * GREENLETS
    assert len(observer.things) == stats["ncreated"] == stats["ndestroys"]
    assert observer.most > 1, "one at a time"
    print("told of all")
