"""What is done to a proxy is done to its object: in every scope, by whatever way, and with the same errors."""

from __future__ import annotations

import copy
import inspect
import operator
import os
import pickle
import sys
import types
import weakref
from collections.abc import Callable, Iterator
from functools import partial, partialmethod
from types import TracebackType
from typing import Any

import pytest

from ProxyPatternPool import Proxy, ProxyException, TimeOut, control, proxy
from ProxyPatternPool._proxy.special import SPECIAL

from .clock import FakeScheduler
from .probes.compare import Cover, outcome
from .probes.covers import each, front_of, shared
from .probes.lookers import BY_CLASS, FOR_LOOKERS, IN_C, LOOKING, PROBING
from .probes.operations import OPERATIONS, derived, run
from .probes.subjects import SUBJECTS, Base, Block, Point, Promise, Thing

# --- nothing to forward to

HARMLESS = {
    "repr": "<Proxy: not set>",
    "ascii": "<Proxy: not set>",
    "bool": False,
    "not": True,
    "any": False,
    "weakref": True,
    "eq itself": True,
    "ne itself": False,
    "eq 7": False,
    "7 eq": False,
    "ne 7": True,
    "7 ne": True,
    "eq a list": False,
    "a list eq": False,
}
"""A proxy that is not set is false, has a text, and equals itself alone."""


def raised_by(operation: str, x: Any) -> object:
    how, what = outcome(OPERATIONS[operation], x, x)
    return what if how == "raised" else None


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name not in IN_C])
def test_an_unset_proxy_says_so(operation: str) -> None:
    """It has a text and is false; who looks finds nothing; all else that is done to it is an error that says how."""
    unset: Any = Proxy()
    if operation in HARMLESS:
        assert OPERATIONS[operation](unset) == HARMLESS[operation]
    elif operation in FOR_LOOKERS:
        assert_for_lookers(operation, unset)
    else:
        with pytest.raises(ProxyException, match=r"not set: call "):
            OPERATIONS[operation](unset)


def assert_for_lookers(operation: str, front: Any) -> None:
    error = raised_by(operation, front)
    if operation in BY_CLASS or operation in LOOKING:
        assert error is None
    elif operation in PROBING:
        assert isinstance(error, type)
        assert issubclass(error, AttributeError)
        assert issubclass(error, ProxyException)
    else:
        assert error in (TypeError, AttributeError)  # the latter before 3.11, for blocks


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name not in (*IN_C, "weakref")])
def test_what_keeps_an_object_away_comes_out(operation: str, scheduler: FakeScheduler) -> None:
    """Why there is no object reaches whoever uses it, also where a TypeError would be caught. Who looks needs none."""
    asked: list[int] = []

    def fail(number: int) -> object:
        asked.append(number)
        raise TimeOut("no object")

    failing: Any = Proxy(fun=fail)
    if operation in ("repr", "ascii"):
        assert OPERATIONS[operation](failing) == "<Proxy: no object yet>"
    elif operation in FOR_LOOKERS:
        assert_for_lookers(operation, failing)
    else:
        assert raised_by(operation, failing) is TimeOut
        assert asked
        return
    assert asked == []


def test_errors_of_a_factory_are_not_about_the_proxy(scheduler: FakeScheduler) -> None:
    """They come without our own searching as their context, also in a factory that looks at what is being handled."""
    handled: list[object] = []

    def fail(number: int) -> object:
        handled.append(sys.exc_info()[1])
        raise AttributeError("in the factory")

    failing: Any = Proxy(fun=fail)
    for use in (lambda: failing.name, lambda: len(failing), lambda: setattr(failing, "name", 1), lambda: failing + 1):
        with pytest.raises(AttributeError, match="in the factory") as caught:
            use()
        assert caught.value.__context__ is None
    assert handled == [None] * 4


# --- attributes


