"""Editors complete, explain and show what is there: pyright's language server in a user's project, and jedi."""

from __future__ import annotations

import inspect
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any, get_type_hints

import jedi
import pytest

from ProxyPatternPool import AsyncPool, Control, Hooks, Pool, PoolOverrides, Proxy, proxy

from .docstrings import texts
from .downstream import BIN, DOWNSTREAM, PYTHON, SECONDS
from .editing import BOTH, CONNECTION, CURSOR, FILE, PYRIGHT, Offer, assert_offered, offers, parameters_of, place
from .langserver import LanguageServer
from .snippets import PROTOCOLS

pytestmark = pytest.mark.timeout(SECONDS + 20)

# --- pyright


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[LanguageServer]:
    """A language server that looks at a user's project."""
    root = tmp_path_factory.mktemp("edited")
    with LanguageServer([str(BIN / "pyright-langserver"), "--stdio"], root, PYTHON) as server:
        yield server


@pytest.mark.parametrize("offer", offers({**BOTH, **PYRIGHT}))
def test_pyright_offers(server: LanguageServer, offer: Offer) -> None:
    """What can be written here is offered."""
    answer = server.ask("completion", *place(offer.code))
    assert_offered(offer, [each["label"] for each in answer["items"]])


def _hover(server: LanguageServer, code: str) -> tuple[str, str]:
    """What is shown of a name: what it is, and its text."""
    answer = server.ask("hover", *place(code))
    assert answer is not None, f"nothing is shown in {code}"
    what, _, text = answer["contents"]["value"].partition("\n\n")
    return what, text


