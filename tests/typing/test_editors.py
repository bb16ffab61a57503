"""Editors complete, explain and show what is there: pyright's language server in a user's project, and jedi."""

from __future__ import annotations

import inspect
import re
import sqlite3
from collections.abc import Generator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

import jedi
import pytest

from ProxyPatternPool import Control, Hooks, Pool, PoolOverrides, PoolStats, Proxy, proxy

from .docstrings import texts
from .downstream import BIN, DOWNSTREAM, PYTHON, SECONDS
from .langserver import LanguageServer
from .snippets import PROTOCOLS

pytestmark = pytest.mark.timeout(SECONDS + 20)

FILE = """\
import sqlite3
from functools import partial

from ProxyPatternPool import (
    Closer, Control, Factory, Getter, HealthCheck, Hooks, Lease, Opener, Pool, Proxy, Retter, Scope, ScopeStrategy,
    StatsHook, TimeOut, Tracer, control, proxy, returning
)


def connect(number: int) -> sqlite3.Connection:
    return sqlite3.connect(":memory:")


pool = Pool(connect, closer=sqlite3.Connection.close)
lease = pool.lease()
db = proxy(fun=connect)
later: sqlite3.Connection = proxy()
single = proxy(connect(0))
reference = Proxy(fun=connect)


@returning(db)
def job(number: int, *, name: str = "") -> str:
    '''Do it.'''
    return name * number
"""
CURSOR = "|"

CONNECTION = frozenset(name for name in dir(sqlite3.Connection) if not name.startswith("_"))
CONTROL = {"discard", "get", "has", "obj", "pool", "ret", "scope", "set_fun", "set_obj", "set_pool"}
POOL = {"close", "discard", "get", "housekeep", "lease", "name", "obj", "ret", "shutdown", "stats"}


def _parameters(called: Any) -> set[str]:
    return set(inspect.signature(called).parameters) - {"self"}


@dataclass(frozen=True)
class Offer:
    """What is to be offered at a place in the code, and no member of sqlite3.Connection unless it is all of them."""

    code: str
    names: frozenset[str]


def _offers(places: Mapping[str, AbstractSet[str]]) -> list[Any]:
    return [pytest.param(Offer(code, frozenset(names)), id=code) for code, names in places.items()]


BOTH: dict[str, AbstractSet[str]] = {
    "db.|": CONNECTION,
    "later.|": CONNECTION,
    "single.|": CONNECTION,
    "pool.get().|": CONNECTION,
    "lease.obj.|": CONNECTION,
    "with pool.obj() as o:\n    o.|": CONNECTION,
    "with pool.lease() as o:\n    o.|": CONNECTION,
    "control(db).get().|": CONNECTION,
    "control(later).get().|": CONNECTION,
    "Pool(partial(sqlite3.connect, ':memory:')).get().|": CONNECTION,
    "Pool(lambda number: sqlite3.connect(':memory:')).get().|": CONNECTION,
    "pool.|": POOL,
    "lease.|": {"discard", "obj", "release"},
    "control(db).|": CONTROL,
    "reference.|": {"set", "set_fun", "set_obj"},
    "Scope.|": {"AUTO", "CONTEXT", "EVENTLET", "GEVENT", "SHARED", "THREAD", "VERSATILE", "WERKZEUG"},
    "Pool(|": {f"{name}=" for name in _parameters(Pool)},
    "proxy(|": {f"{name}=" for name in _parameters(proxy)},
    "Proxy(|": {f"{name}=" for name in _parameters(Proxy)},
    'pool.stats()["|': set(PoolStats.__annotations__),
}
# Where jedi knows nothing.
PYRIGHT: dict[str, AbstractSet[str]] = {
    "Pool(connect, opener=lambda c: c.|)": CONNECTION,
    "proxy(fun=connect, retter=lambda c: c.|)": CONNECTION,
    "control(db).set_pool(closer=lambda c: c.|)": CONNECTION,
    "with control(db).obj() as o:\n    o.|": CONNECTION,
    "reference._get_obj().|": CONNECTION,
    "control(db).set_pool(|)": {f"{name}=" for name in _parameters(Pool) - {"fun"}},
    'pool.stats()["using"][0]["|"]': {"last_get", "last_ret", "name", "owner", "stats", "trace", "uses"},
    'Pool(connect, hook_errors="|")': {"discard", "log"},
}


def _place(code: str) -> tuple[str, int, int]:
    """A text, and the place of the cursor in it, counted from 0."""
    before, after = (FILE + code).split(CURSOR)
    return before + after, before.count("\n"), len(before) - before.rfind("\n") - 1


