"""What is said about objects, by the tracer and by the hook for statistics.

Who calls one of them has a local ``self`` and ``obj``: see ``hook_calls``.
"""

import logging
import weakref
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from typing import Generic, TypeVar

from .._awaitables import refuse_awaitable
from .._hooks import Hooks
from .._ledger.entry import LIVE, Entry
from .._text import error_text, jsonable, plain_text, text_of
from .hook_calls import client_of_new_pool
from .log_queue import Later, log
from .notifier import ObserverNotifier

T = TypeVar("T")
R = TypeVar("R")

_asking: ContextVar[bool] = ContextVar("ProxyPatternPool asks a hook about an object", default=False)


def _plain_name(obj: object) -> str:
    return f"<{type(obj).__name__} at {id(obj):#x}>"


class Descriptions(Generic[T]):
    """Describes the objects of one pool."""

    def __init__(self, hooks: Hooks[T], notifier: ObserverNotifier[T]) -> None:
        self.client = client_of_new_pool()
        """For whom the pool is made, see ``hook_calls``."""
        self.hooks = hooks
        self._notifier = notifier

    def name(self, about: Entry[T]) -> None:
        """Have the tracer name a new object, once and for all: of one that broke it may know nothing any more.

        If it fails, or is asked by a hook that has this object created, there is no name.
        """
        tracer = self.hooks.tracer
        if tracer is None or _asking.get():
            return
        try:
            about.name = plain_text(self._in_a_copy("tracer", tracer, about.obj, text_of))
        except Exception as error:
            self._notifier.remember("tracer", error)

    def describe(self, about: Entry[T], level: int = logging.WARNING) -> str:
        """Call an object by its name for a log line of that level; if it has none, by what it is now."""
        if about.name is not None:
            return about.name
        return self._text_now(about.obj) if log.isEnabledFor(level) else ""  # which nobody will read

    def describe_later(self, about: Entry[T], use: int) -> str | Later:
        """Call an object by its name; one without is asked when the line is logged, if it is still in that use."""
        if about.name is not None:
            return about.name
        reference, plain = weakref.ref(about), _plain_name(about.obj)

        def text() -> str:
            now = reference()
            return self._text_now(now.obj) if now is not None and now.stage is LIVE and now.uses == use else plain

        return Later(text)

    def details(self, about: T) -> dict[str, object]:
        """Show an object in the statistics: what the hook for them says now, or else the tracer."""
        hook = self.hooks.stats
        if hook is not None:
            return {"stats": self._ask("stats", hook, about, jsonable)}
        return {"trace": self._text_now(about)}

    def _text_now(self, about: T) -> str:
        """What the tracer, or else the object's own text, says of an object now."""
        return str(self._ask("tracer", self.hooks.tracer or text_of, about, text_of))

    def _ask(self, name: str, hook: Callable[[T], object], about: T, convert: Callable[[object], object]) -> object:
        """Ask a hook about an object; a hook that asks the pool in turn gets a plain answer, and so an end."""
        if _asking.get():
            return _plain_name(about)
        try:
            return self._in_a_copy(name, hook, about, convert)
        except Exception as error:
            return f"<{type(about).__name__}: {name} failed: {error_text(error)}>"

    def _in_a_copy(self, name: str, hook: Callable[[T], object], about: T, convert: Callable[[object], R]) -> R:
        # In a copy of the context there is nothing to reset, whatever is thrown into this thread.
        return copy_context().run(self._call_about, name, hook, about, convert)

    def _call_about(self, name: str, hook: Callable[[T], object], obj: T, convert: Callable[[object], R]) -> R:
        _asking.set(True)
        said = hook(obj)
        refuse_awaitable(name, said)
        return convert(said)
