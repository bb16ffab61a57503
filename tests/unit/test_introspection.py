"""Introspection of a proxy gets an answer, and no object is taken or made for it."""

from __future__ import annotations

import doctest
import functools
import inspect
import rlcompleter
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, runtime_checkable
from unittest.mock import AsyncMock, MagicMock, Mock, create_autospec, patch

import pytest

from ProxyPatternPool import Proxy, ProxyException, Scope, TimeOut, control, proxy
from ProxyPatternPool._scope.shared import SharedSlot

from .clock import FakeScheduler
from .helpers import Caller

late: Callable[..., Any] = proxy
"""As checkers do not know what will come."""


class Document:
    """What is proxied here."""

    __match_args__ = ("title",)
    made = 0

    def __init__(self, number: int = 0) -> None:
        Document.made += 1
        self.title = "title"

    @property
    def __array_interface__(self) -> dict[str, int]:
        return {"version": 3}

    @classmethod
    def __get_validators__(cls) -> str:
        return cls.__name__

    def __html__(self) -> str:
        return f"<p>{self.title}</p>"

    def __rich_repr__(self) -> str:
        return self.title

    def _repr_html_(self) -> str:
        return self.title


def make(number: int) -> Document:
    return Document()


FRONTS: dict[str, Callable[[], Any]] = {
    "unset": late,
    "a function": lambda: late(fun=make),
    "a class": lambda: late(fun=Document),
    "once": lambda: late(fun=make, scope=Scope.SHARED),
    "a pool": lambda: late(fun=make, max_size=1, min_size=0, timeout=0),
    "an exhausted pool": lambda: exhausted(),
}


def exhausted() -> Any:
    """Somebody else has the only object there may be."""
    front = late(fun=make, max_size=1, timeout=0)
    pool = control(front).pool
    assert pool is not None
    pool.get()
    return front


@pytest.fixture(params=FRONTS)
def front(request: pytest.FixtureRequest, scheduler: FakeScheduler) -> Generator[Any]:
    """A proxy that has no object for its owner, of each kind; in the end it still has none."""
    made = FRONTS[request.param]()
    before = Document.made
    yield made
    assert Document.made == before
    assert not control(made).has()


class Named(Protocol):
    title: str


@runtime_checkable
class Titled(Protocol):
    """A protocol of data."""

    title: str


@runtime_checkable
class Sized(Protocol):
    def measure(self) -> int: ...


def class_of(thing: object) -> type:
    """Its class, without that a checker thinks it knows it from now on."""
    return thing.__class__


# --- what tools do


def test_repr(front: Any) -> None:
    """The text that debuggers, tracebacks and notebooks show says that there is nothing to show."""
    state = "not set" if "not set" in repr(control(front)) else "no object yet"
    assert repr(front) == ascii(front) == f"{front!r}" == f"<Proxy: {state}>"


def test_mock(front: Any) -> None:
    """It is replaced by a plain mock, or by what is asked for."""
    module = ModuleType("a_module_with_a_proxy")
    vars(module)["db"] = front
    with patch.dict(sys.modules, {module.__name__: module}):
        with patch(f"{module.__name__}.db") as mock:
            assert type(mock).__mro__[1] is MagicMock
        with patch(f"{module.__name__}.db", new_callable=AsyncMock) as mock:
            assert type(mock).__mro__[1] is AsyncMock
        with patch(f"{module.__name__}.db", spec=Document) as mock:
            assert isinstance(mock, Document)
        with patch(f"{module.__name__}.db", new=5) as five:
            assert five == 5
    assert vars(module)["db"] is front


def test_mock_by_what_there_is() -> None:
    """A mock can take a proxy for its specification that stands for nothing yet, and be called."""
    front = late()
    for mock in (Mock(spec=front), create_autospec(front)):
        mock(1, two=2)
        mock.assert_called_once_with(1, two=2)
        with pytest.raises(AttributeError):
            mock.title()


def test_call(front: Any) -> None:
    """It can be called until it is known that its object cannot."""
    assert hasattr(front, "__call__") is callable(front) is (class_of(front) is not Document)  # noqa: B004