def test_an_error_inside_an_attribute_is_left_alone() -> None:
    """An AttributeError raised by a property reaches the caller as it is, and the property is asked once."""
    asked: list[str] = []

    class Broken:
        @property
        def lazy(self) -> object:
            asked.append("lazy")
            raise AttributeError("inside")

        def __getattr__(self, name: str) -> object:
            asked.append(name)
            raise KeyError(name)

    broken: Any = Proxy(Broken())
    with pytest.raises(KeyError):
        _ = broken.lazy  # the object's own __getattr__ is asked after the property, as without a proxy
    assert asked == ["lazy", "lazy"]
    thing: Any = Proxy(Thing())
    with pytest.raises(AttributeError, match=r"^broken inside$") as caught:
        _ = thing.broken
    assert caught.value.__context__ is None


def test_attributes_are_set_on_the_object() -> None:
    thing = Thing()
    front: Any = Proxy(thing)
    front.number, front.more = 7, [1]
    assert (thing.number, vars(thing)["more"]) == (7, [1])
    del front.more
    assert "more" not in vars(thing)
    front.__class__ = Base
    assert type(thing) is Base


def test_the_name_that_typing_notes_is_not() -> None:
    """Proxy[T](…) makes typing set an attribute, which is neither the object's nor an error."""
    thing = Thing()
    made = Proxy[Thing](thing)
    assert isinstance(made, Thing)
    assert "__orig_class__" not in vars(thing)
    assert not Proxy[Thing]()


def test_a_proxys_own_names_cannot_be_set() -> None:
    with pytest.raises(AttributeError):
        setattr(Proxy(Thing()), "_get_obj", 1)  # noqa: B010


def test_names_of_the_object_that_look_like_ours() -> None:
    """Only what is documented is hidden: how we find the object from the class is not an attribute of the proxy."""
    thing: Any = Thing()
    thing._way = thing.kept = thing.current = "the object's"
    front: Any = Proxy(thing)
    assert front._way == front.kept == front.current == "the object's"


# --- operators


WITH_ANOTHER: dict[str, Callable[[Any, Any], Any]] = {
    **{name: getattr(operator, name) for name in ("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod")},
    **{name: getattr(operator, name) for name in ("lshift", "rshift", "xor")},
    "and": lambda left, right: left & right,
    "or": lambda left, right: left | right,
    "pow": pow,
    "divmod": divmod,
}
ALONE = ("neg", "pos", "abs", "invert")
COMPARISONS = ("lt", "le", "eq", "ne", "gt", "ge")


class Told:
    """Tells of each operator which one it is, and with what it was called."""

    last: object = None


def _tell(name: str, told: Told, other: object = None) -> tuple[str, object, object]:
    return name, other, type(other)


def _change(name: str, told: Told, other: object) -> Told:
    told.last = name, other, type(other)
    return told


for _name in WITH_ANOTHER:
    setattr(Told, f"__{_name}__", partialmethod(partial(_tell, _name)))
    setattr(Told, f"__r{_name}__", partialmethod(partial(_tell, f"r{_name}")))
    setattr(Told, f"__i{_name}__", partialmethod(partial(_change, f"i{_name}")))
for _name in ALONE + COMPARISONS:
    setattr(Told, f"__{_name}__", partialmethod(partial(_tell, _name)))


@pytest.mark.parametrize("name", WITH_ANOTHER)
def test_every_operator_of_two(name: str) -> None:
    """It is the object's, on either side; the other operand is no proxy, and what comes out of it is no proxy."""
    told, do = Told(), WITH_ANOTHER[name]
    front: Any = Proxy(told)
    for other in (5, Proxy(5), Proxy(Proxy(5))):
        assert (*do(front, other),) == (name, 5, int)
    assert (*do(5, front),) == (f"r{name}", 5, int)
    if name != "divmod":
        in_place: Callable[[Any, Any], Any] = getattr(operator, f"i{name}")
        assert in_place(front, Proxy(5)) is front
        assert told.last == (f"i{name}", 5, int)


