"""Whatever ends with an exception that nobody expects, in a thread or where Python can only print it."""

import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from .faults import DIES


@contextmanager
def deaths_noticed(
    complain: Callable[[str], None], expected: Callable[[type[BaseException]], bool]
) -> Generator[None, None, None]:
    """Complain of each thread that dies, and of what is unraisable; Python shows where, as always.

    Args:
        complain: Told what has ended, and of what.
        expected: Whether an exception, that cannot be raised where it was, is one of the test's own.
    """
    of_threads, unraisable = threading.excepthook, sys.unraisablehook

    def of_thread(what: threading.ExceptHookArgs) -> None:
        name = what.thread.name if what.thread is not None else "a thread"
        if what.exc_type is SystemExit and name == DIES:
            return
        complain(f"{name} died of {what.exc_value!r}")
        of_threads(what)

    def of_another(what: "sys.UnraisableHookArgs") -> None:
        if not expected(what.exc_type):
            complain(f"{what.err_msg or 'unraisable'}: {what.exc_value!r} in {what.object!r}")
            unraisable(what)

    threading.excepthook, sys.unraisablehook = of_thread, of_another
    try:
        yield
    finally:
        threading.excepthook, sys.unraisablehook = of_threads, unraisable