def test_a_call_that_was_looked_up(scheduler: FakeScheduler) -> None:
    """It takes the object when it is called, and calls it with what it is given."""

    def told(*args: object, **kwargs: object) -> object:
        return args, kwargs

    def make_told(_: int) -> Callable[..., object]:
        return told

    front: Any = late(fun=make_told, max_size=1)
    called = front.__call__
    assert not control(front).has()
    assert called(1, key=2) == ((1,), {"key": 2})


def test_completion(front: Any) -> None:
    """Who asks for completion in a session gets names, and no object made."""
    completer = rlcompleter.Completer({"db": front})
    assert completer.complete("db.", 0)


def test_a_class_attribute(front: Any) -> None:
    class Abstract(ABC):
        db = front

        @abstractmethod
        def answer(self) -> int: ...

    class Structural(Protocol):
        db: Any = front

    class Member(Enum):
        ONE = 1
        DB = front
        OTHER = front  # noqa: PIE796

    assert Abstract.db is Structural.db is Member.DB.value is front
    assert list(Member) == [Member.ONE, Member.DB]


def test_inspect(front: Any) -> None:
    assert inspect.unwrap(front) is front
    assert inspect.getdoc(front) in (inspect.getdoc(Document), inspect.getdoc(Proxy))
    looks: list[Callable[[Any], bool]] = [
        *(inspect.isawaitable, inspect.iscoroutinefunction, inspect.isgenerator, inspect.isroutine, inspect.isclass),
        *(inspect.isabstract, inspect.isdatadescriptor, inspect.ismethoddescriptor),
    ]
    assert not any(look(front) for look in looks)
    assert dict(inspect.getmembers(front))["__class__"] is class_of(front)
    with pytest.raises((TypeError, ValueError)):
        inspect.signature(front)


def test_dir(front: Any) -> None:
    """Names for completion: its own, and the object's if its class is known."""
    names = dir(front)
    assert {"_get_obj", "_ret_obj", "_pool", "__class__", "__eq__"} <= set(names)
    assert "Scope" not in names
    assert ("__html__" in names) is (class_of(front) is Document)
    for name in names:
        if name.startswith("__"):
            getattr(front, name, None)


def test_functools_wraps(front: Any) -> None:
    @functools.wraps(front)
    def function() -> None: ...

    assert function.__name__ == "function"
    assert function.__doc__ in (Document.__doc__, Proxy.__doc__)
    assert vars(function) == {"__wrapped__": front}


def test_protocols_of_data(front: Any) -> None:
    """Whether it has the attributes cannot be said without an object."""
    assert not isinstance(front, Titled)
    assert not isinstance(front, Sized)


def test_isinstance(front: Any) -> None:
    """By the class that is known; else it is a proxy."""
    assert class_of(front) in (type(front), Document)
    assert isinstance(front, Document) is (class_of(front) is Document)
    assert isinstance(front, Proxy)


def test_doctest(front: Any) -> None:
    module = ModuleType("a_module_with_a_proxy", ">>> 1\n1")
    vars(module)["db"] = front
    assert len(doctest.DocTestFinder().find(module, module.__name__)) == 1


def test_names_that_notebooks_and_printers_ask_for(front: Any) -> None:
    """Such as are shown, and such as nobody has."""
    names = ["_repr_html_", "_ipython_display_", "_ipython_canary_method_should_not_exist_", "__rich_repr__"]
    for name in [*names, "__rich__", "__pt_repr__", "awehflow aihwerhqaiwerhqw", "__wrapped__", "__signature__"]:
        with pytest.raises(AttributeError) as caught:
            getattr(front, name)
        assert isinstance(caught.value, ProxyException)
        assert str(caught.value).startswith(f"{name}: ")
        assert caught.value.__context__ is None


def test_rich(front: Any) -> None:
    pretty = pytest.importorskip("rich.pretty")
    assert pretty.pretty_repr([front], max_length=5) == f"[{front!r}]"


# --- what can be said without an object


def test_methods_wait_for_the_object(front: Any) -> None:
    """They are there, and take the object once they are called."""
    assert hasattr(front, "__enter__") is (class_of(front) is not Document)
    assert callable(front.__eq__)
    assert callable(front.__reduce_ex__)
    assert (hasattr(front, "__html__"), hasattr(front, "__match_args__")) == (class_of(front) is Document,) * 2
    assert not hasattr(front, "__array_interface__"), "which is to be computed"
    assert not hasattr(front, "__dict__")
    assert not hasattr(front, "__class_getitem__")


