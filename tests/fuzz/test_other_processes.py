"""What other processes of the page's directory say, and what lies there: the page shows the rest, and says so."""

from __future__ import annotations

import copy
import json
import os
import socket
from collections.abc import Iterable
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ProxyPatternPool import Pool
from ProxyPatternPool._status import asking, processes, server
from ProxyPatternPool._status.data import PoolData, PoolSummary, fit
from ProxyPatternPool._status.directory import Directory
from ProxyPatternPool._status.processes import FORMAT, Processes
from ProxyPatternPool._status.sampler import Sampler
from ProxyPatternPool._status.shapes import is_shaped
from ProxyPatternPool._status.sources import source
from ProxyPatternPool.status import status_app

from ..unit.helpers import Caller, Thing, eventually
from .corpus import NASTY
from .strategies import few_examples, json_values, some_examples, texts
from .world import LOCAL, Answer, Page, raised_by, world

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no unix sockets")

OTHER = "1-000000000000"


def true_answers() -> dict[str, Any]:
    """What another process says, with all there can be in it."""

    def fails(number: int) -> Thing:
        raise ValueError(number)

    with world() as scheduler:
        pools = [Pool(Thing, 3, 2, name="db", timeout=1.0), Pool(fails, min_size=0), Pool(Thing, 1)]
        sampler = Sampler([source(pool, number) for number, pool in enumerate(pools)])
        with pools[0].obj(), pools[2].obj():
            pools[0].ret(pools[0].get())
            waiting = Caller(pools[2].get)
            eventually(lambda: pools[2].stats()["nwaiting"] == 1)
            scheduler.look_at(sampler)
            raised_by(pools[1].get)
            page = Processes(sampler, str, None)
            answers = {question: json.loads(page.answer(question) or b"") for question in ("line", "page")}
        pools[2].ret(waiting.result())
        return answers


ANSWERS = true_answers()
QUESTIONS = st.sampled_from(sorted(ANSWERS))


def _is(kind: type, data: object) -> bool:
    return isinstance(data, kind)


def places(data: Any) -> list[tuple[Any, Any]]:
    """Each value in JSON, by what it is in, and where it is in that."""
    keys: Iterable[Any] = data if _is(dict, data) else range(len(data)) if _is(list, data) else ()
    return [place for key in keys for place in [(data, key), *places(data[key])]]


@st.composite
def spoilt(draw: st.DrawFn, question: str) -> bytes:
    """A true answer with something else in one place, or without it, or cut off."""
    answer = copy.deepcopy(ANSWERS[question])
    holder, key = draw(st.sampled_from(places(answer)))
    if draw(st.booleans()):
        holder[key] = draw(json_values)
    else:
        del holder[key]
    written = json.dumps(answer).encode()
    return written[: draw(st.integers(0, len(written)))] if draw(st.booleans()) else written


spoilt_answers = st.one_of(st.binary(max_size=30), json_values.map(lambda data: json.dumps(data).encode()))


def _said(answers: dict[str, bytes | None], *_: object) -> dict[str, bytes | None]:
    return answers


def shown(question: str, answer: bytes | None) -> tuple[Page, Any]:
    """A page on which one process answers this, and its data."""
    with TemporaryDirectory(prefix="ppp-") as directory, pytest.MonkeyPatch.context() as patch, world():
        patch.setattr(processes, "ask", partial(_said, {OTHER: answer}))
        app = status_app(directory=directory)
        wanted = f"&process={OTHER}" if question == "page" else ""
        page = Answer(app, {**LOCAL, "QUERY_STRING": f"format=html{wanted}"}).text
        data = Answer(app, {**LOCAL, "QUERY_STRING": f"format=json{wanted}"}).text
    found = json.loads(data, parse_constant=pytest.fail)
    for each in found["processes"]:  # the name of this one is another each time
        page = page.replace(each["id"], f"{each['process']}-000000000000")
    return Page(page), found


def check(question: str, answer: bytes | None) -> None:
    """See that a page on which one process answers this can be made, and has nothing of what is not understood."""
    page, data = shown(question, answer)
    [state] = [each["state"] for each in data["processes"] if each["id"] == OTHER]
    assert len(page.inside("script")) == 1
    assert state in ("answers", "another version", "does not answer")
    if state != "answers":
        assert data["pools"] == []
        assert state in page.inside("strong")


@some_examples
@given(question=QUESTIONS, data=st.data())
def test_answers_that_are_spoilt(question: str, data: st.DataObject) -> None:
    """In any place."""
    check(question, data.draw(st.one_of(spoilt_answers, spoilt(question))))


@pytest.mark.parametrize("question", ANSWERS)
def test_true_answers(question: str) -> None:
    """They are understood."""
    kind = list[PoolData] if question == "page" else list[PoolSummary]
    assert is_shaped(ANSWERS[question]["pools"], kind)
    check(question, json.dumps(ANSWERS[question]).encode())


def answer_with(**fields: object) -> bytes:
    """A true answer but for some fields of its first pool."""
    answer = copy.deepcopy(ANSWERS["page"])
    answer["pools"][0].update(fields)
    return json.dumps(answer).encode()


TEXTS = ("name", "object", "owner", "error", "text", "where")
"""What is shown of another process as it says it."""


