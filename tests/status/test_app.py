"""The application: what it answers, to whom, and what it never says."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, cast, get_args

import pytest
from flask import Flask
from markupsafe import Markup, escape
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import Client, TestResponse
from werkzeug.wrappers import Request

from ProxyPatternPool import DiscardReason, HookError, Pool, PoolException, Proxy
from ProxyPatternPool._status.sampler import Sampler
from ProxyPatternPool.status import StatusData, is_local, masked, status_app

from ..unit.clock import FakeScheduler, HandMovedClock
from ..unit.helpers import DEADLINE, Caller, Naps, Thing, Works, eventually

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

pytestmark = pytest.mark.usefixtures("scheduler")

LOCAL = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost"}
SECRET = "hunter2"


class Shy:
    """An object that is not to be asked for its text."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __repr__(self) -> str:
        raise AssertionError("asked for its text")


def ask(app: object, path: str = "/", method: str = "GET", **environ: str) -> TestResponse:
    return Client(app).open(path, method=method, environ_overrides={**LOCAL, **environ})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # any application


def data_of(app: object) -> StatusData:
    answer = ask(app, "/?format=json")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    return cast(StatusData, json.loads(answer.get_data(as_text=True)))


def page_of(app: object) -> str:
    answer = ask(app)
    assert (answer.status_code, answer.content_type) == (200, "text/html; charset=utf-8")
    return answer.get_data(as_text=True)


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
    for words, number in (("more than the new bound", 1), ("cleared", 3), ("drained", 1), ("too old", 1)):
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
    for words in ("discarded by their users", "not to be reset", "refused by the getter"):
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


