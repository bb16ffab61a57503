"""The owner that is a task: what it is called, whether it has ended, and where it waits."""

import gc
import weakref
from collections.abc import Callable
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import Any, NamedTuple

from .native import get_ident


class TaskKind(NamedTuple):
    """How a library's tasks are looked at."""

    name: Callable[[Any], object]
    coroutine: Callable[[Any], object]
    ended: Callable[[Any], object]


class TaskOwner:
    """A task, of which this keeps nothing alive: not its result, and not its frames."""

    __slots__ = ("_kind", "_name", "_task", "ident", "thread")

    def __init__(self, task: Any, kind: TaskKind) -> None:
        self._task: weakref.ref[Any] = weakref.ref(task)
        self._kind = kind
        self.ident = id(task)
        self.thread = get_ident()
        self._name = f"{type(task).__name__}-{self.ident:#x}"  # if it has no name
        self._name = self._name_of(task)  # for the time when it has gone

    @property
    def _ppp_owner(self) -> "TaskOwner":
        """Itself, so that an owner stands for a task that takes no attributes."""
        return self

    def _name_of(self, task: Any) -> str:
        try:
            text = str(self._kind.name(task))
        except Exception:  # a task of a class of the user's, or a name
            return self._name
        # Python 3.13.0 gives this name, the text of None, to tasks that began at once and were to have none.
        return self._name if text == "None" else text

    def _coroutine(self) -> object:
        """What it does; ``None`` if that is not known, or it is gone."""
        try:
            return self._kind.coroutine(self._task())
        except AttributeError:  # of None, or of a task of a class of the user's
            return None

    def frame(self) -> FrameType | None:
        """Its innermost frame, if it is suspended."""
        frames = self.frames()
        return frames[-1] if frames else None

    def frames(self) -> list[FrameType]:
        """Its frames, the innermost last, if it is suspended."""
        return suspended_frames(self._coroutine())

    def outermost_frame(self) -> FrameType | None:
        """Its outermost frame, unless it has ended, or does nothing that has frames."""
        coroutine = self._coroutine()
        kind = _KINDS.get(type(coroutine))
        frame: FrameType | None = None if kind is None else getattr(coroutine, f"{kind}_frame")
        return frame

    @property
    def name(self) -> str:
        """Its name, or the last that is known of it."""
        task = self._task()
        if task is not None:
            self._name = self._name_of(task)
        return self._name

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        task = self._task()
        return task is None or bool(self._kind.ended(task))

    def __str__(self) -> str:
        return f"task {self.name!r}" + (" (ended)" if self.ended else "")


_KINDS: dict[type, str] = {CoroutineType: "cr", GeneratorType: "gi", AsyncGeneratorType: "ag"}
"""What suspends with a frame, and how the names of its attributes begin."""


def suspended_frames(suspended: object) -> list[FrameType]:
    """The frames of a suspended coroutine, the innermost last; none if it runs, or has ended."""
    frames: list[FrameType] = []
    while suspended is not None:
        kind = _KINDS.get(type(suspended))
        if kind is None:
            # What await makes of a coroutine or of an asynchronous generator has no attribute that leads to it.
            suspended = next((inner for inner in gc.get_referents(suspended) if type(inner) in _KINDS), None)
            continue
        frame: FrameType | None = getattr(suspended, f"{kind}_frame")
        inner = getattr(suspended, "gi_yieldfrom" if kind == "gi" else f"{kind}_await")
        # An asynchronous generator says that it runs from when it is asked for a value until it gives one.
        if frame is None or (inner is None and getattr(suspended, f"{kind}_running")):
            return []
        frames.append(frame)
        suspended = inner
    return frames


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
