"""What the application shows of pools."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import pytest

from ProxyPatternPool import AsyncPool, DiscardReason, HookError, Pool, PoolException, Proxy
from ProxyPatternPool._status.processes import Processes
from ProxyPatternPool._status.sampler import Sampler
from ProxyPatternPool.status import status_app

from ..unit.clock import Chance, FakeScheduler, HandMovedClock
from ..unit.helpers import DEADLINE, Caller, Naps, Thing, Works, eventually
from ..unit.tasks import both, run_in
from .support import Broken, Shy, ask, data_of, fails, page_of

pytestmark = pytest.mark.usefixtures("scheduler")


def test_the_data(clock: HandMovedClock) -> None:
    pool = Pool(Shy, 4, 2, 5.0, name="db", tracer=lambda shy: f"shy {shy.number}", max_use=2)
    app = status_app(pool)
    clock.advance(2.0)
    held = pool.get()
    clock.advance(3.0)
    data = data_of(app)
    [shown] = data["pools"]
    assert (shown["name"], shown["state"], shown["exists"]) == ("db", "open", True)
    assert (shown["in_use"], shown["idle"], shown["waiting"]) == (1, 1, 0)
    assert (shown["creating"], shown["in_upkeep"], shown["retry_in"]) == (0, 0, 0.0)
    assert shown["callers"] == []
    assert (shown["min_size"], shown["max_size"], shown["timeout"]) == (2, 4, 5.0)
    assert (shown["stale"], shown["overdue"], shown["max_waiting"]) == (0, 0, None)
    assert (shown["max_using_delay"], shown["max_using_delay_kill"]) == (None, None)
    assert shown["counters"]["ncreated"] == 2
    assert shown["objects"] == [
        {
            "object": "shy 1",
            "number": 1,
            "in_use": True,
            "owner": "thread 'MainThread'",
            "seconds": 3.0,
            "uses": 1,
            "past": None,
        },
        {"object": "shy 0", "number": 0, "in_use": False, "owner": None, "seconds": 5.0, "uses": 0, "past": None},
    ]
    assert shown["errors"] == []
    page = page_of(app)
    assert '<td>thread &#39;MainThread&#39;</td><td class="number">3.0 s</td><td class="number">1</td>' in page
    assert '<td>idle, never lent</td><td class="number">5.0 s</td><td class="number">0</td>' in page
    pool.ret(held)
    assert "<td>idle, last thread &#39;MainThread&#39;</td>" in page_of(app)
    assert "2 to 4 objects; callers wait 5.0 s at most</p>" in page_of(app)
    pool.shutdown()
    assert data_of(app)["pools"][0]["state"] == "closed"
    assert '<p class="about"><strong class="alarm">closed</strong>; 2 to 4 objects</p>' in page_of(app)


@both
def test_a_pool_for_tasks(flavour: str, clock: HandMovedClock) -> None:
    """It is shown as others are, from any thread, with the task that holds an object."""
    pools = [AsyncPool(Shy, 4, 1, name="db", tracer=lambda shy: f"shy {shy.number}")]
    app = status_app(*pools)

    async def hold() -> None:
        async with pools[0].obj():
            clock.advance(3.0)
            with ThreadPoolExecutor(1) as executor:
                data = executor.submit(data_of, app).result()
            [shown] = data["pools"]
            assert (shown["name"], shown["state"], shown["in_use"], shown["waiting"]) == ("db", "open", 1, 0)
            [lent] = shown["objects"]
            assert (lent["object"], lent["in_use"], lent["seconds"]) == ("shy 0", True, 3.0)
            assert (lent["owner"] or "").startswith("task ")
        await pools[0].close()

    run_in(flavour, hold)
    assert data_of(app)["pools"][0]["state"] == "closed"
    pools.clear()
    gc.collect()
    assert data_of(app)["pools"][0]["state"] == "dropped"


def test_what_comes_first() -> None:
    """What is urgent, and short, before what may be long."""
    pool = Pool(Shy, 1)
    pool.get()
    waiting = Caller(pool.get)
    eventually(lambda: pool.stats()["nwaiting"] == 1)
    titles = re.findall("<h3[^>]*>(.*?)</h3>", page_of(status_app(pool)))
    assert titles[2:5] == ["Longest in the queue", "Last errors", "Objects"]
    pool.shutdown()
    with pytest.raises(PoolException):
        waiting.result()


def test_a_drain_in_progress(scheduler: FakeScheduler) -> None:
    """The page says how many are left, until the last of them is closed."""
    pool = Pool(Shy, 4, 4, max_waiting=7)
    app = status_app(pool)
    held = [pool.get() for _ in range(2)]
    assert "draining" not in page_of(app)
    pool.drain()
    scheduler.run()
    for left in ("2 objects left", "1 object left"):
        assert data_of(app)["pools"][0]["stale"] == pool.stats()["nstale"] == len(held)
        about = f'<strong class="alarm">draining, {left}</strong>; 4 objects; callers wait for ever</p>'
        assert about in page_of(app)
        pool.ret(held.pop())
        scheduler.run()
    assert data_of(app)["pools"][0]["stale"] == 0
    assert "draining" not in page_of(app)


LATE = re.compile(r'<tr class="late"><td>(.*?)</td><td>.*?<small>(.*?)</small></td><td class="number">(.*?)</td>')


def test_objects_in_use_for_too_long(clock: HandMovedClock) -> None:
    """They stand out, in the data as well: with the limit that they are past, and how many there are."""
    pool = Pool(
        Shy, 4, 4, name="db", tracer=lambda shy: f"shy {shy.number}", max_using_delay=20.0, max_using_delay_kill=300.0
    )
    app, both = status_app(pool), status_app(pool, Pool(Shy))
    oldest = pool.get()
    clock.advance(280.0)
    pool.get()
    clock.advance(19.9)
    pool.get()
    assert [each["past"] for each in data_of(app)["pools"][0]["objects"]] == ["max_using_delay", None, None, None]
    assert "1 object in use for too long</strong>; 4 objects" in page_of(app)
    clock.advance(0.1)
    [shown] = data_of(app)["pools"]
    assert [each["past"] for each in shown["objects"]] == ["max_using_delay_kill", "max_using_delay", None, None]
    assert (shown["overdue"], shown["max_using_delay"], shown["max_using_delay_kill"]) == (2, 20.0, 300.0)
    assert LATE.findall(page_of(app)) == [
        ("shy 3", "longer than 5 min: it is to be closed", "5 min"),
        ("shy 2", "longer than 20.0 s", "20.0 s"),
    ]
    assert "2 objects in use for too long</strong>; 4 objects" in page_of(app)
    assert links_of(both)[0] == "#pool-0 db 3 / 4 in use too long"
    pool.ret(oldest)
    clock.advance(1.0)
    assert [each["past"] for each in data_of(app)["pools"][0]["objects"]] == ["max_using_delay", None, None, None]


def test_many_objects_in_use_for_too_long(clock: HandMovedClock) -> None:
    """All are counted, those included that are not shown."""
    pool = Pool(Shy, 120, 0, max_using_delay_kill=5.0)
    for _ in range(110):
        pool.get()
    clock.advance(5.0)
    pool.get()
    [shown] = data_of(status_app(pool))["pools"]
    assert shown["overdue"] == 110
    assert {each["past"] for each in shown["objects"]} == {"max_using_delay_kill"}


def test_a_place_for_those_who_wait(naps: Naps) -> None:
    """It is there though nobody waits, so that nothing else has to move; not where nobody ever can."""
    pool, refusing, closed = Pool(Shy, 1), Pool(Shy, 1, max_waiting=0), Pool(Shy, 1)
    closed.shutdown()
    nobody = 'Longest in the queue</h3><div class="longest" id="queue-0"><p class="none">Nobody waits.</p>'
    assert nobody in page_of(status_app(pool))
    pages: list[str] = []
    naps.meanwhile.append(lambda: pages.append(page_of(status_app(pool))))
    pool.get()
    with pytest.raises(PoolException):
        pool.get(1)
    assert '<div class="longest" id="queue-0"><table class="callers" aria-labelledby="longest-0">' in pages[0]
    assert nobody in page_of(status_app(pool))
    for other in (refusing, closed):
        assert "Longest in the queue" not in page_of(status_app(other))


def test_how_many_may_wait() -> None:
    """Beside how many do, as with objects."""
    bounded, unbounded = Pool(Shy, 4, max_waiting=1000), Pool(Shy, 4)
    app = status_app(bounded, unbounded)
    assert [pool["max_waiting"] for pool in data_of(app)["pools"]] == [1000, None]
    assert re.findall("Waiting</dt><dd>(.*?)</dd>", page_of(app)) == ["0<small> / 1,000</small>", "0<small></small>"]


def links_of(app: object) -> list[str]:
    """The links to pools: where they lead, and their texts."""
    assert fragment_of(app) in page_of(app).replace(" open>", ">")
    links = re.findall('<li><a id="to-[0-9]+" href="(#pool-[0-9]+)">(.*?)</a></li>', fragment_of(app))
    for to, _ in links:
        assert fragment_of(app).count(f'id="{to[1:]}"') == 1
    return [f"{to} {re.sub('<.*?>', '', text)}" for to, text in links]


def fragment_of(app: object) -> str:
    text = ask(app, "/?format=fragment").get_data(as_text=True)
    return re.sub('<p class="when">.*?</p>', "", text)


def test_links_to_pools(clock: HandMovedClock, scheduler: FakeScheduler) -> None:
    """From two on, each with what one looks for among many."""
    db, unlimited, closed = Pool(Shy, 2000, 2, name="<db>"), Pool(Shy, name="unlimited"), Pool(Shy, 1, name="closed")
    down, dropped = Pool(fails, 1, 0, name="down", backoff=(8.0, 16.0)), Pool(Shy, 1, name="dropped")
    orders: Proxy[Thing] = Proxy(max_size=2, name="orders")
    app = status_app(db, unlimited, closed, down, dropped, orders)
    db.get()
    unlimited.get()
    closed.shutdown()
    del dropped
    with pytest.raises(Broken):
        down.get()
    db.drain()
    scheduler.run()
    assert links_of(app) == [
        "#pool-0 &lt;db&gt; 1 / 2,000 draining",
        "#pool-1 unlimited 1 in use",
        "#pool-2 closed 0 / 1 closed",
        "#pool-3 down 0 / 1 creation failed",
        "#pool-4 dropped dropped",
        "#pool-5 orders no pool yet",
    ]
    assert links_of(status_app(db)) == []
    assert "<nav" not in page_of(status_app(db))


def test_links_say_who_waits() -> None:
    busy, idle = Pool(Shy, 1, name="busy"), Pool(Shy, 1, name="idle")
    busy.get()
    waiting = Caller(busy.get)
    eventually(lambda: busy.stats()["nwaiting"] == 1)
    assert links_of(status_app(busy, idle)) == ["#pool-0 busy 1 / 1 1 waiting", "#pool-1 idle 0 / 1"]
    busy.shutdown()
    with pytest.raises(PoolException):
        waiting.result()


def test_what_operators_do(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """Bounds are what they are now, and what was closed is counted by its reason, in words."""
    pool = Pool(Shy, 4, 4, max_lifetime=100.0, health=lambda _: True, health_before_get=0.0)
    app = status_app(pool)
    pool.resize(min_size=1, max_size=3)
    [shown] = data_of(app)["pools"]
    assert (shown["min_size"], shown["max_size"], shown["idle"]) == (1, 3, 3)
    pool.clear()
    scheduler.run()
    pool.drain()
    scheduler.run()
    with pool.obj():
        clock.advance(100.0)
    [shown] = data_of(app)["pools"]
    keys = ("nshed", "ncleared", "ndrained", "nexpired", "nhealth")
    assert [shown["counters"][key] for key in keys] == [1, 3, 1, 1, 1]
    stats = pool.stats()
    assert {key: stats.get(key) for key in shown["counters"]} == shown["counters"]
    page = page_of(app)
    for words, number in (
        ("more than the new max_size", 1),
        ("cleared", 3),
        ("drained", 1),
        ("max_lifetime reached", 1),
    ):
        assert f"<dt>{words}</dt><dd>{number}</dd>" in page


def test_why_objects_went(clock: HandMovedClock) -> None:
    """For each reason there is how many, in words."""

    def fails(shy: Shy) -> None:
        raise Broken

    pools = [Pool(Shy), Pool(Shy, retter=fails), Pool(Shy, getter=fails, hook_errors="discard")]
    pools[0].discard(pools[0].get())
    with pools[1].obj(), pytest.raises(HookError):
        pools[2].get()
    app = status_app(*pools)
    for pool, reason in zip(data_of(app)["pools"], ("broken", "retter", "hook"), strict=True):
        assert list(pool["discarded"]) == list(get_args(DiscardReason))
        assert {why: number for why, number in pool["discarded"].items() if number} == {reason: 1}
    page = page_of(app)
    for words in ("discarded by callers", "retter failed", "getter failed"):
        assert page.count(f"<dt>{words}</dt><dd>1</dd>") == 1
        assert page.count(f"<dt>{words}</dt><dd>0</dd>") == 2


def test_the_samples(clock: HandMovedClock, scheduler: FakeScheduler) -> None:
    pool = Pool(Shy, 4)
    app = status_app(pool)
    scheduler.run()
    held = pool.get()
    clock.advance(2.0)
    samples = data_of(app)["pools"][0]["samples"]
    assert samples == {
        "seconds": [2.0],
        "in_use": [0],
        "idle": [1],
        "creating": [0],
        "in_upkeep": [0],
        "waiting": [0],
        "p50": [None],
        "p99": [None],
    }
    pool.ret(held)
    assert "<li><svg" in page_of(app)
    assert "at most 4</li>" in page_of(app)


def places_of(app: object) -> tuple[int, int, int, int]:
    [shown] = data_of(app)["pools"]
    return shown["in_use"], shown["idle"], shown["creating"], shown["in_upkeep"]


def test_objects_on_their_way(scheduler: FakeScheduler) -> None:
    """Being created, opened, reset, checked or closed: there they are seen, too."""
    seen: dict[str, tuple[int, int, int, int]] = {}

    def look(hook: str) -> Callable[[object], None]:
        def hooked(_: object) -> None:
            seen[hook] = places_of(app)

        return hooked

    def make(number: int) -> Shy:
        seen["fun"] = places_of(app)
        return Shy(number)

    def health(shy: Shy) -> bool:
        seen["health"] = places_of(app)
        return False

    def closer(shy: Shy) -> None:
        seen["closer"] = places_of(app)

    opener, getter, retter = look("opener"), look("getter"), look("retter")
    pool = Pool(make, 3, 0, opener=opener, getter=getter, retter=retter, health=health, closer=closer, hk_delay=9.0)
    app = status_app(pool)
    with pool.obj():
        scheduler.run()
    pool.housekeep()
    assert seen == {
        "fun": (0, 0, 1, 0),
        "opener": (0, 0, 1, 0),
        "getter": (1, 0, 0, 0),
        "retter": (0, 0, 0, 1),
        "health": (0, 0, 0, 1),
        "closer": (0, 0, 0, 1),
    }


def test_they_are_drawn(clock: HandMovedClock, scheduler: FakeScheduler) -> None:
    def make(number: int) -> Shy:
        scheduler.look_at(sampler_of(app))
        pages.append(page_of(app))
        return Shy(number)

    pages: list[str] = []
    pool = Pool(make, 4, 0)
    app = status_app(pool)
    with pool.obj():
        page = pages[0]
    assert re.findall("<dd>(.*?)<small>", page) == ["0", "0", "0", "1", "0", "none", "none"]
    assert "Now 0 objects in use, 0 idle, 1 being created, 0 in upkeep, 0 callers waiting." in page
    assert '<path class="line transit" d="M300,75L300,75"/>' in page
    assert "None in use or idle." in page


def sampler_of(app: object) -> Sampler:
    """What takes its samples, to have it look now."""
    [processes] = (each for each in vars(app).values() if isinstance(each, Processes))
    [sampler] = (each for each in vars(processes).values() if isinstance(each, Sampler))
    return sampler


def test_a_server_that_is_down(clock: HandMovedClock, chance: Chance) -> None:
    """The page says when it is asked again."""
    chance.always = 0.5
    pool = Pool(fails, 2, 0, backoff=(8.0, 16.0))
    app = status_app(pool)
    assert "next attempt" not in page_of(app)
    with pytest.raises(Broken):
        pool.get()
    assert pool.stats()["retry_in"] == data_of(app)["pools"][0]["retry_in"] == 6.0  # jitter: 8 s, 50 to 100 % of it
    assert "creation failed, next attempt in 6.0 s</strong>; " in page_of(app)


def test_who_waits(clock: HandMovedClock, naps: Naps) -> None:
    """Longest first, and not all of them."""
    pool = Pool(Shy, 1, name="db")
    app = status_app(pool)
    ended = threading.Event()

    def wait() -> None:
        with pytest.raises(PoolException):
            pool.get()
        ended.set()

    pool.get()
    callers: list[Caller[None]] = []
    for number in range(12):
        callers.append(Caller(wait, f"caller <{number}>"))
        eventually(lambda: data_of(app)["pools"][0]["waiting"] == len(callers))
        clock.advance(1.0)
    [shown] = data_of(app)["pools"]
    assert [(each["owner"], each["seconds"]) for each in shown["callers"]] == [
        (f"thread 'caller <{number}>'", 12.0 - number) for number in range(10)
    ]
    page = page_of(app)
    assert '<td>thread &#39;caller &lt;0&gt;&#39;</td><td class="number">12.0 s</td>' in page
    assert "And 2 more." in page
    assert (
        '<div class="longest" id="queue-0" tabindex="0" role="group" aria-labelledby="longest-0">' in page
    )  # for whoever scrolls by the keyboard
    pool.shutdown()
    for caller in callers:
        caller.result()


def test_proxies_and_dropped_pools(works: Works) -> None:
    unset: Proxy[Thing] = Proxy(max_size=2)
    orders: Proxy[Thing] = Proxy(max_size=2, name="orders")
    db: Proxy[Thing] = Proxy(fun=works.make, max_size=2, name="db")
    pool = Pool(works.make, name="gone")
    app = status_app(unset, orders, db, pool)
    del pool
    unset_yet = "no pool yet: the proxy is not set, or was made without one"
    states = {pool["name"]: pool["state"] for pool in data_of(app)["pools"]}
    assert states == {
        "proxy 1": unset_yet,
        "orders": unset_yet,
        "db": "open",
        "gone": "dropped",
    }
    page = page_of(app)
    assert "No pool yet" in page
    assert "Dropped" in page


def test_nothing_to_show() -> None:
    """Neither without a pool, nor when all are gone: then the page says so."""
    assert data_of(status_app())["pools"] == []
    pool = Pool(Shy, min_size=0)
    app = status_app(pool)
    assert "None in use or idle." in page_of(app)
    assert "No pools." not in page_of(app)
    del pool
    for empty in (status_app(), app):
        for text in (page_of(empty), fragment_of(empty)):
            assert '<p class="none">No pools.</p>' in text


FORKED = """
import json, os
from threading import Event
from werkzeug.test import Client
from ProxyPatternPool import Pool
from ProxyPatternPool.status import status_app