@pytest.mark.parametrize("name", [name for name in WITH_ANOTHER if name not in ("matmul", "divmod")])
def test_every_operator_in_place_of_what_does_not_change(name: str) -> None:
    """The result takes the place of the proxy, as that of the object."""
    in_place: Callable[[Any, Any], Any] = getattr(operator, f"i{name}")
    result = in_place(Proxy(6), Proxy(3))
    assert (result, type(result)) == (in_place(6, 3), type(in_place(6, 3)))


def test_a_product_of_matrices_in_place() -> None:
    """The same, though no builtin class has it."""

    class Matrix:
        def __matmul__(self, other: int) -> int:
            return other + 1

    front: Any = Proxy(Matrix())
    front @= Proxy(5)
    assert (front, type(front)) == (6, int)


@pytest.mark.parametrize("name", ALONE)
def test_every_operator_of_one(name: str) -> None:
    assert (*getattr(operator, name)(Proxy(Told())),) == (name, None, type(None))


@pytest.mark.parametrize("name", COMPARISONS)
def test_every_comparison(name: str) -> None:
    """It is the object's, and the other operand is no proxy."""
    for other in (5, Proxy(5)):
        assert (*getattr(operator, name)(Proxy(Told()), other),) == (name, 5, int)


def test_two_proxies() -> None:
    """Where both operands are proxies it is as if neither was, though each would be refused by what is written in C."""
    left, right = front_of({1}), front_of({2})
    alias = left
    left |= right
    assert left is alias
    assert control(left).get() == {1, 2}
    assert type(left - right) is set
    assert Proxy(Point()) == Proxy(Point())
    assert Proxy(Point(1)) < Proxy(Point(2))
    assert not Proxy(Point()) != Proxy(Proxy(Point()))  # noqa: SIM202  # each has a method of its own
    assert pow(Proxy(7), Proxy(3), Proxy(5)) == 3
    exponent = Proxy(3)
    kind: Any = type(exponent)
    assert kind.__rpow__(exponent, 7, Proxy(5)) == 3  # the interpreter asks for it from Python 3.14 on
    assert divmod(Proxy(7), Proxy(2)) == (3, 1)


def test_in_place() -> None:
    """The proxy, if the object has changed itself; else the result, as with the object itself."""
    numbers = [1]
    front: Any = Proxy(numbers)
    alias = front
    front += [2]
    assert front is alias
    assert numbers == [1, 2]
    number: Any = Proxy(5)
    number += 2
    assert type(number) is int


def test_the_other_operand_is_asked_as_ever() -> None:
    """A proxy on the right stands for its object, whatever the left operand thinks of it."""
    numbers = [1]
    assert numbers + front_of([2]) == [1, 2]
    numbers += front_of([3])
    assert numbers == [1, 3]
    assert "a" + front_of("b") == "ab"
    assert 2 ** front_of(3) == 8
    assert {1: 2} | front_of({3: 4}) == {1: 2, 3: 4}
    with pytest.raises(TypeError, match="NoneType"):
        _ = 1 - front_of([None])[0]


# --- special methods that no builtin function stands for


def test_a_block_with_an_error() -> None:
    """The object sees the error, and may swallow it; in a task it is the same."""
    block = Block()
    with Proxy(block) as entered:
        raise LookupError("swallowed")
    assert entered == "entered"
    assert block.seen == ["enter", "exit LookupError"]
    for name in ("async with", "async with an error"):
        assert OPERATIONS[name](Proxy(Block())) == OPERATIONS[name](Block())


def test_half_a_block() -> None:
    """An object that lacks one of the two methods is refused before the other is called."""
    for name in ("half a block", "object"):
        for operation in ("with", "async with"):
            bare = outcome(OPERATIONS[operation], SUBJECTS[name](), None)
            assert bare == outcome(OPERATIONS[operation], Proxy(SUBJECTS[name]()), None)
            assert bare[0] == "raised"


def test_an_awaited_proxy_finds_its_object_first() -> None:
    """What is awaited is the object at the time of the await."""
    promise: Any = Proxy(Promise())
    said, answer = run(promise)
    assert (said, answer) == (["asked"], "answered answer")


