"""What a run does at each access of what threads share: it is a step, or is noted, to find out what has to be one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from enum import Enum
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any

from . import instrument
from .memory import NOTHING, Location

if TYPE_CHECKING:
    from .machine import Machine

MUTATES = instrument.METHODS - {"copy", "get", "index", "items", "keys", "values"}
SHARED = (deque, dict, set)
KEPT = frozenset({bool, int, float, type(None), deque})
"""What is remembered once it was overwritten, beside members of enums: no entries, which would not be finalized."""


def _is_python(owner: object, method: str) -> bool:
    """Whether a method of a collection is written in Python: it locks nothing itself."""
    return isinstance(getattr(type(owner), method, None), FunctionType)


class Accesses:
    """What the rewritten modules call at each access."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.steps_at: set[str] = set()
        """The names of attributes and collections at whose accesses threads are switched."""
        self.promoted: set[str] = set()
        """The collections of which this run has found that they belong there."""
        self.promoted_fields: set[str] = set()
        """The same for attributes, as far as nothing puts their accesses into an order once the collections do."""
        self.hooks: dict[str, Callable[..., Any]] = {
            instrument.LOAD: self._load,
            instrument.STORE: self._store,
            instrument.CALL: self._call,
            instrument.METHOD: self._method,
            instrument.ITEM: self._item,
            instrument.SET_ITEM: self._set_item,
            instrument.STEPS: self._steps,
            instrument.LOOK: self._look,
            instrument.LENGTH: self._length,
            instrument.TEST: self._test,
        }
        self._kinds: dict[type, bool] = {}
        self._names: dict[Location, set[str]] = {}

    def begin(self) -> None:
        """A run begins."""
        self._names.clear()
        self.promoted, self.promoted_fields = set(), set()

    def note(self, location: Location, name: str, *, writes: bool) -> bool:
        """Note an access of an attribute, or a look; say whether the thread reads what was there before."""
        if name in self.steps_at:
            self._machine.step(location, writes, name)
            if self._machine.plan.stale_reads:
                return self._access_without_order(location, name, writes=writes)
        self._enter(location, name, writes=writes)
        return False

    def _access_without_order(self, location: Location, name: str, *, writes: bool, old: object = NOTHING) -> bool:
        """Do the same where a thread may read what is out of date."""
        memory, thread = self._machine.memory, self._machine.current.index
        if not writes and memory.old_value(thread, location) is not NOTHING and self._machine.plan.reads_old():
            return True
        is_attribute = not isinstance(location, int)
        self._enter(location, name, writes=writes, old=old, releases=is_attribute)
        if is_attribute and not writes:
            memory.acquire(thread, location)
        return False

    def _ordered(self, collection: Any, name: str, *, writes: bool) -> None:
        """Note an access of a collection, other than of its length.

        It puts what threads do into an order if it changes the collection, or looks into a deque.
        """
        self._note_access(collection, name, writes=writes, orders=writes or isinstance(collection, deque))

    def _note_access(self, collection: Any, name: str, *, writes: bool, orders: bool) -> None:
        location = id(collection)
        if name in self.steps_at:
            # Two looks that are put into an order do not come to the same in the other one.
            self._machine.step(location, writes or (orders and self._machine.plan.stale_reads), name)
            if orders or not self._machine.plan.stale_reads:
                self._machine.memory.synchronize(self._machine.current.index, location)
        self._enter(location, name, writes=writes, old=len(collection))

    def _enter(
        self, location: Location, name: str, *, writes: bool, old: object = NOTHING, releases: bool = False
    ) -> None:
        """Note an access, and whether it has no order with another."""
        memory, thread = self._machine.memory, self._machine.current.index
        races = memory.write(thread, location, old, releases=releases) if writes else memory.read(thread, location)
        names = self._names.get(location)
        if names is None:
            names = self._names[location] = set()
        names.add(name)
        if races and not names <= self.steps_at:
            (self.promoted if isinstance(location, int) else self.promoted_fields).update(names)

    # What the rewritten modules call. ----------------------------------------------------------------

    def _is_shared(self, what: object) -> bool:
        kind = type(what)
        known = self._kinds.get(kind)
        if known is None:
            known = self._kinds[kind] = issubclass(kind, SHARED)
        return known

    def _place(self, owner: Any, name: str) -> Location:
        # Entries come and go, and the address of one may be used again.
        serial = getattr(owner, "serial", None) if self._machine.plan.stale_reads else None
        return id(owner) if serial is None else serial, name

    def _load(self, owner: Any, name: str) -> Any:
        if self._machine.active:
            if name in self.steps_at:
                place = self._place(owner, name)
                if self.note(place, name, writes=False):
                    return self._machine.memory.old_value(self._machine.current.index, place)
            elif self._machine.memory.read(self._machine.current.index, self._place(owner, name)):
                self.promoted_fields.add(name)
        return getattr(owner, name)

    def _store(self, value: object, owner: Any, name: str) -> None:
        if self._machine.active:
            if name in self.steps_at:
                place = self._place(owner, name)
                self._machine.step(place, True, name)
                if self._machine.plan.stale_reads:
                    before: object = getattr(owner, name, NOTHING)  # not sooner: others may have written at this step
                    kept = type(before) in KEPT or isinstance(before, Enum)
                    self._access_without_order(place, name, writes=True, old=before if kept else NOTHING)
                else:
                    self._enter(place, name, writes=True)
            elif self._machine.memory.write(self._machine.current.index, self._place(owner, name)):
                self.promoted_fields.add(name)
        setattr(owner, name, value)

    def _call(self, owner: Any, hint: str, method: str, /, *arguments: Any, **named: Any) -> Any:
        if self._machine.active and self._is_shared(owner) and not _is_python(owner, method):
            self._ordered(owner, hint, writes=method in MUTATES)
        return getattr(owner, method)(*arguments, **named)

    def _method(self, owner: Any, hint: str, method: str) -> Any:
        """A method that somebody else is to call."""
        return partial(self._call, owner, hint, method) if self._is_shared(owner) else getattr(owner, method)

    def _item(self, owner: Any, hint: str, key: Any) -> Any:
        if self._machine.active and self._is_shared(owner):
            self._ordered(owner, hint, writes=False)
        return owner[key]

    def _set_item(self, value: object, owner: Any, hint: str, key: Any) -> None:
        if self._machine.active and self._is_shared(owner):
            self._ordered(owner, hint, writes=True)
        owner[key] = value

    def _steps(self, items: Any, hint: str) -> Any:
        return self._one_by_one(items, hint) if self._machine.active and self._is_shared(items) else items

    def _one_by_one(self, items: Any, hint: str) -> Iterator[Any]:
        iterator = iter(items)
        while True:
            if self._machine.active:
                self._ordered(items, hint, writes=False)
            try:
                item = next(iterator)
            except StopIteration:
                return
            yield item

    def _look(self, value: Any, hint: str) -> Any:
        """Somebody is about to look what is in a collection."""
        if self._machine.active and self._is_shared(value):
            self._ordered(value, hint, writes=False)
        return value

    def _length(self, value: Any, hint: str) -> Any:
        """Somebody is about to look how long a collection is; what is returned is used for nothing else."""
        if self._machine.active and self._is_shared(value):
            if not self._machine.plan.stale_reads:
                self._note_access(value, hint, writes=False, orders=False)
            elif self.note(id(value), hint, writes=False):
                length: Any = self._machine.memory.old_value(self._machine.current.index, id(value))
                return range(length)
        return value

    def _test(self, value: Any, hint: str) -> Any:
        """Somebody is about to test whether something is empty; what is returned is used for nothing else."""
        if self._machine.active and self._is_shared(value) and self.note(id(value), hint, writes=False):
            return bool(self._machine.memory.old_value(self._machine.current.index, id(value)))
        return value