@pytest.mark.parametrize(
    ("name", "says"),
    {
        "Pool": "lend each to one borrower at a time",
        "AsyncPool": "lend each to one task",
        "AsyncLease": "One loan of one object to a task",
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
    assert re.search(rf"\({name}\[(Async)?Connection\]\):", text)
    assert "def __call__(self, " in text


CALLS: dict[str, Any] = {"Pool(|)": Pool, "Proxy(|)": Proxy, "proxy(|)": proxy}
METHODS: dict[str, Any] = {
    "pool.get(|)": Pool[Any].get,
    "pool.lease(|)": Pool[Any].lease,
    "pool.obj(|)": Pool[Any].obj,
    "pool.shutdown(|)": Pool[Any].shutdown,
    "pool.aget(|)": Pool[Any].aget,
    "pool.aobj(|)": Pool[Any].aobj,
    "pool.alease(|)": Pool[Any].alease,
    "apool.get(|)": AsyncPool[Any].get,
    "apool.obj(|)": AsyncPool[Any].obj,
    "apool.lease(|)": AsyncPool[Any].lease,
    "apool.shutdown(|)": AsyncPool[Any].shutdown,
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
    [(call, each) for call, called in {**CALLS, **METHODS}.items() for each in sorted(parameters_of(called))],
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
    *_, signature = server.ask("signatureHelp", *place(call))["signatures"]
    types = [each["label"].partition(" = ")[0] for each in signature["parameters"]]
    assert any(each.startswith("observer: PoolObserverOrNone[") for each in types)
    for each in types:
        assert not re.search(r"\b_[a-zA-Z]|NoReturn", each), each


@pytest.mark.parametrize("parameter", sorted(get_type_hints(PoolOverrides)))
def test_pyright_explains_parameters_of_set_pool(server: LanguageServer, parameter: str) -> None:
    """They are the keys of a dictionary, and explained in the same words as those of ``Proxy``: all of them here."""
    shown = _shown(server, "control(db).set_pool(|)", parameter)
    assert " ".join(shown.split()) == " ".join(texts(Proxy)[parameter])


@pytest.mark.parametrize("parameter", sorted(parameters_of(Hooks)))
def test_pyright_explains_parameters_of_hooks(server: LanguageServer, parameter: str) -> None:
    """They are the fields of a data class, and explained in the same words as those of ``Pool``: all of them here."""
    shown = _shown(server, "Hooks(|)", parameter)
    assert " ".join(shown.split()) == " ".join(texts(Pool)[parameter])


@pytest.mark.parametrize("code", [*CALLS, *METHODS])
def test_pyright_shows_the_parameters(server: LanguageServer, code: str) -> None:
    """Behind an opening bracket the real parameters are shown, all of them, in order, with a text.

    Of ``proxy`` there are two signatures, the first for factories that are awaited.
    """
    called = {**CALLS, **METHODS}[code]
    *awaited, signature = server.ask("signatureHelp", *place(code))["signatures"]
    assert len(awaited) == (called is proxy)
    labels = [each["label"].split(":")[0] for each in signature["parameters"]]
    parameters = list(inspect.signature(called).parameters.values())
    assert [each for each in labels if each != "*"] == [each.name for each in parameters if each.name != "self"]
    assert len(signature["documentation"]["value"].split()) >= 5
    if code.startswith("pool.get"):
        assert signature["label"].endswith("-> Connection")


def test_pyright_shows_the_parameters_for_both_kinds_of_factories(server: LanguageServer) -> None:
    """Likewise, for each of the two signatures of ``AsyncPool``, with the texts of all parameters."""
    answer = server.ask("signatureHelp", *place("AsyncPool(|)"))
    assert len(answer["signatures"]) == 2
    for signature in answer["signatures"]:
        labels = [each["label"].split(":")[0] for each in signature["parameters"]]
        assert [each for each in labels if each != "*"] == list(inspect.signature(AsyncPool).parameters)
        for name, lines in texts(AsyncPool).items():
            assert f"{name}: {lines[0]}" in signature["documentation"]["value"]


def test_pyright_shows_a_decorated_job_as_it_was_written(server: LanguageServer) -> None:
    """Its signature and its text are those of the function, where it is called and where it is pointed at."""
    answer = server.ask("signatureHelp", *place("job(|)"))
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


@pytest.mark.parametrize("offer", offers(BOTH))
def test_jedi_offers(environment: Any, offer: Offer, tmp_path: Path) -> None:
    """What can be written here is offered by jedi, too, which only reads the code."""
    text, line, column = place(offer.code)
    script = jedi.Script(text, path=tmp_path / "unsaved.py", environment=environment)
    assert_offered(offer, [each.name for each in script.complete(line + 1, column)])


@pytest.mark.parametrize("code", CALLS)
def test_jedi_shows_the_parameters(environment: Any, code: str, tmp_path: Path) -> None:
    """Behind an opening bracket the real parameters are shown, all of them, in order, with a text."""
    text, line, column = place(code)
    script = jedi.Script(text, path=tmp_path / "unsaved.py", environment=environment)
    *awaited, signature = script.get_signatures(line + 1, column)
    assert [each.name for each in signature.params] == list(inspect.signature(CALLS[code]).parameters)
    assert "observer: PoolObserverOrNone[T]=None" in signature.docstring()
    assert "pool" in (awaited or [signature])[0].docstring()  # the text is that of the first


def test_jedi_shows_the_parameters_for_both_kinds_of_factories(environment: Any, tmp_path: Path) -> None:
    """Likewise, for each of the two signatures of ``AsyncPool``."""
    text, line, column = place("AsyncPool(|")
    script = jedi.Script(text, path=tmp_path / "unsaved.py", environment=environment)
    shown = script.get_signatures(line + 1, column)
    assert len(shown) == 2
    for signature in shown:
        assert [each.name for each in signature.params] == list(inspect.signature(AsyncPool).parameters)
        assert "observer: PoolObserverOrNone[T]=None" in signature.docstring()


@pytest.mark.parametrize("code", ["db.", "single.", "lease.obj.", "control(db).get().", "reference."])
def test_jedi_offers_in_a_session(code: str) -> None:
    """In IPython jedi has the live objects; a proxy that has an object is then as good as that. It makes none."""
    names: dict[str, Any] = {}
    exec(f"{FILE}\nfor each in (db, reference): each.total_changes", names)
    offered = {each.name for each in jedi.Interpreter(code, [names]).complete()}
    exec("lease.release()\npool.close()\nfor each in (db, single, reference): each.close()", names)
    assert offered >= CONNECTION, sorted(CONNECTION - offered)
