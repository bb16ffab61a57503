"""One object per context of ``contextvars``, and in asyncio one per task. Imported only once its scope is used."""

import asyncio
import sys
import weakref
from collections.abc import Callable, Hashable, Iterable
from contextvars import Context
from typing import TYPE_CHECKING, TypeGuard, TypeVar, cast

from .._runtime.contexts import current_context, mark, referents
from .._runtime.imported import imported
from .._runtime.native import GIL
from .base import Kept
from .keyed import KeyedSlot

if TYPE_CHECKING:
    from trio.lowlevel import Task

T = TypeVar("T")

_running_loop: Callable[[], asyncio.AbstractEventLoop | None] = vars(asyncio)["_get_running_loop"]
"""Not the public function, which raises where no loop runs: that takes longer than all the rest."""


def current_task() -> object | None:
    """The current task of asyncio or of trio, if any."""
    loop = _running_loop()
    task = None if loop is None else asyncio.current_task(loop)
    if task is not None or "trio.lowlevel" not in sys.modules:
        return task
    global _trio_task
    if _trio_task is None:
        from .._runtime.trio_hub import task_here

        _trio_task = task_here
    return _trio_task()


_trio_task: Callable[[], object | None] | None = None


def current_greenlet() -> object | None:
    """The current greenlet, if it is gevent's or eventlet's."""
    global _greenlet
    # Greenlets of other libraries are parts of one task.
    if imported("gevent") is None and imported("eventlet") is None:
        return None
    if _greenlet is None:
        from .greenlets import current_linkable

        _greenlet = current_linkable
    return _greenlet()


_greenlet: Callable[[], object | None] | None = None


class ContextSlot(KeyedSlot[T]):
    """Objects are kept beside the contexts, not in a context variable.

    Contexts are copied: to each task, to each thread of ``asyncio.to_thread``. The copy has the same variables: a child
    would use its parent's object, which would come back only after the last of them has ended.
    """

    @property
    def kept(self) -> Kept[T]:
        # As _key() where there is neither trio, gevent nor eventlet, written out: a call less is a tenth of the whole.
        loop, modules = _running_loop(), sys.modules
        key: Hashable
        if "trio.lowlevel" in modules or "gevent" in modules or "eventlet" in modules:
            key = self._key()
        else:
            key = id(referents(mark(None))[0] if GIL else current_context())
            task = None if loop is None else asyncio.current_task(loop)
            if task is not None:
                key = key, id(task)
        try:
            record = self._records[key]
        except KeyError:
            raise AttributeError from None
        return record.kept

    def _key(self) -> Hashable:
        # Tasks may share a context (3.11+), and a greenlet may pass its context to another. This is asked at every
        # access, so nobody is asked who cannot be there, and a key is no longer than it has to be.
        context, loop, modules = id(current_context()), _running_loop(), sys.modules
        task = None if loop is None and "trio.lowlevel" not in modules else current_task()
        greenlet = current_greenlet()
        if greenlet is not None:
            return context, id(task), id(greenlet)
        return context if task is None else (context, id(task))

    def owner(self) -> object:
        return self._key(), weakref.ref(current_context())  # the reference since a key may be used again

    def _owners(self) -> Iterable[object]:
        return (owner for owner in (current_context(), current_task(), current_greenlet()) if owner is not None)

    def _link(self, owner: object, end: Callable[..., object]) -> None:
        if isinstance(owner, asyncio.Future):
            cast("asyncio.Future[object]", owner).add_done_callback(end)
        elif _is_of_trio(owner):
            from .._runtime.trio_hub import call_at_end

            call_at_end(owner, end)
        elif not isinstance(owner, Context):
            from .greenlets import link

            link(owner, end)

    def _ended(self, owner: object) -> bool:
        # A task that has ended says so in the loop's next iteration: too late if its object is waited for in this one.
        if isinstance(owner, asyncio.Future):
            return owner.done()
        return not isinstance(owner, Context) and bool(getattr(owner, "dead", False))


def _is_of_trio(owner: object) -> "TypeGuard[Task]":
    """Whether the part of an owner is a task of trio."""
    lowlevel = imported("trio.lowlevel")
    return lowlevel is not None and isinstance(owner, lowlevel.Task)
