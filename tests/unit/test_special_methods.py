"""What the class of a proxy has: what its object has, and no sooner than that is known."""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
import threading
import types
from array import array
from collections.abc import Callable, Generator, Hashable, Iterable
from typing import Any

import pytest

from ProxyPatternPool import Proxy, Scope, control
from ProxyPatternPool._proxy.exposed import BEFORE_FIRST_USE, CONDITIONAL
from ProxyPatternPool._proxy.lookups import NO_CONTEXT, aenter

from .clock import FakeScheduler
from .helpers import Caller, Thing, wait_for
from .probes.covers import Through, front_of
from .probes.operations import OPERATIONS, run
from .probes.subjects import SUBJECTS, Block, Numeric, Promise, Slotted, finish


def class_of(front: object) -> type[object]:
    """The class of a proxy itself, not that of its object."""
    return type(front)


def exposed(front: object) -> set[str]:
    """The special methods that the class alone has."""
    return has(class_of(front))


def has(kind: type) -> set[str]:
    """What a class has for its objects, of which nothing is None."""
    found: dict[str, object] = {}
    for base in reversed(kind.__mro__):
        found.update(vars(base))
    return {name for name in CONDITIONAL if found.get(name) is not None}


MORE = {
    "text": {"__int__", "__float__", "__complex__", "__round__", "__trunc__", "__floor__", "__ceil__"},
    "path": {"__fspath__", "__bytes__"},
    "class": {"__getitem__"},
    "classes": {"__instancecheck__", "__subclasscheck__"},
    "memory": {"__bytes__"},
    "coroutine": {"__await__"},
    "number": {"__complex__"},
}
"""What Python does with objects that have no method for it."""


@pytest.mark.parametrize("subject", SUBJECTS)
def test_they_are_those_of_the_object(subject: str) -> None:
    """No more, but for what Python itself knows of some types, and no less."""
    obj = SUBJECTS[subject]()
    front: Any = Proxy()
    control(front).set_obj(obj)
    theirs = has(class_of(obj))
    assert theirs <= exposed(front)
    assert exposed(front) - theirs <= set().union(*(names for names in MORE.values()))
    assert callable(front) is callable(obj)
    assert inspect.isawaitable(front) is inspect.isawaitable(obj)
    assert isinstance(front, Hashable) is isinstance(obj, Hashable)
    assert isinstance(front, Iterable) is isinstance(obj, Iterable)
    assert isinstance(front, os.PathLike) is (isinstance(obj, os.PathLike | str | bytes))
    finish(obj)


def test_before_the_object_is_known() -> None:
    """It can be used at once, in all ordinary ways, and has no other special methods."""
    for front in (Proxy(), Proxy(fun=lambda number: Thing(number)), Proxy(scope=Scope.SHARED, fun=lambda _: Thing(1))):
        assert exposed(front) == BEFORE_FIRST_USE
        assert callable(front)
        assert not inspect.isawaitable(front)
        for name in ("__await__", "__next__", "__aiter__", "__anext__", "__fspath__", "__index__", "__buffer__"):
            assert not hasattr(class_of(front), name)
            assert not hasattr(front, name)


def test_the_first_use_may_be_a_call(scheduler: FakeScheduler) -> None:
    """Afterwards the class is the object's."""
    model: Any = Proxy(fun=lambda number: str.upper)
    assert model("text") == "TEXT"
    assert exposed(model) == {"__call__", "__hash__"}
    with pytest.raises(TypeError):
        len(model)


@pytest.mark.parametrize("max_size", [None, 2])
def test_objects_that_exist_already(max_size: int | None, scheduler: FakeScheduler) -> None:
    """A pool has some as soon as it is made: their special methods are known before one is taken."""

    class Index(Numeric):
        """Can be one."""

    def make(number: int) -> Numeric:
        return Index()

    front: Any = Proxy(fun=make, max_size=max_size, timeout=0)
    known = max_size is not None
    assert hasattr(class_of(front), "__index__") is known
    assert not front._has_obj()
    if known:
        assert "abc"[front] == "c"
    else:
        with pytest.raises(TypeError):
            _ = "abc"[front]
        front._get_obj()
        assert "abc"[front] == "c"
    certain: Any = Proxy(fun=Numbered, max_size=max_size, min_size=0)
    assert "abc"[certain] == "b"