def test_objects_are_shown_by_their_names_alone() -> None:
    """What the tracer said when they were created, escaped; neither their text nor the hook for statistics."""

    def stats(shy: Shy) -> object:
        raise AssertionError("asked for statistics")

    plain = Pool(Shy, stats=stats)
    traced = Pool(Shy, stats=stats, tracer=lambda shy: f"<script>alert({shy.number})</script>", name="<b>&")
    names = iter(["backend 4711"])
    failing = Pool(Shy, stats=stats, tracer=lambda shy: str(1 // shy.number))
    changing = Pool(Shy, stats=stats, tracer=lambda shy: next(names))
    app = status_app(plain, traced, failing, changing)
    data = data_of(app)
    assert [pool["objects"][0]["object"] for pool in data["pools"]] == [
        "object 0",
        "<script>alert(0)</script>",
        "object 0",
        "backend 4711",
    ]
    assert [(each["where"], each["error"]) for each in data["pools"][2]["errors"]] == [("tracer", "ZeroDivisionError")]
    page = page_of(app)
    assert "&lt;script&gt;alert(0)&lt;/script&gt;" in page
    assert "&lt;b&gt;&amp;</h2>" in page
    assert page.count("<script>") == 1
    assert "<b>" not in page


def test_many_objects() -> None:
    """Are not all shown, and long texts are cut."""
    pool = Pool(Shy, min_size=120, tracer=lambda shy: "x" * 1000)
    app = status_app(pool)
    [shown] = data_of(app)["pools"]
    assert (len(shown["objects"]), shown["idle"]) == (100, 120)
    assert shown["objects"][0]["object"] == "x" * 299 + "…"
    assert "And 20 more." in page_of(app)


class Broken(Exception):
    pass


def fails(number: int) -> Shy:
    raise Broken(f"cannot connect to postgresql://bob:{SECRET}@db/app")


def test_the_text_of_errors_is_not_shown(clock: HandMovedClock) -> None:
    """Unless one says how."""
    pool = Pool(fails, min_size=1)
    clock.advance(7.0)
    silent, speaking = status_app(pool), status_app(pool, error_text=masked)
    error = {"count": 1, "seconds": 7.0, "first_seconds": 7.0, "where": "creation", "error": "Broken", "text": None}
    assert data_of(silent)["pools"][0]["errors"] == [error]
    text = "cannot connect to postgresql://***@db/app"
    assert data_of(speaking)["pools"][0]["errors"] == [{**error, "text": text}]
    assert "Broken" in page_of(silent)
    assert f"Broken: {text}" in page_of(speaking)
    for app in (silent, speaking):
        assert SECRET not in page_of(app) + json.dumps(data_of(app))


def test_a_text_that_cannot_be_made_fit_is_not_shown() -> None:
    def oops(text: str) -> str:
        raise ValueError(text)

    pool = Pool(fails)
    app = status_app(pool, error_text=oops)
    assert data_of(app)["pools"][0]["errors"][0]["text"] is None


def test_errors_that_are_alike_are_shown_once(clock: HandMovedClock) -> None:
    texts = ["Peter's", "Paul's", "Peter's"] * 500

    def fails(number: int) -> Shy:
        raise Broken(f"password=hunter{number}" if not texts else texts.pop())

    pool = Pool(fails, min_size=0, backoff=None)
    for _ in range(1503):
        clock.advance(0.1)
        with pytest.raises(Broken):
            pool.get()
    clock.advance(2.0)
    app = status_app(pool, error_text=masked)
    assert [
        (each["count"], each["seconds"], each["first_seconds"], each["text"])
        for each in data_of(app)["pools"][0]["errors"]
    ] == [
        (3, 2.0, 2.2, "password=***"),  # they differ, but not in what is shown
        (1000, 2.3, 152.2, "Peter's"),
        (500, 2.4, 152.1, "Paul's"),
    ]
    page = page_of(app)
    assert page.count("Broken") == 3
    assert "<small>1,000 times, first 3 min ago, last 2.3 s ago</small>" in page
    assert "Paul&#39;s<small>500 times" in page


# What is neither in use nor idle. --------------------------------------------------------------------


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
    [sampler] = (each for each in vars(app).values() if isinstance(each, Sampler))
    return sampler


def test_a_server_that_is_down(clock: HandMovedClock) -> None:
    """The page says when it is asked again."""
    pool = Pool(fails, 2, 0, backoff=(8.0, 16.0))
    app = status_app(pool)
    assert "next attempt" not in page_of(app)
    with pytest.raises(Broken):
        pool.get()
    retry_in = pool.stats()["retry_in"]
    assert data_of(app)["pools"][0]["retry_in"] == pytest.approx(retry_in, abs=0.001)
    assert 4.0 <= retry_in <= 8.0
    assert f"creation failed, next attempt in {retry_in:.1f} s</strong>; " in page_of(app)


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


# Functions of the user's that do what they like. -----------------------------------------------------


class Nonsense(str):
    """A text that is none."""

    def __str__(self) -> str:
        return self

    def __html__(self) -> str:
        return "<script>alert(1)</script>"

    def __hash__(self) -> int:
        raise AssertionError("asked for its hash")

    def __len__(self) -> int:
        raise AssertionError("asked for its length")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (Nonsense("x"), "x"),
        (Markup("<script>"), "<script>"),
        ("f \udc80", "f \\udc80"),
        ("a\tb\r\nc", "a b  c"),
        ("\0 \x1b[2J \x7f \x85", "\\x00 \\x1b[2J \\x7f \\x85"),
        ("db\u202exe", "db\\u202exe"),
        ("\u061c\u200e\u200f\u202a\u2066\u2069", "\\u061c\\u200e\\u200f\\u202a\\u2066\\u2069"),
        ("\u05e9\u05dc\u05d5\u05dd \u0645\u06cc\u200c\u062e \u0915\u094d\u200d\u0937 \xa0\xad\u2065\u206a",) * 2,
    ],
    ids=["own", "markup", "surrogate", "white", "control", "override", "directions", "joined"],
)
def test_texts_of_all_sorts(text: str, shown: str) -> None:
    """Are shown as they are, escaped: the tracer's, names, those of errors."""

    def fails(number: int) -> Shy:
        raise Broken(text)

    traced = Pool(Shy, tracer=lambda shy: text, name=text)
    failing = Pool(fails, min_size=0)
    with pytest.raises(Broken):
        failing.get()
    app = status_app(traced, failing, error_text=lambda _: text)
    first, second = data_of(app)["pools"]
    assert (first["name"], first["objects"][0]["object"], second["errors"][0]["text"]) == (shown,) * 3
    page = page_of(app)
    assert page.count("<script>") == 1
    assert page.count(escape(shown)) >= 4  # the name in the link, too


def test_owners_of_all_sorts() -> None:
    """The names of threads are the user's as well; what was made visible is not longer than what is shown."""
    pool = Pool(Shy, 2, tracer=lambda shy: "\u202e" * 1000)
    Caller(pool.get, "holder\u202e").result()
    [shown] = data_of(status_app(pool))["pools"][0]["objects"]
    assert shown["owner"] == "thread 'holder\\u202e' (ended)"
    assert shown["object"] == ("\\u202e" * 50)[:-1] + "…"


