"""Texts and errors of the user's in the log, in dumps, statistics and errors: each says itself, in its own line."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ProxyPatternPool import HookError, Pool, PoolObserver, _text
from ProxyPatternPool._text import visible

from ..unit.clock import FakeScheduler
from ..unit.helpers import Thing
from .corpus import NASTY
from .strategies import Text, answers, errors, few_examples, some_examples, texts
from .world import raised_by, world

log = logging.getLogger("ppp")


class Written(logging.Handler):
    """Writes as handlers do that write to a file; a record that cannot be written is an error."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
        self.stream = io.TextIOWrapper(io.BytesIO(), "utf-8", "strict", newline="")
        self.records = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.records += 1
        record.exc_info = record.exc_text = None  # tracebacks are of several lines
        self.stream.write(self.format(record) + "\n")

    @property
    def lines(self) -> list[str]:
        self.stream.seek(0)
        return self.stream.read().splitlines()


@contextmanager
def written() -> Generator[Written, None, None]:
    handler, propagate = Written(), log.propagate
    log.addHandler(handler)
    log.propagate = False
    try:
        yield handler
    finally:
        log.removeHandler(handler)
        log.propagate = propagate


def be_told_off(scheduler: FakeScheduler, name: str, text: str) -> None:
    """Do all that has a log line written about an object."""

    def tracer(_: object) -> str:
        return text

    def fails(_: object) -> Any:
        raise ConnectionError(text)

    with suppress(ConnectionError):
        Pool(fails, name=name)
    for hook in ("opener", "getter", "retter", "closer"):
        hooks: dict[str, Any] = {hook: fails}
        with Pool(Named, 1, name=name, tracer=tracer, **hooks) as pool, pool.obj():
            pass
    for health in (fails, bool):
        Pool(Named, 1, name=name, tracer=tracer, health=health, hk_delay=9.0).housekeep()
    late = Pool(Named, 1, name=name, tracer=tracer, max_using_delay=1.0)
    held = late.get()
    clock: Any = scheduler.environment.clock
    clock.advance(2.0)
    scheduler.look_at(late._core)
    late.ret(held)
    late.ret(Named(7))
    late.lease()  # dropped


class Named:
    """An object."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __bool__(self) -> bool:
        return False


def logged(name: str, text: str) -> list[str]:
    with written() as handler, world() as scheduler:
        be_told_off(scheduler, name, text)
        scheduler.run()
    assert len(handler.lines) == handler.records
    return handler.lines


LOGGED = len(logged("plain", "plain"))


@some_examples
@given(name=texts, text=texts)
def test_log_lines(name: str, text: str) -> None:
    """A text makes no line, and cannot fail to be written."""
    lines = logged(name, text)
    assert len(lines) == LOGGED
    assert all(line.isprintable() or line == visible(line) for line in lines)


def test_nasty_log_lines() -> None:
    assert LOGGED >= 10
    for text in NASTY:
        assert len(logged(text, text)) == LOGGED


def dumped(name: str, text: str, thread: str) -> str:
    mine = threading.current_thread()
    before, mine.name = mine.name, thread

    def fails(number: int) -> Thing:
        if number:
            raise ConnectionError(text)
        return Thing(number)

    try:
        with world():
            pool = Pool(fails, 2, 0, name=name, tracer=lambda _: text)
            held = pool.get()
            raised_by(pool.get)
            file = io.StringIO()
            pool.dump(file)
            pool.ret(held)
            pool.dump(file)
            stats = pool.stats()
            assert json.loads(str(pool)) == json.loads(json.dumps(stats, allow_nan=False))
            assert stats["name"] == name
            assert stats["avail"][0].get("trace") == text
            assert stats["last_error"] == f"ConnectionError: {text}"
            assert visible(repr(pool)) == repr(pool)
    finally:
        mine.name = before
    return file.getvalue()


@some_examples
@given(name=texts, text=texts, thread=texts)
def test_dumps_and_statistics(name: str, text: str, thread: str) -> None:
    """A dump is of lines that say what it is about; statistics are what was said, and can be read by programs."""
    lines, plain = dumped(name, text, thread).splitlines(), dumped("a", "b", "c").splitlines()
    assert len(lines) == len(plain)
    for line, other in zip(lines, plain, strict=True):
        assert line[:5] == other[:5]
        line.encode()
        assert visible(line) == line


HOOKS = ("fun", "opener", "getter", "retter", "health", "closer", "observer", "tracer", "stats")
STRICT = ("log", "discard")


def counted(hook: str, error: Exception, strict: Any) -> tuple[type[BaseException] | None, dict[str, Any], int]:
    """What a caller gets, and what is counted, where this hook raises this error."""

    def fails(*_: object) -> Any:
        raise error

    class Observer(PoolObserver[Named]):
        lent = fails

    hooks: dict[str, Any] = {hook: Observer() if hook == "observer" else fails}
    with written() as handler, world() as scheduler:
        pool: Pool[Named] = Pool(
            hooks.pop("fun", Named), 2, 0, health_before_get=None, hook_errors=strict, backoff=None, **hooks
        )

        def use() -> None:
            with pool.obj():
                pass

        raised = raised_by(use)
        pool.housekeep()
        stats = {key: value for key, value in pool.stats().items() if key.startswith("n") and type(value) is int}
        pool.dump(io.StringIO())
        assert json.loads(str(pool))
        pool.shutdown()
        scheduler.run()
        assert pool.stats()["nobjs"] == 0
    return raised, stats, handler.records


@pytest.mark.parametrize("hook", HOOKS)
@few_examples
@given(error=errors(), strict=st.sampled_from(STRICT))
def test_errors_that_misbehave(hook: str, error: Exception, strict: str) -> None:
    """Whatever the methods of an error do, it counts as any other, and no other takes its place."""
    raised, stats, lines = counted(hook, error, strict)
    plain = counted(hook, ConnectionError("plain"), strict)
    expected = type(error) if plain[0] is ConnectionError else plain[0]
    assert raised is expected
    assert (stats, lines) == plain[1:]


class Frozen(Exception):
    """As an error that is a frozen data class: nothing of it can be set."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


