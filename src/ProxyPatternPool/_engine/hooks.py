"""The only place that calls the user's code: the factory and the hooks. Never with a lock held."""

import logging
import weakref
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from typing import Generic, TypeVar, cast

from .._awaitables import refuse_awaitable
from .._config import PoolConfig
from .._errors import HookError
from .._hooks import Hooks
from .._ledger.counters import Tally
from .._ledger.entry import LIVE, Entry, Stage
from .._observer import HookName
from .._text import error_repr, error_text, jsonable, plain_text
from .hook_calls import MAKING, Site, during, noted
from .log_queue import Later, LogLines
from .notifier import ObserverNotifier

T = TypeVar("T")
R = TypeVar("R")

log = logging.getLogger("ppp")


_asking: ContextVar[bool] = ContextVar("ProxyPatternPool asks a hook about an object", default=False)


def _alone(hook: Callable[[T], R], obj: T) -> R:
    def ask() -> R:
        _asking.set(True)
        return hook(obj)

    return copy_context().run(ask)  # so that there is nothing to reset, whatever is thrown into this thread


def _plainly(obj: object) -> str:
    return f"<{type(obj).__name__} at {id(obj):#x}>"


def _asked(name: str, hook: Callable[[T], object], obj: T) -> object:
    """Ask a hook about an object; a hook that asks the pool in turn gets a plain answer, and so an end."""
    if _asking.get():
        return _plainly(obj)

    try:
        return _alone(hook, obj)
    except Exception as error:
        return f"<{type(obj).__name__}: {name} failed: {error_text(error)}>"


def _said_at_once(name: str, said: R) -> R:
    """Pass on what a hook has said, unless it is to be awaited."""
    refuse_awaitable(name, said)
    return said