def test_vars(front: Any) -> None:
    """`vars` needs the object, and says in its own way that there is none: tools ask for `__dict__` in the same way."""
    with pytest.raises(TypeError, match="__dict__"):
        vars(front)


def test_what_a_known_class_has() -> None:
    front = late(fun=Document)
    assert front.__match_args__ == ("title",)
    assert front.__get_validators__() == "Document"
    assert front.__doc__ == Document.__doc__
    assert front.__module__ == __name__
    bound = front.__html__
    assert not control(front).has()
    assert bound() == "<p>title</p>"
    assert control(front).has()


def test_what_is_known_is_forwarded() -> None:
    """Where there is an object, or one for all, those who look see it."""
    for front in (late(Document()), late(fun=make, scope=Scope.SHARED), late(fun=make), late(fun=make, max_size=1)):
        control(front).get()
        assert repr(front) == repr(control(front).get())
        assert isinstance(front, Document)
        assert front._repr_html_() == front.__rich_repr__() == "title"
        assert vars(front) == {"title": "title"}
        assert dir(front) == dir(Document(0))
        assert front.__array_interface__ == {"version": 3}


def test_objects_that_are_there_are_looked_at() -> None:
    """By those, too, who would get none made for them, and as the first who come."""

    class Member(Enum):
        FIVE = late(5)
        ALSO = late(5)  # noqa: PIE796

    assert list(Member) == [Member.FIVE]
    assert len(inspect.getmembers(late(Document()), inspect.ismethod)) > 1
    assert inspect.signature(late(make)) == inspect.signature(make)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="looks at the class alone, and past what is forwarded")
def test_protocols_of_data_of_objects_that_are_there() -> None:
    assert isinstance(late(Document()), Titled)
    assert not isinstance(late(5), Titled)


def test_each_owner_is_asked_apart(scheduler: FakeScheduler) -> None:
    """Others have objects; an owner that has none shows none, and none is taken from the pool for it."""
    before = Document.made
    front = late(fun=make, max_size=2, min_size=0, name="docs")
    assert front.title == "title"
    assert Caller(lambda: repr(front)).result() == "<Proxy docs: no object yet>"
    assert Caller(lambda: class_of(front)).result() is Document
    assert Caller(lambda: hasattr(front, "__dict__")).result() is False
    assert Document.made == before + 1
    control(front).ret()
    assert repr(front) == "<Proxy docs: no object yet>"


def test_an_object_of_a_source_that_was_replaced(scheduler: FakeScheduler) -> None:
    """What an owner keeps from before the proxy was set again is not shown, and no other is taken for it."""
    front = late(fun=make, max_size=1, min_size=0, name="docs")
    assert front.title == "title"
    before = Document.made
    Caller(lambda: control(front).set_fun(make)).result()
    assert repr(front) == "<Proxy docs: no object yet>"
    assert not control(front).has()
    assert Document.made == before


def test_a_slot_that_is_bound_late(scheduler: FakeScheduler) -> None:
    """What an owner has is found where another thread, which was slow, has bound what was right a moment ago."""
    front: Any = late(fun=make)
    thing = control(front).get()
    control(front)._bind(SharedSlot[Any]())
    assert control(front).has()
    assert repr(front) == repr(thing)
    assert front.title == "title"
    assert control(front).get() is thing


def test_what_onlookers_are_told(scheduler: FakeScheduler) -> None:
    """Those that try plain names to find out something else have no object made, and hear why."""
    for front, why in ((late(fun=make), "there is no object yet$"), (late(), r"this proxy is not set: call control")):
        with pytest.raises(AttributeError, match=f"^{why}"):
            eval("front.title", {"__name__": "inspect", "front": front})


# --- what a person does


def test_a_name_like_any_other_needs_the_object() -> None:
    """`hasattr` with a plain name is a question about the object, and so is a comparison."""
    unset = late()
    with pytest.raises(ProxyException) as caught:
        hasattr(unset, "title")
    assert type(caught.value) is ProxyException
    assert hasattr(late(fun=make), "title")
    with pytest.raises(TimeOut):
        hasattr(exhausted(), "title")