def test_signatures() -> None:
    """Of what the proxy stands for; those of the classes are still their own."""

    def function(first: int, *, key: str = "") -> bool:
        return not key

    assert str(inspect.signature(Proxy(function))) == str(inspect.signature(function))
    assert inspect.signature(Proxy(Proxy(Thing))) == inspect.signature(Thing)
    assert "obj" in inspect.signature(Proxy).parameters
    with pytest.raises(TypeError):
        inspect.signature(Proxy(Thing()))
    for name in ("__signature__", "__bases__"):
        with pytest.raises(AttributeError, match=rf"\b{name}\b"):
            getattr(Proxy(Thing()), name)
    with pytest.raises(ValueError, match="signature"):
        inspect.signature(Proxy(dict))


def test_a_proxy_as_a_base_class() -> None:
    front = front_of(Base)
    kind = derived(front)
    assert kind.__bases__ == derived(front_of(front)).__bases__ == (Base,)
    assert kind().common() == "common"
    assert issubclass(kind, front)
    assert issubclass(front, Base)
    assert issubclass(front_of(front), front)
    assert not issubclass(front, kind)


@pytest.mark.parametrize("new_cover", [shared, lambda: each(Proxy.Scope.THREAD)], ids=["shared", "thread"])
def test_match_knows_the_kind_of_the_object(new_cover: Callable[[], Cover], scheduler: FakeScheduler) -> None:
    """A proxy is a sequence or a mapping for ``match`` as soon as there is an object, and as long as it is one."""
    cover = new_cover()
    kind = OPERATIONS["match on sequences"], OPERATIONS["match on mappings"]
    front = cover([1, 2])
    control(front).get()
    assert [match(front) for match in kind] == [(1, [2]), "other"]
    front = cover({"a": 1})
    control(front).get()
    assert [match(front) for match in kind] == ["other", (1, {})]
    front = cover("text")
    control(front).get()
    assert not isinstance(front, list | dict)


def test_match_takes_nothing_else_for_a_mapping() -> None:
    """What is neither a sequence nor a mapping is neither through a proxy."""
    match front_of(Thing()):
        case [*_] | {}:
            pytest.fail("it is neither")
        case matched:
            assert matched.number == 5


def test_match_on_a_fresh_proxy() -> None:
    """Of an object that is given, the kind is known before anything is asked of the proxy."""
    assert OPERATIONS["match on sequences"](Proxy([1, 2])) == (1, [2])
    assert OPERATIONS["match on mappings"](proxy({"a": 1})) == (1, {})


def test_pickles_know_nothing_of_proxies() -> None:
    """What is read is the object, wherever it is read; and what contains both object and proxy contains one object."""
    numbers: list[Any] = [1]
    data = pickle.dumps({"bare": numbers, "front": Proxy(numbers)})
    assert b"ProxyPatternPool" not in data
    read = pickle.loads(data)
    assert read["bare"] is read["front"]
    numbers.append(Proxy(numbers))
    circle: Any = pickle.loads(pickle.dumps(Proxy(numbers)))
    assert circle[1] is circle


def test_copies_are_of_the_object() -> None:
    inner = [1]
    front = front_of([inner])
    shallow, deep = copy.copy(front), copy.deepcopy(front)
    assert (type(shallow), type(deep)) == (list, list)
    assert shallow[0] is inner
    assert deep[0] is not inner


def test_a_weak_reference_is_to_the_proxy() -> None:
    """It lives as long as the proxy does, or the collector takes."""
    thing = Thing()
    front = Proxy(thing)
    reference = weakref.ref(front)
    assert reference() is front
    assert weakref.WeakKeyDictionary({front: 1})[front_of(thing)] == 1  # which is told apart as the object is


def test_a_buffer_is_the_objects() -> None:
    """As the interpreter asks for it, from Python 3.12 on."""
    assert bytes(SPECIAL["__buffer__"](front_of(b"abc"), 0)) == b"abc"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="has no __buffer__")
