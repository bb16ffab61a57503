"""Texts of the user's on the status page: they come through, and bring nothing with them but themselves."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache, partial
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ProxyPatternPool import Pool
from ProxyPatternPool._status.data import LONGEST
from ProxyPatternPool._status.overview import MOST_IN_LINE
from ProxyPatternPool.status import masked, status_app

from ..unit.helpers import Caller, Thing, eventually
from .corpus import NASTY, SECRET, SECRETS
from .strategies import Text, answers, errors, few_examples, some_examples, texts
from .world import LOCAL, Answer, Page, raised_by, world

Shown = tuple[Page, Any]
PLAIN = "plain"
PROCESS = "1-000000000000"
TOGETHER = MOST_IN_LINE // 3
"""So many cases have their pools in the line of their process."""


class Case(NamedTuple):
    """What is the user's, of three pools.

    One has an object that is lent, and one that was; the creations of one fail; for the last a caller waits.
    """

    name: str = PLAIN
    tracer: Callable[[], Any] = lambda: PLAIN
    thread: str = PLAIN
    error: Exception = ValueError(PLAIN)

    def pools(self, stack: ExitStack) -> list[Pool[Thing]]:
        """Make them; what is lent comes back at the end."""

        def fails(number: int) -> Thing:
            raise self.error

        lent = Pool(Thing, 2, tracer=lambda _: self.tracer(), name=self.name)
        failing = Pool(fails, min_size=0, name=self.name)
        full = Pool(Thing, 1, name=self.name)
        held, idle = Caller(lambda: (lent.get(), lent.get()), self.thread).result()
        stack.callback(lent.ret, held)
        lent.ret(idle)
        assert raised_by(failing.get) is type(self.error)
        waited_for = full.get()
        waiting = Caller(full.get, self.thread)
        stack.callback(lambda: full.ret(waiting.result()))
        stack.callback(full.ret, waited_for)
        eventually(lambda: full.stats()["nwaiting"] == 1)
        return [lent, failing, full]


def shown(*cases: Case) -> Shown:
    """The page of the only process in a directory, and its data."""
    with TemporaryDirectory(prefix="ppp-") as directory, world(), ExitStack() as stack:
        pools = [pool for case in cases for pool in case.pools(stack)]
        app = status_app(*pools, error_text=lambda text: text, directory=directory)
        written = Answer(app, {**LOCAL, "QUERY_STRING": "format=json"}).text
        data = json.loads(written, parse_constant=pytest.fail)
        # The name of the process is another each time.
        page, part = (
            Page(Answer(app, {**LOCAL, "QUERY_STRING": query}).text.replace(data["id"], PROCESS))
            for query in ("", "format=fragment")
        )
    assert part.inside("h2") == page.inside("h2")
    assert written.isascii()
    return page, data


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
    names = [each["name"] for each in data["pools"]]
    assert page.inside("h2") == names
    [process] = data["processes"]
    assert [each["name"] for each in process["pools"]] == names
    assert page.inside("bdi") == names * 2  # in the list of processes, and in the list of links
    cells = page.inside("td")
    for case, one, two, three in zip(cases, *(data["pools"][number::3] for number in range(3)), strict=True):
        [held, idle], [failed], [caller] = one["objects"], two["errors"], three["callers"]
        check(case.name, one["name"])
        check(case.tracer(), held["object"])
        check(str(case.error), failed["text"])
        if case.thread:  # else it gets a name
            written = f"thread {case.thread!r}"  # as Python writes texts
            check(f"{written} (ended)", held["owner"])
            check(f"{written} (ended)", idle["owner"])
            check(written, caller["owner"])
        error = ": ".join(filter(None, ["ValueError", failed["text"]]))
        assert {held["object"], held["owner"], f"idle, last {idle['owner']}", caller["owner"], error} <= {*cells}


@some_examples
@given(name=texts, tracer=texts, thread=texts, text=texts)
def test_texts_come_through(name: str, tracer: str, thread: str, text: str) -> None:
    """The page has the elements and attributes that it has with plain texts, and the texts as text."""
    check_page([Case(name, lambda: tracer, thread, ValueError(text))])


@pytest.mark.parametrize("first", range(0, len(NASTY), TOGETHER))
def test_nasty_texts(first: int) -> None:
    """Each in all places at once."""
    check_page([Case(text, partial(str, text), text, ValueError(text)) for text in NASTY[first : first + TOGETHER]])


@few_examples
@given(tracer=answers, error=errors())
def test_what_is_asked_for_a_text(tracer: Callable[[], Any], error: Exception) -> None:
    """A tracer or an error that fails, or has no text, costs its own text and no other."""
    page, data = shown(Case(tracer=tracer, error=error))
    one, two, _ = data["pools"]
    assert page.inside("h2") == [PLAIN] * 3
    assert one["in_use"] == 1
    [failed] = two["errors"]
    assert (failed["where"], failed["count"]) == ("creation", 1)
    check(type(error).__name__, failed["error"])


def test_a_name_of_a_class_of_its_own() -> None:
    """None of its methods is called."""
    page, _ = shown(Case(name=Text("db")))
    assert page.inside("h2") == ["db"] * 3


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