def _assert_offered(offer: Offer, offered: list[str]) -> None:
    names = {each.strip("\"'") for each in offered}
    assert offer.names <= names, sorted(offer.names - names)
    if offer.names != CONNECTION:
        assert not CONNECTION - {"close"} <= names


# --- pyright


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[LanguageServer]:
    """A language server that looks at a user's project."""
    root = tmp_path_factory.mktemp("edited")
    with LanguageServer([str(BIN / "pyright-langserver"), "--stdio"], root, PYTHON) as server:
        yield server


@pytest.mark.parametrize("offer", _offers({**BOTH, **PYRIGHT}))
def test_pyright_offers(server: LanguageServer, offer: Offer) -> None:
    """What can be written here is offered."""
    answer = server.ask("completion", *_place(offer.code))
    _assert_offered(offer, [each["label"] for each in answer["items"]])


def _hover(server: LanguageServer, code: str) -> tuple[str, str]:
    """What is shown of a name: what it is, and its text."""
    answer = server.ask("hover", *_place(code))
    assert answer is not None, f"nothing is shown in {code}"
    what, _, text = answer["contents"]["value"].partition("\n\n")
    return what, text


@pytest.mark.parametrize(
    ("name", "says"),
    {
        "Pool": "lend each to one borrower at a time",
        "Proxy": "Stand for an object that comes later",
        "proxy": "typed as what it stands for",
        "control": "Find the controls of a proxy",
        "returning": "what it took through proxies goes back at its end",
        "Control": "The controls of one proxy",
        "Lease": "One loan of one object",
        "Scope": "each owner has an object of its own",
        "ScopeStrategy": "Keeps an object for each owner",
        "Hooks": "The factory of a pool and its hooks",
        "TimeOut": "No object could be lent within the timeout",
    }.items(),
)
def test_pyright_explains(server: LanguageServer, name: str, says: str) -> None:
    """Whoever points at a name reads what it is for."""
    assert says in _hover(server, f"{name[0]}|{name[1:]}")[1]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_pyright_explains_protocols(server: LanguageServer, name: str) -> None:
    """Whoever points at a protocol reads when it is called, and sees a class that conforms to it."""
    text = _hover(server, f"{name[0]}|{name[1:]}")[1]
    assert text.startswith("Called ")
    assert f"({name}[Connection]):" in text
    assert "def __call__(self, " in text


CALLS: dict[str, Any] = {"Pool(|)": Pool, "Proxy(|)": Proxy, "proxy(|)": proxy}
METHODS: dict[str, Any] = {
    "pool.get(|)": Pool[Any].get,
    "pool.lease(|)": Pool[Any].lease,
    "pool.obj(|)": Pool[Any].obj,
    "pool.shutdown(|)": Pool[Any].shutdown,
    "control(db).get(|)": Control[Any].get,
    "control(db).set_fun(|)": Control[Any].set_fun,
}


def _shown(server: LanguageServer, call: str, parameter: str) -> str:
    """What is shown of a parameter by whoever points at its name in a call."""
    what, text = _hover(server, call.replace(CURSOR, f"{parameter[0]}|{parameter[1:]}=None"))
    assert re.match(rf"\((parameter|variable)\) (def )?{parameter}\b", what)
    return text


@pytest.mark.parametrize(
    ("call", "parameter"),
    [(call, each) for call, called in {**CALLS, **METHODS}.items() for each in sorted(_parameters(called))],
)
def test_pyright_explains_parameters(server: LanguageServer, call: str, parameter: str) -> None:
    """Whoever points at a parameter reads what it does, and not where else to look, nor half a sentence."""
    says = texts({**CALLS, **METHODS}[call])[parameter][0]
    assert _shown(server, call, parameter) == f"{parameter}: {says}"
    assert says.endswith(".")
    assert len(says.split()) >= 4
    assert not says.startswith(("See ", "As "))


@pytest.mark.parametrize("call", [*CALLS, "control(db).set_pool(|)"])
def test_pyright_shows_types_that_a_person_can_look_up(server: LanguageServer, call: str) -> None:
    """What is shown of a parameter's type are names that are documented, and nothing that is there for checkers."""
    given = "connect, " if call.startswith("Pool(") else ""  # of a call that lacks something no types are shown
    what, _ = _hover(server, call.replace(CURSOR, f"{given}obs|erver=None"))
    assert re.fullmatch(r"\(\w+\) observer: PoolObserverOrNone\[[\w@]+\]", what), what
    (signature,) = server.ask("signatureHelp", *_place(call))["signatures"]
    types = [each["label"].partition(" = ")[0] for each in signature["parameters"]]
    assert any(each.startswith("observer: PoolObserverOrNone[") for each in types)
    for each in types:
        assert not re.search(r"\b_[a-zA-Z]|NoReturn", each), each


