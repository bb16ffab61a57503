"""Tells observers what happens. Never with a lock held, and never in the middle of what an observer is being told."""

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
    """Observers are being called: by whom does not matter, the context knows."""

    __slots__ = ("observers", "outer", "over")

    def __init__(self, observers: tuple[object, ...], outer: "_Call | None") -> None:
        self.observers = observers
        self.outer = outer
        # Whoever was begun with a copy of the context, a task or a thread, goes on after the call.
        self.over = False


# A context belongs to one thread or greenlet: if the observer switches, the thread's others are not in the call.
_call: ContextVar[_Call | None] = ContextVar("ProxyPatternPool tells an observer", default=None)


class ObserverNotifier(Generic[T]):
    """Tells a pool's observers of each event once, those of one object in order.

    What was told of an object is noted with its entry. It is told by whoever has the entry in hand at that moment, so
    of two events of an object one is told after the other. There is one exception, the house keeper who ends a loan
    that is kept too long: he may come before the borrower has told of it, in whatever that was held up. Then nobody
    ever tells of that loan. Or he comes while the borrower tells of it; then the borrower sees to the end, afterwards.

    Nothing can be thrown into a thread between a note and the call of the observer that it is about, so what is
    interrupted leaves no end without a beginning, and no beginning without an end.
    """

    def __init__(
        self, observer: PoolObserverOrNone[T], pool: str, label: str, clock: Callable[[], float], log_queue: LogQueue
    ) -> None:
        self._observers = members(observer)
        self._pool = pool
        self._label = label
        self._log_queue = log_queue
        self._clock = clock
        self._failed: set[str] = set()  # the methods whose failure was logged
        self.silent = False  # at interpreter exit: an observer's own resources may be gone
        self.start_empty(Tally(), Faults(0))

    def start_empty(self, tally: Tally, faults: Faults) -> None:
        """Count and remember anew."""
        self._tally = tally
        self._faults = faults

    def __bool__(self) -> bool:
        """Whether there is anyone to tell."""
        return bool(self._observers) and not self.silent

    @property
    def busy(self) -> bool:
        """Whether this thread or greenlet is telling one of these observers something: nothing can be told now.

        It is the observer that uses the pool, or something that interrupted it: a signal handler, a finalizer. The
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
        """Tell of a new object; with the next that is told of it, if this is no time."""
        notified = entry.notified
        if notified is not None:
            notified["took"] = took
            if self._listens():
                self._introduce(entry, notified)

    def _introduce(self, entry: Entry[T], notified: Notified) -> None:
        if not notified.get("created"):
            self._tell("created", entry.obj, notified.get("took", 0.0), notified=notified, note="created")

    def lent(self, entry: Entry[T], waited: float) -> bool:
        """Tell of a new loan, unless an observer borrows; say whether its end was left to the caller."""
        # The number of the use is a token. Borrower and house keeper each begin with setdefault(), so one of them is
        # first; if it is the borrower, each ends with pop(), and one of them gets it. All are atomic.
        notified, use = entry.notified, entry.uses
        if notified is None or not self._listens() or notified.setdefault(use, 1) == 0:
            return False
        notified.pop(use - 1, None)  # it is still there if that was interrupted
        self._introduce(entry, notified)
        self._tell("lent", entry.obj, waited, notified=notified, note="loan", mark=use)
        return notified.pop(use, None) is None

    def is_telling(self, entry: Entry[T]) -> bool:
        """Whether the borrower is telling of the entry's last loan, and sees to the end; if not, it never will be."""
        notified, use = entry.notified, entry.uses
        return notified is not None and notified.setdefault(use, 0) == 1 and notified.pop(use, None) is not None

    def owes(self, entry: Entry[T]) -> bool:
        """Whether the end of the entry's last loan is to be told."""
        return entry.notified is not None and entry.notified.get("loan") == entry.uses and bool(self)

    def returned(self, entry: Entry[T], used: float) -> None:
        """Tell of the end of the entry's last loan, if that was told of."""
        if self.owes(entry):
            self._tell("returned", entry.obj, used, notified=entry.notified, note="loan", mark=-entry.uses)

    def discarded(self, entry: Entry[T], now: float) -> None:
        """Tell of the end of an object, and before that of its last loan, if whoever was to tell was interrupted."""
        notified = entry.notified
        if notified is None:
            return
        self.returned(entry, (entry.last_ret if entry.last_ret > entry.last_get else now) - entry.last_get)
        if self and notified.get("created") and not notified.get("discarded"):
            self._tell("discarded", entry.obj, entry.reason, notified=notified, note="discarded")

    def creation_failed(self, error: BaseException, took: float) -> None:
        """Tell of a creation that failed, and remember it."""
        self.remember("creation", error)
        if self._listens():
            self._tell("creation_failed", error, took)

    def remember(self, what: str, error: BaseException | None) -> None:
        """Remember an error, or a health check that said no, for those who look later."""
        try:
            text = "" if error is None else plain_text(str(error))
        except Exception:  # from the user's own __str__
            text = ""
        self._faults.remember(what, "" if error is None else plain_text(type(error).__name__), text, self._clock())

    def timed_out(self, waited: float) -> None:
        """Tell of a caller that got nothing in time."""
        if self._listens():
            self._tell("timed_out", waited)

    def refused(self, waiting: int) -> None:
        """Tell of a caller that may not wait."""
        if self._listens():
            self._tell("refused", waiting)

    def hook_failed(self, hook: HookName, error: BaseException) -> None:
        """Tell of a hook that raised, and remember it."""
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
        """Call a method of each observer, and note that it was."""
        notified = {} if notified is None else notified
        call = _Call(self._observers, _call.get())
        context = copy_context()  # so that there is nothing to reset, whatever is thrown into this thread
        context.run(_call.set, call)
        thrown: BaseException | None = None
        try:
            for method_and_arguments in self._calls(event, details, context):
                try:
                    # No call between the note and the call that it is about: nothing can be thrown in there.
                    notified[note] = mark
                    said = context.run(*method_and_arguments)
                    if said is not None:
                        refuse_awaitable(f"observer: its {event}()", said, "it must be a plain method")
                except Exception as error:
                    self._went_wrong(event, error)
                except BaseException as error:  # meant for this thread; the other observers are told nevertheless
                    thrown = error
            if thrown is not None:
                raise thrown
        finally:
            call.over = True
            del thrown  # its traceback has this frame

    def _calls(self, event: Event, details: tuple[object, ...], context: Context) -> list[tuple[Any, ...]]:
        """Look up what to call, which may fail, too: an observer can be a proxy of one that is to be made first."""
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