def test_an_unset_proxy_equals_itself_alone() -> None:
    """To compare is no use of it: it is found in lists, and differs from None, and from others that are not set."""
    unset, other = late(), late()
    assert unset == unset
    assert not unset != unset  # noqa: SIM202
    assert unset != None  # noqa: E711
    assert not unset == None  # noqa: E711, SIM201
    assert unset != other
    assert late(5) != unset
    assert [other, 5, unset].index(unset) == 2
    with pytest.raises(TypeError, match=r"^this proxy is not set: call control"):
        hash(unset)


def test_compared_with_none() -> None:
    """Whoever asks whether there is anything has nothing made for the answer; with an object it is the object's."""
    made: list[Equal] = []

    class Equal:
        def __init__(self, number: int) -> None:
            made.append(self)

        def __eq__(self, other: object) -> bool:
            return True

    for later in (late(fun=Equal), late(fun=Equal, max_size=1, min_size=0), late(fun=Equal, scope=Scope.SHARED)):
        made.clear()
        assert later != None  # noqa: E711
        assert not later == None  # noqa: E711, SIM201
        assert made == []
        assert control(later).get() is made[0]
        assert later == None  # noqa: E711
        assert later == 5
    assert late(Equal(0)) == None  # noqa: E711


# --- pytest itself

DATABASE = """
import sqlite3
from ProxyPatternPool import control, proxy

made = []


def connect(number: int) -> sqlite3.Connection:
    made.append(number)
    return sqlite3.connect(":memory:")


db: sqlite3.Connection = proxy(max_size=4, retter=lambda c: c.rollback(), closer=lambda c: c.close())
lazy = proxy(fun=connect)
pooled = proxy(fun=connect, max_size=1, min_size=0)


def answer() -> int:
    '''
    >>> made
    []
    >>> db
    <Proxy: not set>
    '''
    return 42
"""


def test_pytest(tmp_path: Path) -> None:
    """It looks for doctests in the database.py of the quick start, and shows proxies of tests that fail."""
    (tmp_path / "database.py").write_text(DATABASE)
    failing = "from database import *\ndef test_it():\n    local, other = lazy, db\n    assert made == [1]\n"
    (tmp_path / "test_shown.py").write_text(failing)
    options = ["-p", "no:cacheprovider", "--doctest-modules", "--showlocals", "-q", "-W", "error"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "."], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "local      = <Proxy: no object yet>" in done.stdout
    assert "other      = <Proxy: not set>" in done.stdout
    assert "assert [] == [1]" in done.stdout


class _Slot:
    """A callable that is set like a property."""

    def __get__(self, obj: object, kind: object = None) -> int:
        return 5

    def __set__(self, obj: object, value: object) -> None: ...

    def __call__(self) -> int:
        return 5


class Shown:
    """What tools ask for, in all its kinds."""

    def __init__(self, number: int = 0) -> None: ...

    __slot__ = _Slot()
    _ = "text"
    __ = "texts"
    ___ = "many"

    def _ipython_display_(self) -> None: ...

    def __rich__(self) -> str:
        return "rich"

    def __pt_repr__(self) -> str:
        return "toolkit"

    @functools.cached_property
    def __array__(self) -> int:
        return 5


@pytest.mark.parametrize("name", ["_ipython_display_", "__rich__", "__pt_repr__", "__array__", "__slot__"])
def test_what_depends_on_the_object(name: str, scheduler: FakeScheduler) -> None:
    """It is there when the object is, and is not what one is made for."""
    front: Any = late(fun=Shown)
    assert not hasattr(front, name)
    assert not control(front).has()
    assert isinstance(control(front).get(), Shown)
    assert hasattr(front, name)


@pytest.mark.parametrize(("name", "value"), [("_", "text"), ("__", "texts"), ("___", "many")])
def test_names_of_underscores_alone(name: str, value: str, scheduler: FakeScheduler) -> None:
    """Users have such names: they are the object's, which is made."""
    assert getattr(late(fun=Shown), name) == value
