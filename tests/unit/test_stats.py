"""The snapshot of a pool: every key, JSON whatever the hooks say, and counters that add up."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

import pytest

from ProxyPatternPool import ObjectStats, Pool, PoolStats, TimeOut
from ProxyPatternPool._ledger.counters import Tally
from ProxyPatternPool._runtime.environment import Environment
from ProxyPatternPool._runtime.races import snapshot
from ProxyPatternPool._scheduler.process import using_scheduler

from .clock import FakeScheduler, HandMovedClock
from .helpers import Caller, Naps, Thing, Works, wait_for

KEYS: dict[str, type | tuple[type, ...]] = {
    # the seed's
    "id": int,
    "started": str,
    "min_size": int,
    "max_size": int,
    "max_use": int,
    "timeout": (float, type(None)),
    "delay": float,
    "max_avail_delay": float,
    "max_using_delay_warn": float,
    "max_using_delay_kill": float,
    "max_lifetime": float,
    "health_before_get": (float, type(None)),
    "backoff": (list, type(None)),
    "retry_in": float,
    "nexpired": int,
    "ndrained": int,
    "nshed": int,
    "ncleared": int,
    "health_freq": int,
    "now": float,
    "taken": str,
    "sem": (dict, type(None)),
    "navail": int,
    "nusing": int,
    "ntodel": int,
    "running": float,
    "rel_hk_last": float,
    "time_per_hk": float,
    "shutdown": bool,
    "avail": list,
    "using": list,
    "nobjs": int,
    "ncreated": int,
    "ncreating": int,
    "nuses": int,
    "nkilled": int,
    "nrecycled": int,
    "nwornout": int,
    "nborrows": int,
    "nreturns": int,
    "nstale": int,
    "ndestroys": int,
    "nhealth": int,
    "bad_health": int,
    "hk_rounds": int,
    "hk_errors": int,
    "hc_rounds": int,
    "hc_errors": int,
    # ours
    "name": str,
    "nwaiting": int,
    "ntimeouts": int,
    "nerrors": int,
    "last_error": (str, type(None)),
    "hook_errors": int,
    "observer_errors": int,
    "max_waiting": (int, type(None)),
    "nrefused": int,
    "wait_time": float,
    "max_wait": float,
}


def check_types(stats: PoolStats) -> None:
    """Each key there, and no other, with a value of its type; bools are no numbers here."""
    values = cast("dict[str, object]", stats)
    assert set(values) == set(KEYS)
    for key, kind in KEYS.items():
        assert isinstance(values[key], kind), key
        assert isinstance(values[key], bool) == (kind is bool), key


def busy_pool(works: Works, **more: Any) -> Pool[Thing]:
    """A pool with an object idle, one lent, and everything set."""
    pool: Pool[Thing] = Pool(
        works.make,
        5,
        2,
        30,
        max_use=100,
        max_avail_delay=60,
        max_using_delay=10,
        max_using_delay_kill=20,
        health_freq=2,
        name="books",
        **more,
    )
    pool.ret(pool.get())
    pool.get()
    return pool


def test_every_key(scheduler: FakeScheduler, works: Works) -> None:
    """The snapshot has the seed's keys and ours, of the right types, whatever there is in the pool."""
    check_types(busy_pool(works).stats())
    check_types(Pool(Thing, min_size=0).stats())
    closed = Pool(Thing)
    closed.shutdown()
    check_types(closed.stats())
    assert set(PoolStats.__annotations__) == set(KEYS)


def test_parameters_are_shown(scheduler: FakeScheduler, works: Works) -> None:
    """What the pool was told is in its snapshot."""
    stats = busy_pool(works).stats()
    assert (stats["max_size"], stats["min_size"], stats["timeout"]) == (5, 2, 30.0)
    assert (stats["max_use"], stats["health_freq"], stats["delay"]) == (100, 2, 5.0)
    assert stats["max_avail_delay"] == 60.0
    assert (stats["max_using_delay_warn"], stats["max_using_delay_kill"]) == (10.0, 20.0)
    assert stats["sem"] == {"value": 4, "init": 5}
    assert not stats["shutdown"]


