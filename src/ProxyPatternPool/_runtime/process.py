"""Which process this is. The child of a fork is noticed, whoever has forked, and starts anew.

``os.fork`` tells its children, by ``os.register_at_fork``. A fork in C does not: a server that is written in C, such as
uWSGI, has a worker begin with all that its master had, and tells nobody. So there is an object with a slot that lies
in a page of its own, and the kernel is asked to empty that page in every child (``MADV_WIPEONFORK``). An empty slot is
an ``AttributeError`` to whoever reads it. What the slot holds is read by every ``get`` anyway, so that this costs
nothing. Where the kernel cannot do it, whoever reads the slot compares the id of the process, which takes longer.
"""

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

from .._errors import PoolException
from .fork import never_free
from .native import get_ident, new_rlock
from .owner import Here, here

_WIPE_ON_FORK = 18  # MADV_WIPEONFORK, since Linux 4.14
_NO_ADVICE = 0x7FFF  # no kernel knows it: one that accepts it does not look at what it is asked
_LARGEST_PAGE = 16384  # an object around a larger one would take a hundred thousand bytes and more

_POINTER = 8
_PAGE: int = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_PADDING = ("padding",) * (min(_PAGE, _LARGEST_PAGE) // _POINTER)  # slots may have the same name; one can be reached


class _Before:
    """As much as a page, so that the page of the slot begins within the object."""

    __slots__ = _PADDING


class _Slot(_Before):
    """The slot, between the two paddings."""

    __slots__ = ("here",)

    here: Here
    """Tells who the caller is. It is missing in the child of a fork that has not started anew yet."""


class Process(_Slot):
    """As much as a page again, so that the page ends within the object: nothing else is in it."""

    __slots__ = _PADDING


this_process = Process()
this_process.here = here()


# Noticing a fork. ------------------------------------------------------------------------------------


def wipe_on_fork(process: Process) -> bool:
    """Have the kernel empty the slot in every child; say whether it will."""
    try:
        ctypes: Any = importlib.import_module("ctypes")
        madvise = ctypes.CDLL(None).madvise
    except (ImportError, AttributeError):  # built without it
        return False
    # Check everything: where the slot is, that its page is within the object, that the kernel reads what it is asked.
    start = id(process)
    slot = start + _Slot.__basicsize__ - _POINTER
    page = slot - slot % _PAGE
    within = start + object.__basicsize__ <= page <= start + Process.__basicsize__ - _PAGE
    if not within or ctypes.c_void_p.from_address(slot).value != id(process.here):
        return False
    where, length = ctypes.c_void_p(page), ctypes.c_size_t(_PAGE)
    return bool(madvise(where, length, _NO_ADVICE) != 0 and madvise(where, length, _WIPE_ON_FORK) == 0)


def compare_process_ids() -> None:
    """Have whoever reads the slot find it empty in a child, by comparing the ids of the processes."""
    slot: Any = vars(_Slot)["here"]
    owner = os.getpid()

    def get(process: Process) -> Here:
        if os.getpid() != owner:
            raise AttributeError("here")
        found: Here = slot.__get__(process)
        return found

    def put(process: Process, value: Here) -> None:
        nonlocal owner
        owner = os.getpid()
        slot.__set__(process, value)

    setattr(_Slot, "here", property(get, put))  # noqa: B010  # a checker would see the attribute change its type


_watched = False


def watch_for_forks() -> None:
    """Notice forks from now on; to be called before there is anything that a child must not use."""
    global _watched
    if _watched or not hasattr(os, "fork"):
        return
    if sys.platform == "linux" and sys.implementation.name == "cpython" and wipe_on_fork(this_process):
        never_free(this_process)  # freed, it would have whatever comes into its page emptied
    else:
        compare_process_ids()
    _watched = True  # last: to do it twice does no harm


# Starting anew. ----------------------------------------------------------------------------------------

_steps: list[Callable[[], None]] = []
_forking = False
"""Whether Python has begun to fork since this process last started anew: a child knows it by that."""


def call_in_child(step: Callable[[], None]) -> None:
    """Have a function called in every child, before anything else is done; the first registered comes first."""
    _steps.append(step)


class _Restart:
    """One process that starts anew, in the thread that comes first."""

    __slots__ = ("lock", "thread")

    def __init__(self) -> None:
        self.thread = get_ident()
        self.lock = new_rlock()
        self.lock.acquire()


_restarts: dict[int, _Restart] = {}
"""By the id of the process, as long as it takes: what a parent had begun does not count in its child."""


def notice_fork() -> bool:
    """Start anew if this is the child of a fork in C; say whether it was.

    Raises:
        PoolException: A finalizer or signal handler called it while this very thread was starting anew.
    """
    # Not in _start_anew(): this is called often.
    if hasattr(this_process, "here"):
        return False
    _start_anew()
    return True


def belongs_to_parent() -> bool:
    """Whether the pools of this process are still its parent's; for finalizers, which must not start anew."""
    return not hasattr(this_process, "here")


def _after_fork_in_child() -> None:
    # Not by the slot alone: in a process namespace of its own a child may have its parent's id.
    if _forking or not hasattr(this_process, "here"):
        _start_anew(forked=True)


def _start_anew(*, forked: bool = False) -> None:
    """Call all functions of `call_in_child`: once, though several threads come at once, and again if interrupted."""
    global _forking
    process_id = os.getpid()
    while forked or not hasattr(this_process, "here"):
        mine = _Restart()
        # One call in C: of several threads one is the first.
        first = _restarts.setdefault(process_id, mine)
        if first is mine:
            try:
                if forked or not hasattr(this_process, "here"):  # else another had been first, and has just finished
                    for step in _steps:
                        step()
                    _forking = forked = False
                    this_process.here = here()  # last: from now on nobody waits for it
            finally:
                _restarts.pop(process_id, None)
                mine.lock.release()
        elif first.thread == mine.thread:
            raise PoolException("called by a finalizer or signal handler while a forked process was starting anew")
        else:
            with first.lock:
                pass


def refresh_here() -> None:
    """Note whether greenlets are in use: they may have come into use since this was last called."""
    this_process.here = here()


def _before_fork() -> None:
    global _forking
    _forking = True


if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)
