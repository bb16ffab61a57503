"""The only place that calls the user's code: the factory and the hooks. Never with a lock held."""

import copy
import logging
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from typing import Generic, TypeVar

from .._errors import HookError, PoolException
from .._hooks import Hooks
from .._observe import HookName
from .._plain import refuse_awaitable
from .config import PoolConfig
from .entry import Entry, Stage
from .herald import Herald
from .stats import Tally, exact, jsonable
from .working import MAKING, Site, during, noted

T = TypeVar("T")
R = TypeVar("R")

log = logging.getLogger("ppp")


def said(error: BaseException) -> str:
    """Put an error into words; its own may fail."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # from the user's own __str__
        return type(error).__name__


def keepsake(error: BaseException) -> BaseException:
    """Copy an error without its traceback, whose frames would keep the callers' objects alive."""
    kept: BaseException = PoolException(said(error))
    try:
        copied = copy.copy(error)
    except Exception:  # an error class of the user's whose constructor wants more than its args
        copied = kept
    if type(copied) is type(error):
        kept = copied
    kept.__traceback__ = kept.__cause__ = kept.__context__ = None
    return kept


_asking: ContextVar[bool] = ContextVar("ProxyPatternPool asks a hook about an object", default=False)


def _alone(hook: Callable[[T], R], obj: T) -> R:
    def ask() -> R:
        _asking.set(True)
        return hook(obj)

    return copy_context().run(ask)  # so that there is nothing to reset, whatever is thrown into this thread


def _asked(name: str, hook: Callable[[T], object], obj: T) -> object:
    """Ask a hook about an object; a hook that asks the pool in turn gets a plain answer, and so an end."""
    if _asking.get():
        return f"<{type(obj).__name__} at {id(obj):#x}>"

    try:
        return _alone(hook, obj)
    except Exception as error:
        return f"<{type(obj).__name__}: {name} failed: {said(error)}>"


def _said_at_once(name: str, said: R) -> R:
    """Pass on what a hook has said, unless it is to be awaited."""
    refuse_awaitable(name, said)
    return said


class Lifecycle(Generic[T]):
    """From creation to closing, one object at a time; counts what goes wrong on the way."""

    def __init__(self, hooks: Hooks[T], config: PoolConfig, label: str, herald: Herald[T]) -> None:
        self.site = Site()
        self._hooks = noted(self.site, hooks)
        self._herald = herald
        self._strict = config.hook_errors == "discard"
        self.label = label
        self.tally = Tally()
        self.silent = False  # at interpreter exit nobody reads the log, and its streams may be closed

    def name(self, entry: Entry[T]) -> None:
        """Have the tracer name a new object, once and for all: of one that broke it may know nothing any more.

        If it fails, or is asked by a hook that has this object created, there is no name.
        """
        tracer = self._hooks.tracer
        if tracer is None or _asking.get():
            return
        try:
            entry.name = exact(_alone(lambda obj: str(_said_at_once("tracer", tracer(obj))), entry.obj))
        except Exception as error:
            self._herald.remember("tracer", error)

    def describe(self, entry: Entry[T], level: int = logging.WARNING) -> str:
        """Call an object by its name for a log line of that level; if it has none, by what it is now."""
        if entry.name is not None:
            return entry.name
        return self._now(entry.obj) if log.isEnabledFor(level) else ""  # which nobody will read

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
        log.error("%s: %s failed on %s: %r", self.label, hook, self.describe(entry, logging.ERROR), error)

    def take_back(self, entry: Entry[T]) -> bool:
        """Call the retter; say whether the object may be lent again."""
        try:
            if self._hooks.retter is not None:
                result = self._hooks.retter(entry.obj)
                if result is not None:
                    refuse_awaitable("retter", result)
        except Exception as error:
            self.tally.add("hook_errors")
            log.error("%s: retter failed, discarding %s: %r", self.label, self.describe(entry, logging.ERROR), error)
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
            fine = self._hooks.health is None or self._hooks.health(entry.obj)
            if fine is not True:
                refuse_awaitable("health", fine)
            if fine:
                return True
            self._herald.remember("health", None)
        except Exception as error:
            self.tally.add("hc_errors")
            self._herald.hook_failed("health", error)
            why = repr(error)
        self.tally.add("bad_health")
        log.error("%s: bad health, discarding %s: %s", self.label, self.describe(entry, logging.ERROR), why)
        return False

    def close(self, entry: Entry[T]) -> None:
        """Call the closer, once in the life of a retired entry."""
        if entry.stage is not Stage.RETIRED:
            return
        entry.stage = Stage.CLOSED
        if self._hooks.closer is not None:
            try:
                refuse_awaitable("closer", self._hooks.closer(entry.obj))
            except Exception as error:
                self.tally.add("hook_errors")
                if not self.silent:
                    log.error("%s: closer failed on %s: %r", self.label, self.describe(entry, logging.ERROR), error)
                self._herald.hook_failed("closer", error)
