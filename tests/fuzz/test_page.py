"""Texts of the user's on the status page: they come through, and bring nothing with them but themselves."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache, partial
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ProxyPatternPool import Pool
from ProxyPatternPool._status.data import LONGEST
from ProxyPatternPool.status import masked, status_app

from ..unit.helpers import Caller, Thing
from .corpus import NASTY, SECRET, SECRETS
from .strategies import Text, answers, errors, few_examples, some_examples, texts
from .world import LOCAL, Answer, Page, raised_by, world

Shown = tuple[Page, Any]
PLAIN = "plain"


class Case(NamedTuple):
    """What is the user's, of two pools: one with an object that is lent, one whose creations fail."""

    name: str = PLAIN
    tracer: Callable[[], Any] = lambda: PLAIN
    thread: str = PLAIN
    error: Exception = ValueError(PLAIN)


def shown(*cases: Case) -> Shown:
    """The page, and its data."""
    with world(), ExitStack() as stack:
        pools: list[Pool[Thing]] = []
        for case in cases:
            lent, failing = in_trouble(case)
            stack.callback(lent.ret, Caller(lent.get, case.thread).result())
            assert raised_by(failing.get) is type(case.error)
            pools += [lent, failing]
        app = status_app(*pools, error_text=lambda text: text)
        page = Page(Answer(app, LOCAL).text)
        part = Page(Answer(app, {**LOCAL, "QUERY_STRING": "format=fragment"}).text)
        data = Answer(app, {**LOCAL, "QUERY_STRING": "format=json"}).text
    assert part.inside("h2") == page.inside("h2")
    assert data.isascii()
    return page, json.loads(data, parse_constant=pytest.fail)


def in_trouble(case: Case) -> tuple[Pool[Thing], Pool[Thing]]:
    def fails(number: int) -> Thing:
        raise case.error

    return Pool(Thing, 2, tracer=lambda _: case.tracer(), name=case.name), Pool(fails, min_size=0, name=case.name)


@cache
def elements(cases: int) -> list[tuple[str, list[tuple[str, str | None]]]]:
    """Those of a page with plain texts."""
    return shown(*[Case()] * cases)[0].elements


def is_visible(text: str) -> bool:
    """Whether it says all of itself, in its own order."""
    directions = ("LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI")
    return all(
        unicodedata.category(each) not in ("Cc", "Cs")
        and unicodedata.bidirectional(each) not in directions
        and each not in "\u061c\u200e\u200f\u2028\u2029"
        for each in text
    )


def check(text: str, said: str) -> None:
    """Compare a text with what is said of it."""
    assert is_visible(said)
    assert len(said) <= LONGEST
    if is_visible(text) and len(text) <= LONGEST:
        assert said == text


def check_page(cases: list[Case]) -> None:
    """See that the texts are there as texts, and that there is nothing else."""
    page, data = shown(*cases)
    assert page.elements == elements(len(cases))
    assert page.inside("h2") == [each["name"] for each in data["pools"]]
    cells = page.inside("td")
    for case, one, two in zip(cases, data["pools"][::2], data["pools"][1::2], strict=True):
        [held], [failed] = one["objects"], two["errors"]
        check(case.name, one["name"])
        check(case.tracer(), held["object"])
        check(str(case.error), failed["text"])
        if case.thread:  # else it gets a name
            check(f"thread {case.thread!r} (ended)", held["owner"])  # as Python writes texts
        assert {held["object"], held["owner"], ": ".join(filter(None, ["ValueError", failed["text"]]))} <= {*cells}


@some_examples
@given(name=texts, tracer=texts, thread=texts, text=texts)
def test_texts_come_through(name: str, tracer: str, thread: str, text: str) -> None:
    """The page has the elements and attributes that it has with plain texts, and the texts as text."""
    check_page([Case(name, lambda: tracer, thread, ValueError(text))])


def test_nasty_texts() -> None:
    """Each in all places at once."""
    check_page([Case(text, partial(str, text), text, ValueError(text)) for text in NASTY])


@few_examples
@given(tracer=answers, error=errors())
def test_what_is_asked_for_a_text(tracer: Callable[[], Any], error: Exception) -> None:
    """A tracer or an error that fails, or has no text, costs its own text and no other."""
    page, data = shown(Case(tracer=tracer, error=error))
    one, two = data["pools"]
    assert page.inside("h2") == [PLAIN, PLAIN]
    assert one["in_use"] == 1
    [failed] = two["errors"]
    assert (failed["where"], failed["count"]) == ("creation", 1)
    check(type(error).__name__, failed["error"])


def test_a_name_of_a_class_of_its_own() -> None:
    """None of its methods is called."""
    page, _ = shown(Case(name=Text("db")))
    assert page.inside("h2") == ["db", "db"]


@some_examples
@given(
    before=st.lists(texts.filter(lambda text: not any(each in text for each in "'\"")), max_size=3),
    secret=st.sampled_from(SECRETS),
    after=st.lists(texts, max_size=3),
)
@example(before=[], secret=SECRETS[0], after=[])
def test_secrets_are_hidden(before: list[str], secret: str, after: list[str]) -> None:
    """Whatever is said before and after it: by default the text is not shown at all, or masked."""
    text = " ".join([*before, secret, *after])
    assert SECRET not in masked(text)

    def fails(number: int) -> Thing:
        raise ConnectionError(text)

    with world():
        pool = Pool(fails, min_size=0)
        with pytest.raises(ConnectionError):
            pool.get()
        for app in (status_app(pool), status_app(pool, error_text=masked)):
            for query in ("", "format=json", "format=fragment"):
                answer = Answer(app, {**LOCAL, "QUERY_STRING": query})
                assert answer.status == 200
                assert SECRET.encode() not in answer.body