@pytest.mark.parametrize("made", [b"x", ["x"], None, 7])
def test_a_text_of_an_error_that_is_none(made: object) -> None:
    pool = Pool(fails)
    app = status_app(pool, error_text=lambda _: made)  # type: ignore[arg-type, return-value]  # pyright: ignore[reportArgumentType]  # what is tested
    assert data_of(app)["pools"][0]["errors"][0]["text"] is None
    assert "Broken" in page_of(app)


class Cancelled(BaseException):
    """As gevent's time-outs, and the cancellation of a task."""


@pytest.mark.parametrize(("error", "passes"), [(Cancelled(), False), (KeyboardInterrupt(), True), (SystemExit(), True)])
def test_what_is_thrown_into_a_function(error: BaseException, passes: bool) -> None:
    """Is no reason for not showing the rest, unless it is meant for the process."""

    def throw(_: object) -> str:
        raise error

    pool = Pool(fails)
    app = status_app(pool, error_text=throw)
    if passes:
        with pytest.raises(type(error)):
            page_of(app)
    else:
        assert "Broken" in page_of(app)


def test_a_tracer_that_looks_at_the_page() -> None:
    """It is called once for each object, while that is created, and sees those that were there before."""
    seen: list[list[str]] = []

    def tracer(shy: Shy) -> str:
        if seen:
            seen.append([each["object"] for each in data_of(app)["pools"][0]["objects"]])
        return f"shy {shy.number}"

    pool = Pool(Shy, 3, 0, tracer=tracer)
    app = status_app(pool)
    seen.append([])
    held = [pool.get() for _ in range(3)]
    assert seen[1:] == [[], ["shy 0"], ["shy 0", "shy 1"]]
    assert [each["object"] for each in data_of(app)["pools"][0]["objects"]] == ["shy 0", "shy 1", "shy 2"]
    assert len(seen) == 4
    for shy in held:
        pool.ret(shy)


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
        while samples() != [2]:
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


# Who may see it. -------------------------------------------------------------------------------------


@pytest.fixture
def pool(works: Works) -> Pool[Thing]:
    return Pool(works.make, name="db")


