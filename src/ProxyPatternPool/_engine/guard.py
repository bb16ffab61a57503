"""The lock of one pool, and who holds it."""

import inspect
from collections.abc import Callable
from itertools import islice
from types import CodeType
from typing import Any, TypeVar

from typing_extensions import TypeVarTuple, Unpack

from .._errors import PoolException
from .._ledger.ledger import Ledger
from .._runtime.caller import outwards
from .._runtime.hubs import pause
from .._runtime.native import LOCKS_ARE_FORGOTTEN, allocate_lock, get_ident

Ts = TypeVarTuple("Ts")
R = TypeVar("R")

PAUSE = 0.001
"""Seconds between two looks whether another greenlet of the same thread has finished its step."""


class Reentered(PoolException):
    """A finalizer or signal handler came to a pool in the middle of one of its locked steps, in the same thread."""


class Guard:
    """Does steps of the ledger, one at a time."""

    def __init__(self, label: str) -> None:
        self._label = label

    def start_empty(self, ledger: Ledger[Any]) -> None:
        """Guard a new ledger, with nobody in a step."""
        self.lock = allocate_lock()
        self._holder = 0  # the thread that is within a locked step
        self._wake_all = ledger.waiters.wake_all

    def locked(self, step: Callable[[Unpack[Ts]], R], *args: Unpack[Ts]) -> R:
        """Do one step of the ledger with the lock held.

        ``with`` on a lock in C leaves no moment in which the lock is held and not yet guarded, but on Python 3.14. A
        signal handler may run in that one, and would wait for itself if it came to this pool. Whatever is thrown into
        this thread in the middle of the step, nobody sleeps on for it: every waiter looks.

        Raises:
            Reentered: This thread or greenlet is within a step already. The step allocates, so the collector may run in
                it, and signal handlers: a user's finalizer or handler that comes here would wait for itself for ever.
        """
        me = get_ident()
        if self._holder == me:
            self._let_others_finish(me)
        if LOCKS_ARE_FORGOTTEN:
            return self._noted(me, step, *args)
        lock, entered = self.lock, False
        failed: BaseException | None = None
        try:
            with lock:
                try:
                    try:
                        self._holder = me
                        entered = True
                        return step(*args)
                    except BaseException:
                        self._wake_all()
                        raise
                    finally:
                        self._holder = 0
                except BaseException as error:
                    failed = error
                    raise
        except MemoryError as error:
            # The end of `with` makes a tuple. Without memory for that the lock would be held for ever.
            if entered and error is not failed:
                lock.release()
            raise
        finally:
            del failed  # its traceback has this frame

    def _noted(self, me: int, step: Callable[[Unpack[Ts]], R], *args: Unpack[Ts]) -> R:
        """Do the same where ``with`` is not enough: one call in C acquires the lock and notes that it is held."""
        held: list[bool] = []
        try:
            held.extend(map(self.lock.acquire, (True,)))
            self._holder = me
            return step(*args)
        except BaseException:
            if held:
                self._wake_all()
            raise
        finally:
            if held:
                self._holder = 0
                self.lock.release()

    def _let_others_finish(self, me: int) -> None:
        """Wait for another greenlet of this thread in the middle of a step: a finalizer that ran in it has switched.

        The lock is a native one, for which a greenlet would wait with its whole thread, and so with that other.
        """
        if not self.within_step(inner=2):
            while self._holder == me and pause(PAUSE):
                pass
        if self._holder == me:
            raise Reentered(f"{self._label} is called by a finalizer or signal handler in the middle of its own work")

    def within_step(self, inner: int = 1) -> bool:
        """Whether whoever asks was called within a step, by a finalizer or signal handler.

        The holder is noted by its thread, which costs least. If it is this thread it may be another greenlet: one is in
        a step if its own frames say so, and those of another are not among them.

        Args:
            inner: How many of the innermost frames are not looked at, beside the one of this function.
        """
        if self._holder != get_ident():
            return False
        # In no variable: a frame that refers to itself would keep all others alive until the collector comes.
        return any(
            frame.f_code is _LOCKED and frame.f_locals.get("self") is self
            for frame in islice(outwards(inspect.currentframe()), inner + 1, None)
        )


_LOCKED: CodeType = Guard.locked.__code__