class Numbered:
    """Made by its class itself."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __index__(self) -> int:
        return 1


def test_they_follow_the_source() -> None:
    """A proxy that is set again has those of its new object; before that is known, those of ordinary uses."""
    front: Any = Proxy()
    front.set_obj(iter([1, 2]))
    assert next(front) == 1
    front.set_obj(5)
    assert range(front)[-1] == 4
    assert not hasattr(class_of(front), "__next__")
    assert not callable(front)
    front.set_obj(Promise())
    assert run(front) == (["asked"], "answered answer")
    front.set_obj([3])
    assert not isinstance(front, Hashable)
    front.set_obj(5)
    assert hash(front) == 5
    control(front).set_fun(range(5, 9).__getitem__)
    assert exposed(front) == BEFORE_FIRST_USE
    assert front + 1 == 6
    assert not callable(front)


def test_objects_of_several_classes(scheduler: FakeScheduler) -> None:
    """Each owner can do what its object can, whatever the others have got: the class has what any of them has.

    An owner whose object is the first that can do something takes it before it does that.
    """
    made: list[Callable[[], object]] = [lambda: 5, lambda: [1, 2], lambda: 2**70, lambda: iter([1])]
    front: Any = Proxy(fun=lambda number: made[number]())
    assert front + 1 == 6
    assert exposed(front) >= {"__index__"}
    assert not hasattr(class_of(front), "__len__")
    with pytest.raises(TypeError):
        Caller(lambda: len(front)).result()
    assert Caller(lambda: (front._get_obj(), len(front))).result()[1] == 2
    assert range(front)[-1] == 4, "mine is still a number"
    with pytest.raises(TypeError):
        len(front)
    assert Caller(lambda: front + 1).result() == 2**70 + 1
    assert Caller(lambda: (front._get_obj(), next(front))).result()[1] == 1
    assert {"__len__", "__index__", "__next__"} <= exposed(front)


def test_what_some_classes_refuse(scheduler: FakeScheduler) -> None:
    """Where one owner's object refuses to be iterated, another's that has items only is iterated as before."""

    class Items:
        def __getitem__(self, index: int) -> int:
            return [5, 6, 7][index]

    class NotThese(Items):
        __iter__: Any = None

    made: list[Callable[[], object]] = [Items, NotThese]
    front: Any = Proxy(fun=lambda number: made[number]())
    assert list(front) == [5, 6, 7]
    assert Caller(lambda: front[0]).result() == 5
    assert list(front) == [5, 6, 7]


def test_several_classes_at_once(scheduler: FakeScheduler) -> None:
    """Whoever gets an object can use it at once, though others change the class for theirs at the same moment."""
    together = threading.Barrier(4)
    made: list[Callable[[], Any]] = [lambda: [1], Block, lambda: 3, lambda: iter([1])]
    uses: list[Callable[[Any], Any]] = [len, OPERATIONS["with"], range, next]
    wanted: Any = threading.local()

    def make(_: int) -> object:
        return made[int(wanted.number)]()

    for _ in range(50):
        front: Any = Proxy(fun=make)

        def use(number: int, front: Any = front) -> None:
            wanted.number = number
            together.wait(20)
            front._get_obj()
            uses[number](front)

        for user in [Caller(lambda number=number: use(number)) for number in range(4)]:  # type: ignore[misc]
            user.result()


def test_an_owner_of_what_was_before(scheduler: FakeScheduler) -> None:
    """An object that comes late, of a source that was replaced meanwhile, changes nothing."""
    begun, go_on = threading.Event(), threading.Event()

    def make(number: int) -> list[int]:
        begun.set()
        wait_for(go_on)
        return [1]

    front: Any = Proxy(fun=make)
    user = Caller(lambda: front + 1)
    wait_for(begun)
    front.set_obj(5)
    go_on.set()
    assert user.result() == 6
    assert not hasattr(class_of(front), "__len__")


def test_an_interrupted_change_is_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was changed half is changed wholly by whoever comes next."""
    front: Any = Proxy(fun=lambda number: 5)
    delete_it: Callable[..., None] = type.__delattr__
    steps: list[str] = []

    def interrupted(kind: type, name: str) -> None:
        steps.append(name)
        if len(steps) == 5:
            raise KeyboardInterrupt
        delete_it(kind, name)

    with monkeypatch.context() as patch:
        patch.setattr("ProxyPatternPool._proxy.exposed.delete_attribute", interrupted)
        with pytest.raises(KeyboardInterrupt):
            front._get_obj()
    assert exposed(front) not in (BEFORE_FIRST_USE, exposed(front_of(5)))
    front._get_obj()
    assert exposed(front) == exposed(front_of(5))


