"""Texts and hooks of the user's on the page: whatever they say or raise, it stays whole, and keeps what is secret."""

from __future__ import annotations

import json

import pytest
from markupsafe import Markup, escape

from ProxyPatternPool import Pool
from ProxyPatternPool.status import masked, status_app

from ..unit.clock import HandMovedClock
from ..unit.helpers import Caller
from .support import SECRET, Broken, Shy, data_of, fails, page_of

pytestmark = pytest.mark.usefixtures("scheduler")


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