FOREIGN: list[dict[str, str]] = [
    {"REMOTE_ADDR": "192.0.2.1"},
    {"REMOTE_ADDR": ""},
    {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
    {"HTTP_HOST": "evil.example"},
]


@pytest.mark.parametrize("environ", FOREIGN)
@pytest.mark.parametrize("path", ["/", "/?format=json", "/?format=fragment", "/elsewhere"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_forbidden(pool: Pool[Thing], environ: dict[str, str], path: str, method: str) -> None:
    """To all but this machine, whatever they ask for."""
    answer = ask(status_app(pool), path, method, **environ)
    assert answer.status_code == 403
    assert b"db" not in answer.data


def test_behind_a_middleware_that_believes_the_proxy(pool: Pool[Thing]) -> None:
    """Which has a forged header look like an address."""
    answer = ask(ProxyFix(status_app(pool)), REMOTE_ADDR="192.0.2.1", HTTP_X_FORWARDED_FOR="127.0.0.1")
    assert answer.status_code == 403


@pytest.mark.parametrize("environ", [{}, *FOREIGN])
def test_allow_decides_alone(pool: Pool[Thing], environ: dict[str, str]) -> None:
    assert ask(status_app(pool, allow=lambda environ: True), **environ).status_code == 200
    assert ask(status_app(pool, allow=lambda environ: False), **environ).status_code == 403


def test_allow_sees_the_request(pool: Pool[Thing]) -> None:
    def allow(environ: WSGIEnvironment) -> bool:
        return is_local(environ) or Request(environ).headers.get("X-Key") == "open"

    app = status_app(pool, allow=allow)
    assert ask(app).status_code == 200
    assert ask(app, REMOTE_ADDR="192.0.2.1").status_code == 403
    assert ask(app, REMOTE_ADDR="192.0.2.1", HTTP_X_KEY="open").status_code == 200


def test_an_allow_that_fails_allows_nothing(pool: Pool[Thing]) -> None:
    """Nor does one that gives something which only counts as true, as a coroutine does."""
    with pytest.raises(ZeroDivisionError):
        ask(status_app(pool, allow=lambda environ: bool(1 // 0)))
    wrong = lambda environ: "yes"  # noqa: E731  # pyright: ignore[reportUnknownLambdaType, reportUnknownVariableType]  # untyped, as users may write it
    with pytest.raises(TypeError, match="allow must give True or False, not 'yes'"):
        ask(status_app(pool, allow=wrong))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # a str


# How it answers. -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/?format=html", "/?format=json", "/?format=fragment"])
def test_head(pool: Pool[Thing], clock: HandMovedClock, path: str) -> None:
    """The same without the text."""
    app = status_app(pool)
    head, get = ask(app, path, "HEAD"), ask(app, path)
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers == get.headers
    assert get.content_length == len(get.data) > 0


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_it_is_only_to_be_read(pool: Pool[Thing], method: str) -> None:
    answer = ask(status_app(pool), method=method)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_other_pages_and_formats(pool: Pool[Thing]) -> None:
    assert ask(status_app(pool), "/elsewhere").status_code == 404
    assert ask(status_app(pool), "/?format=xml").status_code == 400
    assert ask(status_app(pool), "/", QUERY_STRING="format=\xff").status_code == 400


def test_a_pause_without_scripts(pool: Pool[Thing]) -> None:
    """Where a page loads itself anew there is a link to one that does not, and back."""
    lively, still = (ask(status_app(pool), path).get_data(as_text=True) for path in ("/", "/?refresh=0"))
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in lively
    assert '<noscript><a href="?refresh=0">Pause</a></noscript>' in lively
    assert "http-equiv" not in still
    assert '<noscript><a href="?">Go on</a></noscript>' in still
    for page in (lively, still):
        assert '<details id="counters-0" open>' in page
    assert '<details id="counters-0">' in ask(status_app(pool), "/?format=fragment").get_data(as_text=True)


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
    assert '<desc id="wait-0-d">No caller was seen within five minutes.</desc>' in page_of(app)
    clock.advance(1.0)
    with pool.obj():
        scheduler.look_at(sampler_of(app))
    assert "In the last second half of the callers stood in the queue for 0 ms at most, and 99 in 100" in page_of(app)
    clock.advance(1.0)
    scheduler.look_at(sampler_of(app))
    assert "In the last second nobody came. Within five minutes the 99th percentile was at most 0 ms." in page_of(app)
    page = page_of(app)
    assert page.count("<table") == page.count("<caption>")
    for described in re.findall('aria-(?:labelledby|describedby)="(.*?)"', page):
        assert f'id="{described}"' in page


@pytest.mark.parametrize("environ", [{}, {"REMOTE_ADDR": "192.0.2.1"}])
@pytest.mark.parametrize("path", ["/", "/?format=json", "/elsewhere"])
def test_headers(pool: Pool[Thing], environ: dict[str, str], path: str) -> None:
    headers = ask(status_app(pool), path, **environ).headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]


def test_the_policy_knows_what_is_in_the_page(pool: Pool[Thing]) -> None:
    answer = ask(status_app(pool))
    for kind in ("script", "style"):
        [inside] = re.findall(f"<{kind}>(.*?)</{kind}>", answer.get_data(as_text=True), re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in answer.headers["Content-Security-Policy"]
    assert 'style="' not in answer.get_data(as_text=True)
    assert "http" not in re.sub("http-equiv|http://www.w3.org/2000/svg", "", answer.get_data(as_text=True))


def test_beside_an_application(pool: Pool[Thing]) -> None:
    """Mounted as its documentation says."""
    site = Flask(__name__)
    site.add_url_rule("/", view_func=lambda: "hello")
    app = DispatcherMiddleware(site.wsgi_app, {"/status": status_app(pool)})
    assert ask(app).data == b"hello"
    for path in ("/status", "/status/"):
        assert b"<h1>Pools</h1>" in ask(app, path).data
    assert ask(app, "/status/more").status_code == 404


# Bad input. ------------------------------------------------------------------------------------------


def test_only_pools_and_proxies() -> None:
    with pytest.raises(TypeError, match="status_app shows pools and proxies, not a Thing"):
        status_app(Thing(0))


@pytest.mark.parametrize("name", ["allow", "error_text"])
def test_what_cannot_be_called(pool: Pool[Thing], name: str) -> None:
    wrong: dict[str, object] = {name: 7}
    with pytest.raises(TypeError, match=f"{name} must be callable, not 7"):
        status_app(pool, **wrong)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # what is tested


def test_without_werkzeug() -> None:
    """The error says what to install, and all the rest works."""
    script = """
import sys
sys.modules["werkzeug"] = sys.modules["werkzeug.wrappers"] = None
import ProxyPatternPool
try:
    import ProxyPatternPool.status
except ImportError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert (done.stdout, done.stderr) == (
        (
            "ProxyPatternPool.status needs werkzeug, which cannot be imported: "
            "pip install werkzeug (this package's extra 'werkzeug')\n"
        ),
        "",
    )