def test_an_error_that_is_frozen() -> None:
    """A factory may raise it as any other: its place is free, and the next caller is told why he waits."""
    assert counted("fun", Frozen("no"), "log")[0] is Frozen


def test_an_error_whose_text_fails_in_a_strict_hook() -> None:
    class Mute(Exception):
        def __repr__(self) -> str:
            raise ValueError

    assert counted("getter", Mute(), "discard")[0] is HookError


def test_an_error_that_cannot_be_copied() -> None:
    """What a caller caught keeps its traceback and its cause, though the pool keeps it without them."""

    class Single(Exception):
        def __copy__(self) -> Single:
            return self

    cause, single = ValueError(), Single()

    def fails(number: int) -> Named:
        raise single from cause

    with world():
        pool = Pool(fails, 1, 0)
        with pytest.raises(Single):
            pool.get()
    assert single.__cause__ is cause
    assert single.__traceback__ is not None


class Nameless(threading.Thread):
    """A thread whose name cannot be told any more."""

    told = True

    @property
    def told_name(self) -> str:
        if not self.told:
            raise RuntimeError("who?")
        return "nameless"

    @told_name.setter
    def told_name(self, name: object) -> None:
        pass


setattr(Nameless, "name", Nameless.told_name)  # noqa: B010  # to the checkers it is no property


def test_an_owner_whose_name_fails() -> None:
    """It is shown as unknown, and all others with their names."""
    with world():
        pool = Pool(Thing, 1)
        thread = Nameless(target=pool.get)
        thread.start()
        thread.join()
        thread.told = False
        assert [each.owner for each in pool.owners()] == ["?"]
        assert [each["owner"] for each in pool.stats()["using"]] == ["?"]


@some_examples
@given(said=answers)
def test_what_tracers_say(said: Callable[[], Any]) -> None:
    """A text of a class of its own is taken as its characters; what fails costs itself alone."""
    with world():
        pool = Pool(Thing, 1, tracer=lambda _: said())
        [each] = pool.stats()["avail"]
        assert type(each.get("trace")) is str
        assert type(each.get("name", "")) is str
        assert json.loads(str(pool))["navail"] == 1
        pool.dump(io.StringIO())


def test_a_name_of_a_class_of_its_own() -> None:
    """None of its methods is called, in any line or error."""
    assert len(logged(Text("db"), "plain")) == LOGGED


def test_a_traceback_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a property of an error fails that Python looks at for it: then its class and its text are said."""

    def fails(*_: object) -> list[str]:
        raise RuntimeError

    monkeypatch.setattr(_text, "format_exception", fails)
    assert _text.traceback_text(ConnectionError("gone")) == "ConnectionError: gone"
