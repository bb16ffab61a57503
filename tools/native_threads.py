"""A plugin of coverage: follow threads that are started without the `threading` module, as those of maintenance are.

Coverage has `threading` install its tracer in each new thread; one started by `_thread.start_new_thread` gets none.
So this replaces that function, for all code that looks it up after coverage has started.

Such a thread may hold the lock of what was measured when another one forks; the child gets a new lock.
"""

import _thread
import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from coverage import Coverage
from coverage.plugin_support import Plugins

_start_new_thread = _thread.start_new_thread


def _run(function: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object]) -> None:
    sys.settrace(threading.gettrace())
    function(*args, **kwargs)


def _start(
    function: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object] | None = None, /
) -> int:
    return _start_new_thread(_run, (function, args, kwargs or {}))


def _renew_lock() -> None:
    measuring: Any = Coverage.current()
    if measuring is not None and measuring._collector.data_lock is not None:
        measuring._collector.data_lock = threading.Lock()


def follow() -> None:
    """Replace the function that starts threads, for all code that looks it up from now on."""
    _thread.start_new_thread = _start


def coverage_init(reg: Plugins, options: Mapping[str, str]) -> None:
    """Do what a plugin does when coverage starts."""
    follow()
    os.register_at_fork(after_in_child=_renew_lock)