def test_a_buffer_is_released() -> None:
    """A view holds the object as long as it lives, and no longer."""
    data = bytearray(b"abc")
    view = memoryview(front_of(data))
    view[0] = ord("x")
    with pytest.raises(BufferError):
        data.extend(b"more")
    view.release()
    data.extend(b"!")
    assert data == b"xbc!"


# --- subclasses


def test_a_subclass_overrides_and_reaches_the_object() -> None:
    """Methods of a subclass come first, also special ones, and get to the object's with super()."""

    class Polite(Proxy[Any]):
        def __len__(self) -> int:
            return super().__len__() + 100

        def __getitem__(self, key: object) -> str:
            return f"please: {super().__getitem__(key)}"

        def __iter__(self) -> Iterator[Any]:
            return iter(sorted(super().__iter__(), reverse=True))

        def __call__(self) -> str:
            return "called"

        def __enter__(self) -> str:
            return "entered"

        def __exit__(self, *error: object) -> None:
            """Nothing to leave."""

        def __bool__(self) -> bool:
            return not super().__bool__()

        def __repr__(self) -> str:
            return f"<polite {super().__repr__()}>"

        def __getattribute__(self, name: str) -> Any:
            return "polite" if name == "manner" else super().__getattribute__(name)

        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name.removeprefix("polite_"), value)

        def __contains__(self, item: object) -> bool:
            return not super().__contains__(item)

    polite = Polite([1, 2])
    assert (len(polite), polite[0], list(polite), polite()) == (102, "please: 1", [2, 1], "called")
    with polite as entered:
        assert entered == "entered"
    assert not polite
    assert bool(Polite()) is True
    assert (repr(polite), repr(Polite())) == ("<polite [1, 2]>", "<polite <Polite: not set>>")
    assert polite.manner == "polite"
    assert polite.count(1) == 1
    assert 3 in polite
    thing = Thing()
    Polite(thing).polite_number = 8
    assert thing.number == 8


def test_a_subclass_that_is_called() -> None:
    """It may call the object, and its signature is its own business: that of the object is still told."""

    class Loud(Proxy[Any]):
        def __call__(self, *words: str) -> str:
            said: str = super().__call__(*words)
            return said.upper()

    assert Loud(" ".join)("b") == "B"
    assert str(inspect.signature(Loud(Thing().me))) == "() -> 'bool'"


def test_a_subclass_that_is_compared() -> None:
    """As with any class: an __eq__ takes the hash away, and a hash can be given without one."""

    class Equal(Proxy[int]):
        def __eq__(self, other: object) -> bool:
            return True

    class Hashed(Proxy[int]):
        def __hash__(self) -> int:
            return super().__hash__() + 1

    with pytest.raises(TypeError, match="unhashable"):
        hash(Equal(5))
    assert Equal(5) == 6
    assert hash(Hashed(5)) == 6
    assert Hashed(5) == 5


def test_classes_of_single_proxies_are_nobodys_business() -> None:
    """What a class does for each subclass of its own is not done for each proxy; they look like the class itself."""
    told: list[type] = []

    class Telling(Proxy[Thing]):
        def __init_subclass__(cls, **parameters: object) -> None:
            told.append(cls)

    class Told(Telling):
        """Known by name."""

    front = Told(Thing())
    assert told == [Told]
    made = type(front)
    assert made is not Told
    assert (made.__name__, made.__module__, made.__qualname__) == (
        Told.__name__,
        Told.__module__,
        Told.__qualname__,
    )
    assert repr(Told()) == "<Told: not set>"
    assert type(Told(Thing())) is not made