class Lifecycle(Generic[T]):
    """From creation to closing, one object at a time; counts what goes wrong on the way."""

    def __init__(
        self, hooks: Hooks[T], config: PoolConfig, label: str, notifier: ObserverNotifier[T], lines: LogLines
    ) -> None:
        self.site = Site()
        self._hooks = noted(self.site, hooks)
        self._herald = notifier
        self._strict = config.hook_errors == "discard"
        self.label = label
        self.tally = Tally()
        self._lines = lines

    def name(self, entry: Entry[T]) -> None:
        """Have the tracer name a new object, once and for all: of one that broke it may know nothing any more.

        If it fails, or is asked by a hook that has this object created, there is no name.
        """
        tracer = self._hooks.tracer
        if tracer is None or _asking.get():
            return
        try:
            entry.name = plain_text(_alone(lambda obj: str(_said_at_once("tracer", tracer(obj))), entry.obj))
        except Exception as error:
            self._herald.remember("tracer", error)

    def describe(self, entry: Entry[T], level: int = logging.WARNING) -> str:
        """Call an object by its name for a log line of that level; if it has none, by what it is now."""
        if entry.name is not None:
            return entry.name
        return self._now(entry.obj) if log.isEnabledFor(level) else ""  # which nobody will read

    def describe_later(self, entry: Entry[T], use: int) -> str | Later:
        """Call an object by its name; one without is looked at when the line is said, if it is still in that use."""
        if entry.name is not None:
            return entry.name
        reference, plain = weakref.ref(entry), _plainly(entry.obj)

        def put_into_words() -> str:
            now = reference()
            return self._now(now.obj) if now is not None and now.stage is LIVE and now.uses == use else plain

        return Later(put_into_words)

    def _now(self, obj: T) -> str:
        """What the tracer, or else the object's own text, says of an object now."""
        tracer = self._hooks.tracer or str
        return str(_asked("tracer", lambda obj: _said_at_once("tracer", tracer(obj)), obj))

    def shown(self, obj: T) -> dict[str, object]:
        """Show an object in the statistics: what the hook for them says now, or else the tracer."""
        hook = self._hooks.stats
        if hook is not None:
            return {"stats": _asked("stats", lambda obj: jsonable(_said_at_once("stats", hook(obj))), obj)}
        return {"trace": self._now(obj)}

    def make(self, entry: Entry[T]) -> None:
        """Call the factory and put the object into the entry, whatever is thrown into this thread.

        An exception can arrive between the return of a call and the assignment of its result. Here
        ``extend`` has the object before that moment.
        """
        made: list[T] = []
        try:
            during((self.site, MAKING, False), made.extend, map(self._hooks.fun, (entry.serial,)))
        finally:
            if made:
                entry.obj = made[0]
        if not made:
            raise RuntimeError("fun raised StopIteration")  # as in a generator, see PEP 479
        try:
            refuse_awaitable("fun", made[0], "it must be a plain function that returns the object itself")
        except TypeError:
            del entry.obj  # no hook is for it
            raise

    def open(self, entry: Entry[T]) -> None:
        """Call the opener.

        Raises:
            HookError: it failed, under ``hook_errors="discard"``.
        """
        if self._hooks.opener is not None:
            try:
                result = self._hooks.opener(entry.obj)
                if result is not None:
                    refuse_awaitable("opener", result)
            except Exception as error:
                self._failed("opener", entry, error)

    def lend(self, entry: Entry[T]) -> None:
        """Call the getter.

        Raises:
            HookError: it failed, under ``hook_errors="discard"``.
        """
        if self._hooks.getter is not None:
            try:
                result = self._hooks.getter(entry.obj)
                if result is not None:
                    refuse_awaitable("getter", result)
            except Exception as error:
                self._failed("getter", entry, error)

    def _failed(self, hook: HookName, entry: Entry[T], error: Exception) -> None:
        self.tally.add("hook_errors")
        self._herald.hook_failed(hook, error)
        if self._strict:
            name = "" if entry.name is None else f" on {entry.name}"
            raise HookError(f"{hook} failed{name} in {self.label}: {error!r}") from error
        self._complain("%s: %s failed on %s: %s", hook, self.describe(entry, logging.ERROR), error_repr(error))

    def _complain(self, message: str, *arguments: str) -> None:
        self._lines.add(logging.ERROR, message, self.label, *arguments)

    def take_back(self, entry: Entry[T]) -> bool:
        """Call the retter; say whether the object may be lent again."""
        try:
            if self._hooks.retter is not None:
                result = self._hooks.retter(entry.obj)
                if result is not None:
                    refuse_awaitable("retter", result)
        except Exception as error:
            self.tally.add("hook_errors")
            what = self.describe(entry, logging.ERROR)
            self._complain("%s: retter failed, discarding %s: %s", what, error_repr(error))
            self._herald.hook_failed("retter", error)
            return False
        return True

    @property
    def checks(self) -> bool:
        """Whether there is a health check."""
        return self._hooks.health is not None

    @property
    def closes(self) -> bool:
        """Whether there is a closer."""
        return self._hooks.closer is not None

    def check(self, entry: Entry[T]) -> bool:
        """Call the health check; say whether the object may be lent again."""
        why = "it said no"
        try:
            fine = cast("object", self._hooks.health is None or self._hooks.health(entry.obj))
            if fine is not True:
                refuse_awaitable("health", fine)
            if fine:
                return True
            if fine is None:  # a check that only asks its object something, and forgets to say what came of it
                why = "it returned None: return True or False"
            self._herald.remember("health", None)
        except Exception as error:
            self.tally.add("hc_errors")
            self._herald.hook_failed("health", error)
            why = error_repr(error)
        self.tally.add("bad_health")
        self._complain("%s: bad health, discarding %s: %s", self.describe(entry, logging.ERROR), why)
        return False

    @staticmethod
    def _end(closer: Callable[[T], object], entry: Entry[T]) -> object:
        # No call in between at which anything could be thrown in: what is thrown in before has another close it.
        entry.stage = Stage.CLOSED
        return closer(entry.obj)

    def close(self, entry: Entry[T]) -> None:
        """Call the closer, once in the life of a retired entry."""
        if entry.stage is not Stage.RETIRED:
            return
        closer = self._hooks.closer
        if closer is None:
            entry.stage = Stage.CLOSED
        else:
            try:
                refuse_awaitable("closer", during((self.site, entry.obj, False), self._end, closer, entry))
            except Exception as error:
                self.tally.add("hook_errors")
                if not self._lines.silent:
                    self._complain(
                        "%s: closer failed on %s: %s", self.describe(entry, logging.ERROR), error_repr(error)
                    )
                self._herald.hook_failed("closer", error)
