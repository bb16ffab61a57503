"""The only place that calls the factory and the hooks that do something to objects. Never with a lock held.

Who calls one of them has a local ``self`` and ``entry``: see ``hook_calls``.
"""

import logging
from typing import Generic, TypeVar, cast

from .._awaitables import is_awaitable
from .._config import PoolConfig
from .._errors import HookError
from .._hooks import Hooks
from .._ledger.counters import Tally
from .._ledger.entry import CLOSED, RETIRED, Entry
from .._observer import HookName
from .._text import error_repr
from .descriptions import Descriptions
from .log_queue import LogQueue
from .notifier import ObserverNotifier
from .steps import Driver, Rest, Steps

T = TypeVar("T")
R = TypeVar("R")


class HookCaller(Generic[T]):
    """Calls the hooks of one pool, and counts those that fail."""

    def __init__(
        self,
        hooks: Hooks[T],
        config: PoolConfig,
        label: str,
        notifier: ObserverNotifier[T],
        log_queue: LogQueue,
        driver: Driver,
        descriptions: Descriptions[T],
    ) -> None:
        self.client = descriptions.client
        self.hooks = hooks
        self._driver = driver
        self._label = label
        self._notifier = notifier
        self._log_queue = log_queue
        self._descriptions = descriptions
        self._strict = config.hook_errors == "discard"

    def start_empty(self, tally: Tally) -> None:
        """Count anew."""
        self._tally = tally

    # The life of an object. ------------------------------------------------------------------------

    def make(self, entry: Entry[T]) -> Steps[None]:
        """Call the factory and put the object into the entry, whatever is thrown into this thread.

        An exception can arrive between the return of a call and the assignment of its result. Here
        ``extend`` has the object before that moment.
        """
        made: list[T] = []
        try:
            try:
                made.extend(map(self.hooks.fun, (entry.serial,)))
            finally:
                if made:
                    entry.obj = made[0]
            if not made:
                raise RuntimeError("fun raised StopIteration")  # as in a generator, see PEP 479
            if not is_awaitable(made[0]):
                return
            del entry.obj  # no hook is for it
        except BaseException:  # thrown in, or what fun has raised
            if entry.has_object and is_awaitable(made[0]):
                del entry.obj
            raise
        steps = self._driver.settle("fun", made[0])
        assert steps is not None, "what is to be awaited is refused, or awaited"
        entry.obj = yield from steps

    def open(self, entry: Entry[T]) -> Steps[None]:
        """Call the opener.

        Raises:
            HookError: It failed, under ``hook_errors="discard"``.
        """
        opener = self.hooks.opener
        if opener is None:
            return
        try:
            result = opener(entry.obj)
            if result is not None and (steps := self._driver.settle("opener", result)) is not None:
                yield from steps
        except Exception as error:
            self._failed("opener", entry, error)

    def lend(self, entry: Entry[T]) -> Rest:
        """Call the getter.

        Raises:
            HookError: It failed, under ``hook_errors="discard"``.
        """
        getter = self.hooks.getter
        if getter is None:
            return None
        try:
            result = getter(entry.obj)
            if result is not None and (steps := self._driver.settle("getter", result)) is not None:
                return self._await_getter(entry, steps)
        except Exception as error:
            self._failed("getter", entry, error)
        return None

    def _await_getter(self, entry: Entry[T], steps: Steps[object]) -> Steps[None]:
        try:
            yield from steps
        except Exception as error:
            self._failed("getter", entry, error)

    def take_back(self, entry: Entry[T]) -> bool | Steps[object]:
        """Call the retter; say whether the object may be lent again, or give what is left to be awaited."""
        retter = self.hooks.retter
        if retter is None:
            return True
        try:
            result = retter(entry.obj)
            if result is not None and (steps := self._driver.settle("retter", result)) is not None:
                return steps
        except Exception as error:
            return self._reset_failed(entry, error)
        return True

    def await_retter(self, entry: Entry[T], steps: Steps[object]) -> Steps[bool]:
        """Await what the retter has returned; say whether the object may be lent again."""
        try:
            yield from steps
        except Exception as error:
            return self._reset_failed(entry, error)
        return True

    def check(self, entry: Entry[T]) -> bool | Steps[bool]:
        """Call the health check; say whether the object may be lent again."""
        health = self.hooks.health
        try:
            healthy = cast("object", health is None or health(entry.obj))
            if healthy is True:
                return True
            if (steps := self._driver.settle("health", healthy)) is not None:
                return self._await_check(entry, steps)
        except Exception as error:
            return self._check_failed(entry, error)
        return self._judge(entry, healthy)

    def _await_check(self, entry: Entry[T], steps: Steps[object]) -> Steps[bool]:
        try:
            healthy = yield from steps
        except Exception as error:
            return self._check_failed(entry, error)
        return self._judge(entry, healthy)

    def close(self, entry: Entry[T]) -> Steps[object] | None:
        """Call the closer, once in the life of a retired entry; give what is left to be awaited, if anything is."""
        if entry.stage is not RETIRED:
            return None
        closer = self.hooks.closer
        if closer is None:
            entry.stage = CLOSED  # there is nothing to call
            return None
        try:
            # No call between these two lines at which anything could be thrown in: what is thrown in before has another
            # close it.
            entry.stage = CLOSED
            result = closer(entry.obj)
            if result is not None and (steps := self._driver.settle("closer", result)) is not None:
                return steps
        except Exception as error:
            self._close_failed(entry, error)
        return None

    def await_closer(self, entry: Entry[T], steps: Steps[object]) -> Steps[None]:
        """Await what the closer has returned."""
        try:
            yield from steps
        except Exception as error:
            self._close_failed(entry, error)

    # What failed. The entry has another name here: nothing is called with its object. -------------------------

    def _failed(self, hook: HookName, about: Entry[T], error: Exception) -> None:
        """Raise what the borrower is to get, or go on."""
        self._tally.add("hook_errors")
        self._notifier.hook_failed(hook, error)
        if self._strict:
            name = "" if about.name is None else f" on {about.name}"
            raise HookError(f"{hook} failed{name} in {self._label}: {error_repr(error)}") from error
        self._complain(
            "%s: %s failed on %s: %s", hook, self._descriptions.describe(about, logging.ERROR), error_repr(error)
        )

    def _reset_failed(self, about: Entry[T], error: Exception) -> bool:
        self._tally.add("hook_errors")
        what = self._descriptions.describe(about, logging.ERROR)
        self._complain("%s: retter failed, discarding %s: %s", what, error_repr(error))
        self._notifier.hook_failed("retter", error)
        return False

    def _judge(self, about: Entry[T], healthy: object) -> bool:
        if healthy:
            return True
        self._notifier.remember("health", None)
        # A check that only asks its object something, and forgets to say what came of it, returns None.
        self._unhealthy(about, "it said no" if healthy is not None else "it returned None: return True or False")
        return False

    def _check_failed(self, about: Entry[T], error: Exception) -> bool:
        self._tally.add("hc_errors")
        self._notifier.hook_failed("health", error)
        self._unhealthy(about, error_repr(error))
        return False

    def _unhealthy(self, about: Entry[T], why: str) -> None:
        self._tally.add("bad_health")
        self._complain("%s: bad health, discarding %s: %s", self._descriptions.describe(about, logging.ERROR), why)

    def _close_failed(self, about: Entry[T], error: Exception) -> None:
        self._tally.add("hook_errors")
        if not self._log_queue.silent:
            self._complain(
                "%s: closer failed on %s: %s", self._descriptions.describe(about, logging.ERROR), error_repr(error)
            )
        self._notifier.hook_failed("closer", error)

    def _complain(self, message: str, *arguments: str) -> None:
        self._log_queue.add(logging.ERROR, message, self._label, *arguments)