def test_a_class_is_told_without_taking_an_object(scheduler: FakeScheduler) -> None:
    """Who asks for the class of a proxy, as gevent does of all objects there are, takes no object and gets no error."""
    unset: Any = Proxy()
    assert class_of(unset) is type(unset)

    def refuse(number: int) -> list[int]:
        raise TimeOut("no object")

    failing: Any = Proxy(fun=refuse, max_size=1, min_size=0)
    assert class_of(failing) is type(failing)

    def make(number: int) -> Thing:
        return Thing()

    things: Any = Proxy(fun=make, max_size=1, min_size=0, timeout=0.0)
    assert class_of(things) is type(things)  # there has been none
    things._get_obj()
    assert class_of(things) is Thing
    things._ret_obj()
    assert class_of(things) is Thing
    assert not things._has_obj()
    with things._pool.obj():
        assert class_of(things) is Thing

    def make_base(number: int) -> Base:
        return Base()

    things.set_fun(make_base)
    assert class_of(things) is type(things)
    assert things.common() == "common"
    assert class_of(things) is Base


def test_a_class_is_known_early(scheduler: FakeScheduler) -> None:
    """Of objects that a pool has already, and where the function is the class itself."""

    def make(number: int) -> Thing:
        return Thing()

    ready: Any = Proxy(fun=make, max_size=2, min_size=1, timeout=0.0)
    assert class_of(ready) is Thing
    late: Any = Proxy(fun=make, max_size=2, min_size=0)
    with late._pool.obj():
        pass
    assert class_of(late) is Thing, "by somebody else, past the proxy"
    for max_size in (None, 2):
        certain: Any = Proxy(fun=Thing, max_size=max_size, min_size=0)
        assert class_of(certain) is Thing
        assert not certain._has_obj()
    assert class_of(Proxy(fun=Chooses)) is not Chooses


class Chooses:
    """Makes something else."""

    def __new__(cls, number: int) -> Any:
        return Thing()


def class_of(thing: object) -> object:
    """Its class, without that a checker thinks it knows it from now on."""
    return thing.__class__


def test_all_that_is_given_reaches_the_object() -> None:
    """The arguments of special methods are passed on, each of them."""

    class Given:
        def __init__(self) -> None:
            self.seen: list[tuple[object, ...]] = []

        def __enter__(self) -> None:
            pass

        def __exit__(self, *error: object) -> None:
            self.seen.append(error)

        def __call__(self, *args: object, **kwargs: object) -> object:
            return args, kwargs

        def __setitem__(self, key: object, value: object) -> None:
            self.seen.append((key, value))

    given = Given()
    front: Any = Proxy(given)
    error = LookupError("passed on")
    with pytest.raises(LookupError), front:
        raise error
    kind, value, trace = given.seen.pop()
    assert (kind, value) == (LookupError, error)
    assert isinstance(trace, TracebackType)
    assert front(1, key=2) == ((1,), {"key": 2})
    front[3] = 4
    assert given.seen == [(3, 4)]
    assert format(front_of(5), "03") == "005"
    assert round(front_of(1.26), 1) == 1.3
    numbers = [1]
    both = copy.deepcopy([numbers, front_of(numbers)])
    assert both[0] is both[1]


def test_what_stands_for_a_base_class() -> None:
    """An object that names other bases is asked for them, and a class is a base itself, whatever its objects do."""

    class Names:
        def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any, ...]:
            assert bases == (names,)
            return (Base,)

    names: Any = Proxy(Names())
    kind: Any = Proxy(Names)
    assert types.resolve_bases((names,)) == (Base,)
    assert derived(kind).__bases__ == (Names,)
    with pytest.raises(TypeError, match="int"):
        derived(front_of(5))


def test_what_builtins_do_without_a_method() -> None:
    """They read numbers from texts, take texts for paths, parametrize classes, and look into tuples of classes."""
    text, classes = front_of("5"), front_of((int, str))
    assert (int(text), float(text), complex(text), os.fspath(text)) == (5, 5.0, 5, "5")
    assert bytes(front_of(b"5")) == b"5"
    assert complex(front_of(2j)) == 2j
    assert front_of(list)[int] == list[int]
    assert (isinstance(5, classes), isinstance(5.0, classes)) == (True, False)
    assert (issubclass(bool, classes), issubclass(float, classes)) == (True, False)
