"""Notifies observers of events: never with a lock held, and never while an observer is being notified."""

import logging
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from typing import Any, Generic, TypeVar

from .._awaitables import refuse_awaitable
from .._ledger.counters import Faults, Tally
from .._ledger.entry import Entry, Notified
from .._observer import Event, HookName, PoolObserverOrNone, members
from .._text import error_repr, plain_text
from .log_queue import LogQueue

T = TypeVar("T")


class _Call:
    """A call of observers that is under way in the current context."""

    __slots__ = ("observers", "outer", "over")

    def __init__(self, observers: tuple[object, ...], outer: "_Call | None") -> None:
        self.observers = observers
        self.outer = outer
        # A task or thread that was started in the call has a copy of its context, and may outlive the call.
        self.over = False


# A context belongs to one thread or greenlet: if an observer switches, the other greenlets of its thread are not in it.
_call: ContextVar[_Call | None] = ContextVar("ProxyPatternPool tells an observer", default=None)


class ObserverNotifier(Generic[T]):
    """Notifies a pool's observers of each event once, and of the events of one object in order.

    Which events of an object were reported is recorded in its entry. An event is reported by the thread that has the
    entry at that moment, so two events of an object are reported one after the other. There is one exception:
    maintenance may kill a loan before its borrower has reported it, or while the borrower reports it. In the first case
    the loan is never reported. In the second case the borrower reports its end and closes the object.

    Nothing can be thrown into a thread between the record of an event and the call of the observer. So an interruption
    leaves no end without a beginning, and no beginning without an end.
    """

    def __init__(
        self, observer: PoolObserverOrNone[T], pool: str, label: str, clock: Callable[[], float], log_queue: LogQueue
    ) -> None:
        self._observers = members(observer)
        self._pool = pool
        self._label = label
        self._log_queue = log_queue
        self._clock = clock
        self._failed: set[str] = set()  # the methods a failure of which was logged
        self.silent = False  # True at interpreter exit: an observer's own resources may be gone

    def start_empty(self, tally: Tally, faults: Faults) -> None:
        """Count and remember from the beginning."""
        self._tally = tally
        self._faults = faults

    def __bool__(self) -> bool:
        """Whether there are observers to notify."""
        return bool(self._observers) and not self.silent

    @property
    def busy(self) -> bool:
        """Whether this thread or greenlet is calling one of these observers, so that nothing can be reported now.

        The caller is the observer, which uses the pool, or a signal handler or finalizer that interrupted it. The
        observer may hold a lock of its own, and would wait for itself.
        """
        call = _call.get()
        while call is not None:
            if not call.over and any(one is other for one in self._observers for other in call.observers):
                return True
            call = call.outer
        return False

    def _listens(self) -> bool:
        return bool(self) and not self.busy

    def created(self, entry: Entry[T], took: float) -> None:
        """Report a new object; if that is not possible now, it is reported before its next event."""
        notified = entry.notified
        if notified is not None:
            notified["took"] = took
            if self._listens():
                self._introduce(entry, notified)

    def _introduce(self, entry: Entry[T], notified: Notified) -> None:
        if not notified.get("created"):
            self._tell("created", entry.obj, notified.get("took", 0.0), notified=notified, note="created")

    def lent(self, entry: Entry[T], waited: float) -> bool:
        """Report a new loan, unless an observer borrows; say whether its end is left to the caller: it was killed."""
        # The number of the use is a token. The borrower here and maintenance in is_telling() each begin with
        # setdefault(), so one of them is first. If it is the borrower, each ends with pop(), and one of them gets the
        # token; the other one has to report the end. All these calls are atomic.
        notified, use = entry.notified, entry.uses
        if notified is None or not self._listens() or notified.setdefault(use, 1) == 0:
            return False
        notified.pop(use - 1, None)  # it is still there if that call was interrupted
        self._introduce(entry, notified)
        self._tell("lent", entry.obj, waited, notified=notified, note="loan", mark=use)
        return notified.pop(use, None) is None

    def is_telling(self, entry: Entry[T]) -> bool:
        """Whether the borrower is reporting the entry's last loan, and so its end; if not, it is never reported."""
        notified, use = entry.notified, entry.uses
        return notified is not None and notified.setdefault(use, 0) == 1 and notified.pop(use, None) is not None

    def owes(self, entry: Entry[T]) -> bool:
        """Whether the end of the entry's last loan is still to be reported."""
        return entry.notified is not None and entry.notified.get("loan") == entry.uses and bool(self)

    def returned(self, entry: Entry[T], used: float) -> None:
        """Report the end of the entry's last loan, if its beginning was reported."""
        if self.owes(entry):
            self._tell("returned", entry.obj, used, notified=entry.notified, note="loan", mark=-entry.uses)

    def discarded(self, entry: Entry[T], now: float) -> None:
        """Report the end of an object, and before that the end of its last loan if that was interrupted."""
        notified = entry.notified
        if notified is None:
            return
        self.returned(entry, (entry.last_ret if entry.last_ret > entry.last_get else now) - entry.last_get)
        if self and notified.get("created") and not notified.get("discarded"):
            self._tell("discarded", entry.obj, entry.reason, notified=notified, note="discarded")

    def creation_failed(self, error: BaseException, took: float) -> None:
        """Report a creation that failed, and remember its error."""
        self.remember("creation", error)
        if self._listens():
            self._tell("creation_failed", error, took)

    def remember(self, what: str, error: BaseException | None) -> None:
        """Remember an error, or a health check that returned false, for the status page."""
        try:
            text = "" if error is None else plain_text(str(error))
        except Exception:  # from the user's own __str__
            text = ""
        self._faults.remember(what, "" if error is None else plain_text(type(error).__name__), text, self._clock())

    def timed_out(self, waited: float) -> None:
        """Report a caller that got no object in time."""
        if self._listens():
            self._tell("timed_out", waited)

    def refused(self, waiting: int) -> None:
        """Report a caller that was refused."""
        if self._listens():
            self._tell("refused", waiting)

    def hook_failed(self, hook: HookName, error: BaseException) -> None:
        """Report a hook that raised, and remember its error."""
        self.remember(hook, error)
        if self._listens():
            self._tell("hook_failed", hook, error)

    def _tell(
        self,
        event: Event,
        *details: object,
        notified: Notified | None = None,
        note: str = "told",
        mark: float = 1,
    ) -> None:
        """Call a method of each observer, and record that it was called."""
        notified = {} if notified is None else notified
        call = _Call(self._observers, _call.get())
        context = copy_context()  # so that nothing has to be reset, whatever is thrown into this thread
        context.run(_call.set, call)
        thrown: BaseException | None = None
        try:
            for method_and_arguments in self._calls(event, details, context):
                try:
                    # No call between the record and the call of the observer: nothing can be thrown in there.
                    notified[note] = mark
                    said = context.run(*method_and_arguments)
                    if said is not None:
                        refuse_awaitable(f"observer: its {event}()", said, "it must be a plain method")
                except Exception as error:
                    self._went_wrong(event, error)
                except BaseException as error:  # meant for this thread; the other observers are called nevertheless
                    thrown = error
            if thrown is not None:
                raise thrown
        finally:
            call.over = True
            del thrown  # its traceback has this frame

    def _calls(self, event: Event, details: tuple[object, ...], context: Context) -> list[tuple[Any, ...]]:
        """Look up the methods, which may fail, too: an observer may be a proxy whose object must be created first."""
        calls: list[tuple[Any, ...]] = []
        for one in self._observers:
            try:
                calls.append((context.run(getattr, one, event), self._pool, *details))
            except Exception as error:
                self._went_wrong(event, error)
        return calls

    def _went_wrong(self, event: Event, error: Exception) -> None:
        self._tally.add("observer_errors")
        if event not in self._failed:
            self._failed.add(event)
            self._log_queue.add(
                logging.ERROR,
                "%s: observer failed in %s(): %s; if it does again, that is only counted",
                self._label,
                event,
                error_repr(error),
                error=error,
            )