@pytest.mark.parametrize("parameter", sorted(get_type_hints(PoolOverrides)))
def test_pyright_explains_parameters_of_set_pool(server: LanguageServer, parameter: str) -> None:
    """They are the keys of a dictionary, and explained in the same words as those of ``Proxy``: all of them here."""
    shown = _shown(server, "control(db).set_pool(|)", parameter)
    assert " ".join(shown.split()) == " ".join(texts(Proxy)[parameter])


@pytest.mark.parametrize("parameter", sorted(_parameters(Hooks)))
def test_pyright_explains_parameters_of_hooks(server: LanguageServer, parameter: str) -> None:
    """They are the fields of a data class, and explained in the same words as those of ``Pool``: all of them here."""
    shown = _shown(server, "Hooks(|)", parameter)
    assert " ".join(shown.split()) == " ".join(texts(Pool)[parameter])


@pytest.mark.parametrize("code", [*CALLS, *METHODS])
def test_pyright_shows_the_parameters(server: LanguageServer, code: str) -> None:
    """Behind an opening bracket the real parameters are shown, all of them, in order, with a text."""
    called = {**CALLS, **METHODS}[code]
    answer = server.ask("signatureHelp", *_place(code))
    (signature,) = answer["signatures"]
    labels = [each["label"].split(":")[0] for each in signature["parameters"]]
    parameters = list(inspect.signature(called).parameters.values())
    assert [each for each in labels if each != "*"] == [each.name for each in parameters if each.name != "self"]
    assert len(signature["documentation"]["value"].split()) >= 5
    if code.startswith("pool.get"):
        assert signature["label"].endswith("-> Connection")


def test_pyright_shows_a_decorated_job_as_it_was_written(server: LanguageServer) -> None:
    """Its signature and its text are those of the function, where it is called and where it is pointed at."""
    answer = server.ask("signatureHelp", *_place("job(|)"))
    (signature,) = answer["signatures"]
    assert signature["label"] == '(number: int, *, name: str = "") -> str'
    what, text = _hover(server, "j|ob")
    assert 'job(number: int, *, name: str = "") -> str' in re.sub(r"\s+", " ", what).replace("( ", "(").replace(
        " )", ")"
    )
    assert text == "Do it."


# --- jedi


@pytest.fixture(scope="module")
def environment() -> Any:
    """The interpreter of a user's project, for jedi."""
    return jedi.create_environment(DOWNSTREAM, safe=False)


@pytest.mark.parametrize("offer", _offers(BOTH))
def test_jedi_offers(environment: Any, offer: Offer, tmp_path: Path) -> None:
    """What can be written here is offered by jedi, too, which only reads the code."""
    text, line, column = _place(offer.code)
    script = jedi.Script(text, path=tmp_path / "unsaved.py", environment=environment)
    _assert_offered(offer, [each.name for each in script.complete(line + 1, column)])


@pytest.mark.parametrize("code", CALLS)
def test_jedi_shows_the_parameters(environment: Any, code: str, tmp_path: Path) -> None:
    """Behind an opening bracket the real parameters are shown, all of them, in order, with a text."""
    text, line, column = _place(code)
    script = jedi.Script(text, path=tmp_path / "unsaved.py", environment=environment)
    (signature,) = script.get_signatures(line + 1, column)
    assert [each.name for each in signature.params] == list(inspect.signature(CALLS[code]).parameters)
    assert "observer: PoolObserverOrNone[T]=None" in signature.docstring()
    assert "pool" in signature.docstring()


@pytest.mark.parametrize("code", ["db.", "single.", "lease.obj.", "control(db).get().", "reference."])
def test_jedi_offers_in_a_session(code: str) -> None:
    """In IPython jedi has the live objects; a proxy that has an object is then as good as that. It makes none."""
    names: dict[str, Any] = {}
    exec(f"{FILE}\nfor each in (db, reference): each.total_changes", names)
    offered = {each.name for each in jedi.Interpreter(code, [names]).complete()}
    exec("lease.release()\npool.close()\nfor each in (db, single, reference): each.close()", names)
    assert offered >= CONNECTION, sorted(CONNECTION - offered)
