"""What a subclass of a proxy adds is the proxy's own: methods, slots, attributes that it sets for itself."""

from __future__ import annotations

import inspect
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
from typing_extensions import Self

from ProxyPatternPool import Proxy, ProxyException

from .clock import FakeScheduler
from .helpers import Thing, Works

T = TypeVar("T")


class Tagged(Proxy[Any]):
    """Notes something of its own, as those did that were written for the existing module."""

    def __init__(self, *args: Any, tag: str = "tag", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tag = tag
        self.note(1)

    def note(self, count: int) -> None:
        self._count = count

    def tagged(self) -> tuple[str, int]:
        return self._tag, self._count


def test_attributes_of_an_init(scheduler: FakeScheduler) -> None:
    """What is set while it runs is the proxy's, whatever the proxy stands for; it makes no object."""
    works = Works()
    thing = Thing(5)
    for front in (Tagged(), Tagged(fun=works.make), Tagged(fun=works.make, max_size=2, min_size=0), Tagged(thing)):
        assert front.tagged() == ("tag", 1)
        assert front._tag == "tag"
    assert works.made == []
    assert vars(thing) == {"number": 5}


def test_afterwards_they_stay_the_proxys(scheduler: FakeScheduler) -> None:
    """They can be set again, and deleted: then the name is the object's. All other names are the object's."""
    thing = Thing(5)
    front = Tagged()
    assert front.set_obj(thing) is front
    front.note(2)
    front._tag = "other"
    front.number = 6
    front.fresh = 7
    assert front.tagged() == ("other", 2)
    assert vars(thing) == {"number": 6, "fresh": 7}
    del front._tag
    front._tag = "the object's"
    assert vars(thing)["_tag"] == front._tag == "the object's"
    del front._tag
    assert "_tag" not in vars(thing)


def test_attributes_of_an_unset_proxy() -> None:
    """Until there is a content a subclass keeps what its methods set."""
    front = Tagged()
    front.note(3)
    front.later = "own"
    thing = Thing(5)
    front.set_obj(thing)
    assert (front.tagged(), front.later) == (("tag", 3), "own")
    assert vars(thing) == {"number": 5}


def test_attributes_before_there_is_a_proxy() -> None:
    """What an ``__init__`` sets before it calls the proxy's is the proxy's as well, slots too; also if called again."""

    class First(Proxy[Any]):
        def __init__(self, obj: object) -> None:
            self._gone = self._tag = "first"
            del self._gone
            assert self._tag == "first"
            super().__init__(obj)

    class Slotted(Proxy[Any]):
        __slots__ = ("count",)

        def __init__(self, obj: object) -> None:
            self.count = 1
            other: Any = self
            with pytest.raises(
                ProxyException, match=r"^this proxy is not made yet: call super\(\).__init__\(…\) first$"
            ):
                other.unknown = 2
            super().__init__(obj)

    thing = Thing(5)
    front, slotted = First(thing), Slotted(thing)
    assert (front._tag, slotted.count, front.number) == ("first", 1, 5)
    front._tag, slotted.count, front.extra = "other", 2, 3
    assert (front._tag, slotted.count) == ("other", 2)
    assert vars(thing) == {"number": 5, "extra": 3}
    First.__init__(front, Thing(6))
    assert (front._tag, front.number) == ("first", 6)


def test_no_room() -> None:
    """A proxy that is no subclass, or one with slots alone, has nowhere to keep them: it says that it is not set."""

    class Narrow(Proxy[Any]):
        __slots__ = ("known",)

        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.known = 1

    narrow = Narrow()
    assert narrow.known == 1
    for front in (Proxy(), narrow):
        with pytest.raises(ProxyException, match="not set: call"):
            front.unknown = 1
    thing = Thing(5)
    narrow.set_obj(thing)
    narrow.unknown = 2
    assert vars(thing) == {"number": 5, "unknown": 2}


def test_a_subclass_that_sets_its_own_way() -> None:
    """Its method of that name is called, not the proxy's."""
    calls: list[object] = []

    class Noting(Proxy[Any]):
        def set_obj(self, obj: object) -> Self:
            calls.append(obj)
            return super().set_obj(obj)

    assert Noting().set_obj(5) == 5
    assert calls == [5]


def test_other_bases_hear_of_a_subclass() -> None:
    """Of that which the user writes, with its parameters, and not of those that are made for single proxies."""
    tags: list[str] = []

    class Tagging:
        def __init_subclass__(cls, tag: str, **others: object) -> None:
            super().__init_subclass__(**others)
            tags.append(tag)

    class Both(Proxy[Any], Tagging, tag="both"):
        pass

    assert Both(5) == 5
    assert tags == ["both"]


def test_names_with_underscores_at_one_end() -> None:
    """They are the proxy's like any other that its class has."""

    class Limited(Proxy[Any]):
        limit__ = 5

    assert Limited(Thing(0)).limit__ == 5


def test_slots_can_be_deleted() -> None:
    """Like all that is its own they are deleted on the proxy, and are still its own."""

    class Counted(Proxy[Any]):
        __slots__ = ("count",)

    front = Counted(Thing(1))
    front.count = 5
    del front.count
    with pytest.raises(AttributeError, match="count"):
        _ = front.count
    front.count = 6
    assert front.count == 6
    with pytest.raises(AttributeError):
        del front._get_obj


def test_inits_of_several_classes() -> None:
    """The outermost is the last to end."""

    class Outer(Tagged):
        def __init__(self, obj: object) -> None:
            super().__init__(obj, tag="inner")
            self.outer = "outer"

    class Beside(Outer):
        """Has none of its own."""

    thing = Thing(5)
    for front in (Outer(thing), Beside(thing)):
        assert (front.outer, front.tagged()) == ("outer", ("inner", 1))
        front.number = 6
    assert vars(thing) == {"number": 6}
    assert list(inspect.signature(Outer).parameters) == ["obj"]


def test_an_init_that_fails() -> None:
    """Its proxy, if somebody has it, is like any other afterwards."""
    kept: list[Any] = []

    class Failing(Proxy[Any]):
        def __init__(self, obj: object) -> None:
            super().__init__(obj)
            kept.append(self)
            raise KeyError("no")

    class TooEarly(Proxy[Any]):
        def __init__(self) -> None:
            raise KeyError("no")

    thing = Thing(5)
    with pytest.raises(KeyError):
        Failing(thing)
    kept[0].extra = 1
    assert vars(thing) == {"number": 5, "extra": 1}
    with pytest.raises(KeyError):
        TooEarly()


def test_an_init_that_is_no_function() -> None:
    """Somebody who makes classes in ways of his own still has proxies."""

    class Initial:
        def __get__(self, front: Any, kind: object = None) -> Any:
            return Proxy.__init__ if front is None else Proxy.__init__.__get__(front)

    class Odd(Proxy[Any]):
        __init__: Any = Initial()

    assert Odd(Thing(5)).number == 5


def test_special_methods_by_name() -> None:
    """`r.__len__()` is what `len(r)` is; what describes the class is the object's."""

    class Special(Proxy[Any]):
        """A subclass."""

        def __len__(self) -> int:
            return super().__len__() + 100

        def __html__(self) -> str:
            return "its own"

        @property  # type: ignore[misc]  # it cannot be set
        def __class__(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]  # likewise
            return dict

    front = Special([1])
    assert front.__len__() == len(front) == 101
    assert front.__html__() == "its own"
    assert isinstance(front, dict)
    assert front.__doc__ == list.__doc__
    assert Special().__doc__ == "A subclass."


def test_overridden_methods_are_used_in_blocks(scheduler: FakeScheduler) -> None:
    """`_obj` gets and gives back by the methods of the subclass, and only what it took itself."""
    calls: list[str] = []

    class Loud(Proxy[Any]):
        def _get_obj(self, timeout: float | None = None) -> Any:
            calls.append(f"get {timeout}")
            return super()._get_obj(timeout)

        def _ret_obj(self) -> None:
            calls.append("ret")
            super()._ret_obj()

    class Quiet(Proxy[Any]):
        def _ret_obj(self) -> None:
            calls.append("kept")

    front = Loud(fun=Thing, max_size=1)
    with front._obj(1.5) as thing:
        with front._obj() as same:
            assert same is thing
        assert front._has_obj()
    assert not front._has_obj()
    assert calls == ["get 1.5", "get None", "ret"]
    with pytest.raises(LookupError), front._obj():
        raise LookupError
    assert calls[3:] == ["get None", "ret"]
    quiet = Quiet(fun=Thing, max_size=1)
    with quiet._obj():
        pass
    assert quiet._has_obj()
    assert calls[5:] == ["kept"]


def test_overridden_methods_give_back_what_the_block_took(scheduler: FakeScheduler) -> None:
    """That is of nobody else: where the block ends in another thread, what that thread has stays with it."""
    calls: list[str] = []

    class Loud(Proxy[Any]):
        def _ret_obj(self) -> None:
            calls.append("ret")
            super()._ret_obj()

    def end() -> bool:
        other = front._get_obj()
        block.__exit__(None, None, None)
        assert front._get_obj() is other is not thing
        return thing in returned and other not in returned

    returned: list[object] = []
    front = Loud(fun=Thing, max_size=2, retter=returned.append)
    block = front._obj()
    thing = block.__enter__()
    with ThreadPoolExecutor(1) as executor:
        assert executor.submit(end).result()
    assert not front._has_obj()
    assert not calls
    # What the owner had stays with him, wherever the block ends.
    mine = front._get_obj()
    with front._obj() as same:
        assert same is mine
    assert front._get_obj() is mine
    assert not calls
    block = front._obj()
    block.__exit__(None, None, None)  # it did not begin
    assert not calls
    assert front._get_obj() is mine
    assert block.__enter__() is mine
    with ThreadPoolExecutor(1) as executor:
        executor.submit(block.__exit__, None, None, None).result()
    assert front._get_obj() is mine


def test_overridden_methods_give_back_what_nobody_uses(scheduler: FakeScheduler) -> None:
    """Of blocks that generators have, the last to end gives back what they all use; each is open once at a time."""

    class Quiet(Proxy[Any]):
        def _ret_obj(self) -> None:
            super()._ret_obj()

    for front in (Quiet(fun=Thing, max_size=1), Quiet(fun=Thing)):
        first, second = front._obj(), front._obj()
        first.__exit__(None, None, None)  # it did not begin
        assert first.__enter__() is second.__enter__()
        with pytest.raises(ProxyException, match="open already"):
            first.__enter__()
        first.__exit__(None, None, None)
        assert front._has_obj()
        second.__exit__(None, None, None)
        assert front._has_obj() is (front._pool is None)  # else it has nowhere to go back to
    shared = Quiet(Thing(0))
    with shared._obj() as thing:
        assert thing is shared._get_obj()
    once = Quiet(fun=Thing, scope=Proxy.Scope.SHARED)
    with once._obj() as thing:
        assert thing is once._get_obj()


def test_slots_alone_are_no_room_for_more() -> None:
    """Proxies of a subclass with slots have no dictionary, whatever special methods it has that reach the object's."""

    class Narrow(Proxy[Any]):
        __slots__ = ()

        def __len__(self) -> int:
            return 7

        def select__(self) -> int:
            return 8

        def __contains__(self, item: object) -> bool:
            return super().__contains__(item)

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return super().__call__(*args, **kwargs)

    front = Narrow([1])
    assert (len(front), front.select__()) == (7, 8)
    assert (1 in front, 2 in front) == (True, False)
    assert Narrow(dict)(one=1) == {"one": 1}
    assert type(front).__dictoffset__ == 0


def test_what_typing_notes_on_a_subclass() -> None:
    """It is no attribute of the proxy."""

    class Mine(Proxy[T]):
        pass

    assert object.__getattribute__(Mine[int](), "__dict__") == {}