def test_the_old_ways_to_iterate_and_to_look() -> None:
    """Objects that have items only are iterated, searched and reversed by them; what has None in their place is not."""

    class Items:
        def __getitem__(self, index: int) -> int:
            return [5, 6, 7][index]

        def __len__(self) -> int:
            return 3

    front = front_of(Items())
    assert list(front) == [5, 6, 7]
    assert 6 in front
    assert list(reversed(front)) == [7, 6, 5]

    class NotThese(Items):
        __iter__: Any = None
        __contains__: Any = None
        __reversed__: Any = None

    refusing = front_of(NotThese())
    uses: list[Callable[[Any], Any]] = [iter, lambda front: 5 in front, reversed]
    for use in uses:
        with pytest.raises(TypeError):
            use(refusing)
    with pytest.raises(TypeError):
        iter(front_of(list))


def test_a_generator_that_can_be_awaited() -> None:
    """As the only one of its class."""

    @types.coroutine
    def waits() -> Generator[str, object, str]:
        yield "asked"
        return "answered"

    def counts() -> Generator[int]:
        yield 1

    front: Any = Proxy(counts())
    assert not inspect.isawaitable(front)
    front.set_obj(waits())
    assert run(front) == (["asked"], "answered")
    front.set_obj(counts())
    assert not inspect.isawaitable(front)

    async def make(number: int) -> object:
        return (counts, waits)[number]()

    async def take() -> bool:
        await control(of_tasks).aget()
        return "__await__" in exposed(of_tasks)

    async def main() -> list[bool]:
        return [await asyncio.create_task(take()) for _ in range(2)]

    of_tasks: Any = Proxy(fun=make, scope=Scope.CONTEXT)
    assert asyncio.run(main()) == [False, True]


def test_a_proxy_of_a_proxy() -> None:
    """Has those of the object at the end."""
    assert exposed(front_of(front_of(5))) == exposed(front_of(5))
    assert exposed(front_of(Proxy())) == BEFORE_FIRST_USE


# --- subclasses


def test_a_subclass_keeps_its_own(scheduler: FakeScheduler) -> None:
    """Whatever its object lacks; `super()` is the object's, of which it may be that it has nothing of the kind."""

    class Waiting(Proxy[Any]):
        def __await__(self) -> Generator[Any, Any, Any]:
            answer: Generator[Any, Any, Any] = self._get_obj().__await__()
            return answer

        def __len__(self) -> int:
            return super().__len__() + 1

        def __next__(self) -> Any:
            return super().__next__()

    for front in (Waiting(5), Waiting(Slotted())):
        assert inspect.isawaitable(front)
        assert hasattr(class_of(front), "__next__")
        with pytest.raises(TypeError):
            len(front)
    assert len(Waiting("abc")) == 4
    assert next(Waiting(iter([7]))) == 7
    assert run(Waiting(Promise()))[1] == "answered answer"
    assert not hasattr(type(Waiting(iter([]))), "__index__")


def test_a_subclass_of_a_subclass() -> None:
    """Each reaches the next with `super()`, and at the end the object."""

    class First(Proxy[Any]):
        def __len__(self) -> int:
            return 10 + super().__len__()

    class Second(First):
        def __len__(self) -> int:
            return 100 + super().__len__()

        def __call__(self) -> int:
            return len(self)

    assert Second([1])() == 111
    assert exposed(Through(5)) >= BEFORE_FIRST_USE - {"__call__"}


def test_half_a_block() -> None:
    """Of an object that cannot be left nothing is entered, also if the proxy learns only then what it has."""
    entered: list[object] = []

    class Half:
        def __enter__(self) -> None:
            entered.append(self)

        async def __aenter__(self) -> None:
            entered.append(self)

    front: Any = Proxy(fun=lambda number: Half())
    with pytest.raises(NO_CONTEXT, match=r"^'Half' object cannot be used in a with statement$"), front:
        pytest.fail("it cannot be left")
    with pytest.raises(NO_CONTEXT, match=r"^'Half' object cannot be used in an async with statement$"):
        aenter(Half())
    assert entered == []


def test_bytes() -> None:
    """Of what has a memory, its bytes, not its items; of a text, what `bytes` says of a text."""
    numbers = array("i", [1000])
    assert bytes(front_of(numbers)) == bytes(numbers)
    with pytest.raises(TypeError, match=r"^string argument without an encoding$"):
        bytes(front_of("text"))


@pytest.mark.skipif(sys.version_info < (3, 12), reason="has no __buffer__")
def test_memory() -> None:
    assert bytes(memoryview(front_of(b"abc"))) == b"abc"
    with pytest.raises(TypeError):
        memoryview(front_of([1]))
