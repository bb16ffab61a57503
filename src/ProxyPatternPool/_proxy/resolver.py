"""Answers what a proxy is asked while its owner keeps no object."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from .._runtime.caller import calling_module, is_looking, is_patcher
from .._runtime.current import loop_is_running
from .._runtime.process import notice_fork
from .facts import Facts
from .introspection import NoObjectAttribute, NoObjectHash
from .owners import OwnerObjects
from .sources import Source
from .taking import Taking

T = TypeVar("T")


class ProxyResolver(Generic[T]):
    """Takes the object for code that uses it, and says what can be said without it to code that only inspects."""

    def __init__(
        self,
        sources: Sequence[Source[T]],
        owners: OwnerObjects[T],
        facts: Facts[T],
        taking: Taking[T],
        name: Callable[[], str | None],
        setters: tuple[str, ...],
    ) -> None:
        self._sources = sources
        self._owners = owners
        self._facts = facts
        self._taking = taking
        self._name = name
        self._setters = setters

    def find(self) -> T:
        """Get the object for code that uses the proxy.

        Raises:
            AttributeError: gevent or eventlet calls, which looks for locks in all objects while it patches: an object
                made now would not work among greenlets. Or the caller only inspects, and there is no object yet.
        """
        code, module = calling_module()
        if is_patcher(module):
            raise AttributeError("this proxy has no object for those who patch locks")
        if is_looking(module) and not self.peek():
            raise NoObjectAttribute(self._why_no_object())
        return self._taking.take(None, None, code)[-1]

    def find_hashable(self) -> T:
        """The same for its hash."""
        if self._is_unset() or self._is_inspected():
            raise NoObjectHash(self._why_no_object())
        return self.find()

    def equals_only_itself(self, other: object) -> bool:
        """Whether the proxy is compared without an object: it is not set, or the caller only inspects.

        To compare it with ``None`` is to ask whether there is an object: none is made to answer.
        """
        return self._is_unset() or (other is None and not self.peek()) or self._is_inspected()

    def _is_unset(self) -> bool:
        return self._sources[-1].unset

    def _is_inspected(self) -> bool:
        """Whether the caller only inspects, and there is no object yet."""
        return is_looking(calling_module()[1]) and not self.peek()

    def peek(self) -> tuple[()] | tuple[T]:
        """Get the object if there is one: none is taken, or made."""
        notice_fork()  # in a child that is not told of its fork, what is kept here is the parent's
        if self._sources[-1].ready:
            return (self._taking.take(None)[-1],)
        kept = self._owners.kept_or_shared()
        try:
            return () if kept is None else (kept.obj,)
        except AttributeError:  # the source was replaced, or this is inherited in a fork
            return ()

    def object_class(self) -> type[object] | None:
        """The class of the last object that an owner got, or of those to come, if it is known.

        Debuggers and other tools ask for it: it raises nothing, and takes no object.
        """
        source = self._sources[-1]
        if source.object_class is None:
            self._facts.record_expected(source)
        return source.object_class

    def missing_attribute(self, name: str) -> NoObjectAttribute:
        """What to raise for an attribute that introspection asks for, as long as there is no object."""
        return NoObjectAttribute(f"{name}: {self._why_no_object()}")

    def state(self) -> str:
        """What the ``repr`` of a proxy says that has no object."""
        name = self._name()
        state = "not set" if self._is_unset() else "no object yet"
        return f": {state}" if name is None else f" {name}: {state}"

    def _why_no_object(self) -> str:
        return self.how_to_set() if self._is_unset() else "there is no object yet"

    def how_to_take(self) -> str:
        """Say how a task takes an object that it may have to wait for."""
        which, variable = self._which()
        how = f"control({variable or '…'})"
        taking = f"`await {how}.aget()`, or use it in a block, `async with {how}.aobj():`"
        if not loop_is_running():
            return (
                f"the caller has no object of {which}, which is for tasks, and no event loop runs in this thread, "
                f"where a framework may call what is a plain `def`: write `async def`, and first {taking}"
            )
        return f"this task has no object of {which} yet, and to get one is to wait: first write {taking}"

    def how_to_set(self) -> str:
        """Say how to set the proxy."""
        which, variable = self._which()
        if self._setters:
            calls = [each if variable is None else f"{variable}.{each}" for each in self._setters[1:]]
        else:
            calls = [f"control({variable or '…'}).{each}" for each in ("set_obj", "set_fun")]
        return f"{which} is not set: call {' or '.join(f'{call}(…)' for call in calls)} first"

    def _which(self) -> tuple[str, str | None]:
        """Name the proxy, and the variable that it may be."""
        name = self._name()
        which = "this proxy" if name is None else f"proxy {name!r}"
        return which, name if name is not None and name.isidentifier() else None