def test_json(scheduler: FakeScheduler, works: Works) -> None:
    """str(pool) is the snapshot as JSON, on lines that people can read, and JSON brings it back unchanged."""
    pool = busy_pool(works)
    stats = pool.stats()
    assert json.loads(json.dumps(stats, allow_nan=False)) == stats
    shown = json.loads(str(pool))
    assert set(shown) == set(stats)
    assert shown["avail"] == stats["avail"]
    assert [*shown] == [*stats] == [*PoolStats.__annotations__]
    lines = str(pool).splitlines()
    assert lines[0] + lines[-1] == "{}"
    assert lines[2] == '  "name": "books",'
    assert lines[-7:-5] == ['  "avail": [', f"    {json.dumps(stats['avail'][0])}"]
    assert lines[-5:-1] == ["  ],", '  "using": [', f"    {json.dumps(stats['using'][0])}", "  ]"]
    assert len(lines) == 1 + len(KEYS) + 2 + 2 + 1  # a line for each object, too, and for the ends
    assert str(Pool(Thing, min_size=0)).endswith('  "avail": [],\n  "using": []\n}')


def test_times(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """Times are relative to now, of the monotonic clock; only "now" and "started" are of the wall's."""
    before = datetime.now()
    pool = Pool(Thing, 2, hk_delay=100)
    clock.advance(10)
    thing = pool.get()
    clock.advance(5)
    pool.ret(thing)
    clock.advance(2)
    stats = pool.stats()
    (idle,) = stats["avail"]
    assert (idle["last_get"], idle["last_ret"], idle["uses"]) == (-7.0, -2.0, 1)
    assert stats["running"] == 17.0
    assert stats["rel_hk_last"] == -17.0, "there was no round: since the start"
    assert before <= datetime.fromisoformat(stats["started"]) <= datetime.now()
    assert abs(stats["now"] - time.time()) < 60
    clock.advance(100)
    scheduler.look_at(pool._core)
    clock.advance(3)
    assert pool.stats()["rel_hk_last"] == -3.0


def test_times_are_of_one_kind(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """All are seconds to the microsecond; and the two moments that are not told relative to now are ISO 8601, both."""
    pool = Pool(Thing, 2, 1, hk_delay=100)
    clock.advance(1 / 3)
    with pool.obj():
        clock.advance(1 / 7)
    clock.advance(1e-8)
    stats = pool.stats()
    (idle,) = stats["avail"]
    assert (idle["last_get"], idle["last_ret"], str(idle["last_ret"])) == (-0.142857, 0.0, "0.0")
    assert (stats["running"], stats["rel_hk_last"]) == (0.47619, -0.47619)
    taken, started = datetime.fromisoformat(stats["taken"]), datetime.fromisoformat(stats["started"])
    assert taken.timestamp() == pytest.approx(stats["now"], abs=1e-5)
    assert taken >= started
    assert len(stats["taken"]) == len(stats["started"]) == len("2026-11-29T09:46:45.408645")


def test_a_new_object(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """An object that was never lent shows when it was created, and nobody as its owner."""
    pool = Pool(Thing)
    clock.advance(4)
    (idle,) = pool.stats()["avail"]
    assert idle == {"trace": "thing 0", "uses": 0, "last_get": -4.0, "last_ret": -4.0, "owner": None}


def test_owners(scheduler: FakeScheduler) -> None:
    """Each object shows who has it, or had it last."""
    pool = Pool(Thing, 2, 0)
    thing = Caller(pool.get, "reader").result()
    pool.get()
    assert [lent["owner"] for lent in pool.stats()["using"]] == ["thread 'reader' (ended)", "thread 'MainThread'"]
    pool.ret(thing)
    assert [idle["owner"] for idle in pool.stats()["avail"]] == ["thread 'reader' (ended)"]


def test_coldest_first(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """Idle objects are shown in the order in which they came back."""
    pool = Pool(Thing, min_size=0)
    for thing in [pool.get() for _ in range(3)]:
        clock.advance(1)
        pool.ret(thing)
    assert [idle["last_ret"] for idle in pool.stats()["avail"]] == [-2.0, -1.0, 0.0]


def test_time_of_maintenance(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """The time of a round is the mean, with its hooks."""

    def health(thing: Thing) -> bool:
        clock.advance(2)
        return True

    pool = Pool(Thing, health=health)
    assert pool.stats()["time_per_hk"] == 0.0
    pool.housekeep()
    pool.housekeep()
    assert pool.stats()["time_per_hk"] == 2.0
    assert pool.stats()["hk_rounds"] == 2


# --- hooks ---------------------------------------------------------------------------------------------


def shown(pool: Pool[Any]) -> ObjectStats:
    """What the snapshot says of the only idle object, which JSON can hold."""
    (idle,) = pool.stats()["avail"]
    (again,) = json.loads(str(pool))["avail"]
    assert cast(object, again) == idle
    return idle


def test_text_of_objects(scheduler: FakeScheduler) -> None:
    """An object is shown by the stats hook, else by the tracer, else by its own text; by one of them."""
    stats = Pool(Thing, stats=lambda thing: {"no": thing.number}, tracer=lambda thing: "traced")
    traced = Pool(Thing, tracer=lambda thing: f"no. {thing.number}")
    assert shown(stats).get("stats") == {"no": 0}
    assert "trace" not in shown(stats)
    assert shown(traced).get("trace") == "no. 0"
    assert "stats" not in shown(traced)
    assert shown(Pool(Thing)).get("trace") == "thing 0"


def test_null_is_a_value(scheduler: FakeScheduler) -> None:
    """A stats hook that says nothing has said null."""
    said = shown(Pool(Thing, stats=lambda thing: None))
    assert "stats" in said
    assert said["stats"] is None


CYCLE: list[object] = []
CYCLE.append(CYCLE)


def nest(depth: int) -> list[object]:
    nested: list[object] = []
    for _ in range(depth):
        nested = [nested]
    return nested


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"a": [1, 2.5, None, True, "ü"]}, {"a": [1, 2.5, None, True, "ü"]}),
        ((1, (2, 3)), [1, [2, 3]]),
        ({1: "one"}, {"1": "one"}),
        ({"who": Thing(3)}, {"who": "thing 3"}),
        ({"set": {4}}, {"set": "{4}"}),
        ({(1, 2): 3}, "{(1, 2): 3}"),
        (math.nan, "nan"),
        ({"load": math.inf}, "{'load': inf}"),
        (CYCLE, "[[...]]"),
        (b"bytes", "b'bytes'"),
    ],
)
def test_data_that_json_cannot_hold(data: object, expected: object, scheduler: FakeScheduler) -> None:
    """What JSON cannot hold becomes text; the rest is as the hook gave it."""
    assert shown(Pool(Thing, stats=lambda thing: data)).get("stats") == expected


def test_data_too_deep(scheduler: FakeScheduler) -> None:
    """Data nested deeper than anybody can read is told as a failure."""
    text = shown(Pool(Thing, stats=lambda thing: nest(100_000))).get("stats")
    assert isinstance(text, str)


class Unspeakable:
    def __repr__(self) -> str:
        raise ValueError("unspeakable")


def raising(error: Exception) -> Callable[[object], Any]:
    def hook(thing: object) -> Any:
        raise error

    return hook


def test_hooks_that_fail(scheduler: FakeScheduler) -> None:
    """A stats hook or a tracer that fails shows as text, and breaks nothing."""
    assert shown(Pool(Thing, stats=raising(KeyError("gone")))).get("stats") == (
        "<Thing: stats failed: KeyError: 'gone'>"
    )
    assert shown(Pool(Thing, stats=lambda thing: {"x": Unspeakable()})).get("stats") == (
        "<Thing: stats failed: ValueError: unspeakable>"
    )
    assert shown(Pool(Thing, tracer=raising(KeyError("gone")))).get("trace") == (
        "<Thing: tracer failed: KeyError: 'gone'>"
    )
    assert shown(Pool(lambda number: Unspeakable())).get("trace") == (
        "<Unspeakable: tracer failed: ValueError: unspeakable>"
    )


def test_a_tracer_that_gives_no_text(scheduler: FakeScheduler) -> None:
    """What a tracer gives is text in the end."""
    pool = Pool(Thing, tracer=lambda thing: thing.number)  # type: ignore[arg-type,return-value]  # pyright: ignore[reportArgumentType]
    assert shown(pool).get("trace") == "0"


def test_a_slow_stats_hook_holds_up_nobody(scheduler: FakeScheduler) -> None:
    """The user's hooks run outside the lock: while one is busy others borrow, create and give back."""
    begun, go_on = threading.Event(), threading.Event()

    def show(thing: Thing) -> int:
        begun.set()
        wait_for(go_on)
        return thing.number

    pool = Pool(Thing, 3, stats=show)
    watching = Caller(pool.stats)
    wait_for(begun)
    things = [pool.get(0) for _ in range(3)]
    pool.discard(things.pop())
    go_on.set()
    stats = watching.result()
    assert stats["navail"] == len(stats["avail"]) == 1, "as it was"


# --- counters ------------------------------------------------------------------------------------------


def test_counters_add_up(scheduler: FakeScheduler, clock: HandMovedClock, works: Works, naps: Naps) -> None:
    """After a bit of everything: created less destroyed is there, borrows less returns is out."""
    pool = Pool(
        works.make, 3, 1, max_use=2, max_avail_delay=10, max_using_delay_kill=50, health=lambda thing: thing.number != 1
    )
    things = [pool.get() for _ in range(3)]
    with pytest.raises(TimeOut, match="timeout after"):
        pool.get(1)
    pool.ret(things[0])
    pool.ret(things[1])
    pool.housekeep()  # 1 is sick
    pool.ret(pool.get())  # 0 is worn out
    pool.discard(things[2])
    works.failing = ConnectionError()
    with pytest.raises(ConnectionError):
        pool.get()
    works.failing = None
    clock.advance(1)
    killed, kept, expired = [pool.get() for _ in range(3)]
    pool.ret(expired)
    clock.advance(11)
    pool.housekeep()
    pool.ret(kept)
    kept = pool.get()
    clock.advance(40)
    pool.housekeep()
    stats = pool.stats()
    assert stats["nuses"] == 8
    assert stats["nhealth"] == 2
    assert stats["bad_health"] == 1
    assert (stats["nwornout"], stats["nrecycled"], stats["nkilled"], stats["ntimeouts"]) == (1, 1, 1, 1)
    assert stats["ncreating"] == stats["ncreated"] + stats["nerrors"] == len(works.numbers)
    assert stats["nobjs"] == stats["ncreated"] - stats["ndestroys"] == stats["navail"] + stats["nusing"]
    assert stats["nborrows"] == stats["nuses"] + stats["nhealth"]
    assert stats["nborrows"] - stats["nreturns"] == stats["nusing"] == 1
    assert stats["last_error"] is None
    assert killed is not kept


def test_in_the_middle_of_a_creation(scheduler: FakeScheduler) -> None:
    """While an object is created, and opened, nothing is borrowed and nothing returned."""
    seen: list[PoolStats] = []

    def make(number: int) -> Thing:
        seen.append(pool.stats())
        return Thing(number)

    pool = Pool(make, 2, 0, opener=lambda thing: seen.append(pool.stats()))
    pool.get()
    for stats in seen:
        assert (stats["nborrows"], stats["nreturns"], stats["nusing"], stats["navail"]) == (0, 0, 0, 0)
        assert (stats["nobjs"], stats["ncreating"], stats["sem"]) == (1, 1, {"value": 1, "init": 2})
    assert [stats["ncreated"] for stats in seen] == [0, 1]


def test_hidden_permits_are_no_attempts(scheduler: FakeScheduler, naps: Naps) -> None:
    """A permit to create that was never used is no creation attempted."""
    pool = Pool(Thing, 1, 0)
    thing = pool.get()

    def discard_and_interrupt() -> None:
        pool.discard(thing)
        raise KeyboardInterrupt

    naps.meanwhile.append(discard_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        pool.get()
    stats = pool.stats()
    assert (stats["ncreating"], stats["ncreated"], stats["nobjs"]) == (1, 1, 0)


def test_rare_counters_are_exact() -> None:
    """Counters of rare events are exact however many threads count."""
    tally = Tally()

    def count() -> None:
        for _ in range(1000):
            tally.add("event")

    for caller in [Caller(count) for _ in range(8)]:
        caller.result()
    assert tally["event"] == 8000
    assert tally["other"] == 0


def test_a_collection_that_changes_while_it_is_copied() -> None:
    """A copy of what others change meanwhile is taken again."""

    class Changing:
        def __init__(self) -> None:
            self.tries = 0

        def __iter__(self) -> Any:
            self.tries += 1
            yield 1
            if self.tries < 3:
                raise RuntimeError("deque mutated during iteration")

    assert snapshot(Changing()) == [1]


# --- repr ----------------------------------------------------------------------------------------------


def test_repr(scheduler: FakeScheduler, naps: Naps) -> None:
    """The repr is one short line: name, idle, in use, waiting, bound."""
    pool = Pool(Thing, 3, 2, name="books")
    things = [pool.get()]
    assert repr(pool) == "<Pool books: 1 idle, 1 in use, 0 waiting, max 3>"
    seen: list[str] = []
    things += [pool.get(), pool.get()]

    def look() -> None:
        seen.append(repr(pool))
        pool.ret(things[0])

    naps.meanwhile.append(look)
    pool.get()
    assert seen == ["<Pool books: 0 idle, 3 in use, 1 waiting, max 3>"]
    pool.shutdown()
    assert repr(pool) == "<Pool books: closed, 0 idle, 3 in use, 0 waiting, max 3>"
    unlimited = Pool(Thing)
    assert repr(unlimited) == f"<Pool {unlimited.name}: 1 idle, 0 in use, 0 waiting, unlimited>"


def test_the_time_of_day(environment: Environment, clock: HandMovedClock) -> None:
    """When a pool was made and read, and since when an object is lent, is of the injected time of day."""
    seconds = iter([1234567890.5, 1234567897.25, 1234567899.0])
    with using_scheduler(FakeScheduler(replace(environment, wall_clock=lambda: next(seconds)))):
        pool = Pool(Thing)
    clock.advance(3.0)
    stats = pool.stats()
    assert stats["started"] == datetime.fromtimestamp(1234567890.5).isoformat(timespec="microseconds")
    assert (stats["now"], datetime.fromisoformat(stats["taken"]).timestamp()) == (1234567897.25, 1234567897.25)
    assert stats["running"] == 3.0
    with pool.obj():
        clock.advance(2.0)
        assert [holding.since.timestamp() for holding in pool.owners()] == [1234567897.0]


@pytest.mark.parametrize("hook", ["tracer", "stats"])
def test_a_hook_that_asks_the_pool(hook: str, scheduler: FakeScheduler) -> None:
    """A hook that asks the pool about its objects, and so about itself, gets an answer and an end."""
    asked: list[Thing] = []

    def ask(thing: Thing) -> str:
        asked.append(thing)
        return str(pool)

    pool = Pool(Thing, 3, 3, tracer=ask) if hook == "tracer" else Pool(Thing, 3, 3, stats=ask)
    asked.clear()  # the tracer was called with each when it was new, too
    stats = pool.stats()
    assert len(asked) == 3
    key = "trace" if hook == "tracer" else hook
    assert all("<Thing at 0x" in str(one.get(key)) for one in stats["avail"])