pool = Pool(lambda number: object(), 3, name="db")
app = status_app(pool)

def samples():
    answer = Client(app).get("/?format=json", environ_overrides={"REMOTE_ADDR": "127.0.0.1"})
    return json.loads(answer.data)["pools"][0]["samples"]["in_use"]

while len(samples()) < 2:
    Event().wait(0.01)
child = os.fork()
if child == 0:
    assert samples() == []
    with pool.obj(), pool.obj():
        while samples()[-1:] != [2]:  # the first sample may have come between the two
            Event().wait(0.01)
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
"""


def test_forked() -> None:
    """A child has samples of its own, as soon as it uses a pool; and nothing keeps a process from ending."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", FORKED],  # of a fork with threads
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_many_pools(clock: HandMovedClock, scheduler: FakeScheduler) -> None:
    """Are looked at less often, and have fewer points; what was worst is among them."""
    pools = [Pool(Shy, 40) for _ in range(41)]
    app, alone = status_app(*pools), status_app(pools[0])
    for second in range(300):
        held = [pools[0].get() for _ in range(30)] if second == 100 else []
        for shown in (app, alone):
            scheduler.look_at(sampler_of(shown))
        for each in held:
            pools[0].ret(each)
        clock.advance(1.0)

    def drawn(page: str) -> str:
        path = re.findall('<path class="line using" d="(.*?)"', page.split("<desc")[1])[0]
        return str(path)

    few, many = drawn(page_of(alone)), drawn(page_of(app))
    assert (few.count(","), many.count(",")) == (300, 100)
    assert "100,25" in few
    assert "100,25" in many
    assert many.count("M") == 1
    assert 'data-every="2"' in page_of(alone)
    assert 'data-every="6"' in page_of(app)
    assert 'content="15"' in page_of(app)
    assert len(data_of(app)["pools"][0]["samples"]["seconds"]) == 300


def test_in_words(clock: HandMovedClock, scheduler: FakeScheduler) -> None:
    """What the charts show is said, and not what they do not show."""
    pool = Pool(Shy, 4)
    app = status_app(pool)
    scheduler.look_at(sampler_of(app))
    assert '<desc id="wait-0-d">No callers within five minutes.</desc>' in page_of(app)
    clock.advance(1.0)
    with pool.obj():
        scheduler.look_at(sampler_of(app))
    assert "In the last second half of the callers were in the queue for 0 ms at most, and 99 in 100" in page_of(app)
    clock.advance(1.0)
    scheduler.look_at(sampler_of(app))
    assert "No callers in the last second. Within five minutes the 99th percentile was at most 0 ms." in page_of(app)
    page = page_of(app)
    assert page.count("<table") == page.count("<caption>")
    for described in re.findall('aria-(?:labelledby|describedby)="(.*?)"', page):
        assert f'id="{described}"' in page
