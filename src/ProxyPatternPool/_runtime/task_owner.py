"""The owner that is a task: what it is called, whether it has ended, and where it waits."""

import gc
import weakref
from collections.abc import Callable
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import Any, NamedTuple


class TaskKind(NamedTuple):
    """How a library's tasks are looked at."""

    name: Callable[[Any], object]
    coroutine: Callable[[Any], object]
    ended: Callable[[Any], object]


class TaskOwner:
    """A task, of which this keeps nothing alive: not its result, and not its frames."""

    __slots__ = ("_kind", "_name", "_task", "ident")

    def __init__(self, task: Any, kind: TaskKind) -> None:
        self._task: weakref.ref[Any] = weakref.ref(task)
        self._kind = kind
        self.ident = id(task)
        self._name = self._name_of(task)  # for the time when it has gone

    def _name_of(self, task: Any) -> str:
        try:
            name = self._kind.name(task)
            return name if type(name) is str else str(name)
        except Exception:  # a task of a class of the user's, or a name
            return f"{type(task).__name__}-{self.ident:#x}"

    def frame(self) -> FrameType | None:
        """Its innermost frame, if it is suspended."""
        task = self._task()
        if task is None:
            return None
        try:
            return innermost_frame(self._kind.coroutine(task))
        except AttributeError:  # a task of a class of the user's
            return None

    def __str__(self) -> str:
        task = self._task()
        if task is not None:
            self._name = self._name_of(task)
        return f"task {self._name!r}" + (" (ended)" if task is None or self._kind.ended(task) else "")


_KINDS: dict[type, str] = {CoroutineType: "cr", GeneratorType: "gi", AsyncGeneratorType: "ag"}
"""What suspends with a frame, and how the names of its attributes begin."""


def innermost_frame(suspended: object) -> FrameType | None:
    """The innermost frame of a suspended coroutine; ``None`` if it runs, or has ended."""
    frame: FrameType | None = None
    while suspended is not None:
        kind = _KINDS.get(type(suspended))
        if kind is None:
            # What await makes of a coroutine or of an asynchronous generator has no attribute that leads to it.
            suspended = next((inner for inner in gc.get_referents(suspended) if type(inner) in _KINDS), None)
        elif getattr(suspended, f"{kind}_running"):
            return None
        else:
            frame = getattr(suspended, f"{kind}_frame")
            suspended = getattr(suspended, "gi_yieldfrom" if kind == "gi" else f"{kind}_await")
    return frame


_elsewhere: "weakref.WeakKeyDictionary[Any, TaskOwner]" = weakref.WeakKeyDictionary()
"""The owners of tasks that take no attributes."""


def owner_of(task: Any, kind: TaskKind) -> TaskOwner:
    """The owner of a task that has no attribute ``_ppp_owner``, in which it is kept if it can be."""
    owner = _elsewhere.get(task)
    if owner is None:
        owner = TaskOwner(task, kind)
        try:
            task._ppp_owner = owner
        except AttributeError:
            _elsewhere[task] = owner
    return owner