@pytest.mark.parametrize("question", ANSWERS)
def test_nasty_texts(question: str) -> None:
    """Each in all places at once: there are no other elements than with plain texts, and the texts are there."""
    answer = copy.deepcopy(ANSWERS[question])
    owned = [(holder, key) for holder, key in places(answer) if key in TEXTS]
    assert {key for _, key in owned} == ({*TEXTS} if question == "page" else {"name"})

    def shown_with(text: str) -> Page:
        for holder, key in owned:
            holder[key] = text
        return shown(question, json.dumps(answer).encode())[0]

    plain = shown_with("plain")
    for text in filter(None, map(fit, NASTY)):  # without a name of its class an error is none
        page = shown_with(text)
        assert page.elements == plain.elements
        assert page.texts == [each.replace("plain", text) for each in plain.texts]


@pytest.mark.parametrize(
    "answer",
    [
        json.dumps({"format": FORMAT, "pools": [7]}).encode(),
        json.dumps({"format": FORMAT, "pools": {}}).encode(),
        json.dumps({"format": FORMAT, "pools": [{**ANSWERS["page"]["pools"][0], "more": 1}]}).encode(),
        answer_with(name="\ud800"),
        answer_with(name="x" * 301),
        answer_with(name=7),
        answer_with(retry_in=float("nan")),
        answer_with(in_use=True),
        answer_with(in_use=1 << 70),
        answer_with(exists=1),
        answer_with(max_size="4"),
        answer_with(counters={"nuses": None}),
        answer_with(counters=[]),
        answer_with(objects={}),
        answer_with(discarded={"for fun": 1}),
        answer_with(samples={**ANSWERS["page"]["pools"][0]["samples"], "p50": []}),
    ],
)
def test_what_is_not_understood(answer: bytes) -> None:
    """A page that took it for true could not be made, or would say anything."""
    assert not is_shaped(json.loads(answer)["pools"], list[PoolData])
    check("page", answer)


@few_examples
@given(parts=st.lists(st.binary(min_size=1, max_size=120), max_size=4), ends=st.booleans())
@example(parts=[b"line\n"], ends=False)
@example(parts=[b"li", b"ne\n"], ends=False)
@example(parts=[b"line\nline\n"], ends=True)
def test_questions(parts: list[bytes], ends: bool) -> None:
    """Whatever is asked, and however much: there is an answer to what is known, and an end."""
    asker, asked = socket.socketpair()

    class Echo:
        def answer(self, question: str) -> bytes | None:
            return b"yes" if question == "line" else None

    with closing(asker), closing(asked), pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "PATIENCE", 0.005)
        for part in parts:
            asker.sendall(part)
        if ends:
            asker.shutdown(socket.SHUT_WR)
        try:
            server._answer(asked, Echo())
        except OSError:  # it has asked nothing, in this time
            assert not ends
            assert not b"".join(parts).endswith(b"\n")
        asked.close()
        asker.settimeout(1)
        try:
            answer = asker.recv(100)
        except ConnectionError:  # not all was read
            answer = b""
        assert answer in (b"", b"yes")
        if b"".join(parts) == b"line\n":
            assert answer == b"yes"


@few_examples
@given(parts=st.lists(st.binary(min_size=1, max_size=3000), max_size=5), most=st.integers(0, 6000))
def test_the_length_of_answers(parts: list[bytes], most: int) -> None:
    """All of it is read, or it is too long."""
    said = b"".join(parts)
    asker, asked = socket.socketpair()
    with closing(asker), closing(asked), pytest.MonkeyPatch.context() as patch:
        patch.setattr(asking, "MOST", most)
        asked.sendall(said)
        asked.close()
        try:
            assert asking._read(asker, 0.0) == said
            assert len(said) <= most
        except OSError:
            assert len(said) > most


@some_examples
@given(name=st.one_of(texts, st.text("0123456789abcdef-.sock\n", max_size=20).map(lambda text: f"1-{text}.sock")))
@example(name="1-00000000000\u0661.sock")
@example(name="1-000000000000.sock\n")
def test_names_of_files(name: str) -> None:
    """Files of others in the directory are none of ours, unless they have such a name."""
    file = os.fsdecode(name.encode("utf-8", "surrogatepass")).replace("/", "").replace("\0", "")[:60]
    with TemporaryDirectory(prefix="ppp-") as above:
        directory = Directory(os.path.join(above, "d"))
        if file.strip("."):
            Path(directory.path, file).touch()
        for found in directory.names():
            assert found + ".sock" == file
            assert found.isascii()
            assert directory.find(found, [found]) == found


def test_things_that_are_no_sockets() -> None:
    """Under names of ours: they are left out, or do not answer, and none of them holds the page up."""
    kinds = ["file", "directory", "pipe", "dangling", "loop", "datagram"]
    with TemporaryDirectory(prefix="ppp-") as above, world(), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        directory = Directory(os.path.join(above, "d"))
        paths = [Path(directory.socket_of(f"{number}-000000000000")) for number in range(len(kinds))]
        paths[0].write_text(NASTY[0])
        paths[1].mkdir()
        os.mkfifo(paths[2])
        paths[3].symlink_to("nowhere")
        paths[4].symlink_to(paths[4].name)
        deaf.bind(str(paths[5]))
        app = status_app(directory=directory.path)
        data = json.loads(Answer(app, {**LOCAL, "QUERY_STRING": "format=json"}).text)
        states = {each["process"]: each["state"] for each in data["processes"] if each["id"].endswith("-000000000000")}
        assert {*states.values()} <= {"does not answer"}
        assert kinds[5] == "datagram"
        assert 5 in states
        assert Answer(app, LOCAL).status == 200
