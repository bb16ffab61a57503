"""Which process this is. The child of a fork is noticed, whoever has forked.

``os.fork`` tells its children, by ``os.register_at_fork``. A fork in C does not: a server that is written in C, such as
uWSGI, has a worker begin with all that its master had, and no word about it. So there is an object with a slot that
lies in a page of its own, and the kernel is asked to empty that page in every child (``MADV_WIPEONFORK``). An empty
slot is an ``AttributeError`` to whoever reads it. What the slot holds is read by every ``get`` anyway, so that this
costs nothing. Where the kernel cannot do it, whoever reads the slot compares the number of the process, which takes
longer.
"""

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

from .._errors import PoolException
from .fork import keep_for_ever
from .native import allocate_lock, get_ident
from .owner import Here, here

_WIPE_ON_FORK = 18  # MADV_WIPEONFORK, since Linux 4.14
_NO_ADVICE = 0x7FFF  # what is no advice: a kernel that accepts it does not look at what it is asked
_LARGEST_PAGE = 16384  # larger ones would take a hundred thousand bytes and more

_POINTER = 8
_PAGE: int = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_PADDING = ("padding",) * (min(_PAGE, _LARGEST_PAGE) // _POINTER)  # slots may have the same name; one can be reached


class _Before:
    """As much as a page, so that the page of what follows begins within the object…"""

    __slots__ = _PADDING


class _Slot(_Before):
    """…the slot itself…"""

    __slots__ = ("here",)

    here: Here
    """Where the caller is. There is none in the child of a fork in which nothing has begun anew yet."""


class Process(_Slot):
    """…and as much as a page, so that it ends within the object: nobody else has anything in it."""

    __slots__ = _PADDING


this_process = Process()
this_process.here = here()


# Noticing. -------------------------------------------------------------------------------------------


def can_wipe(process: Process) -> bool:
    """Have the slot of this process be empty in every child; say whether that can be had."""
    try:
        ctypes: Any = importlib.import_module("ctypes")
        madvise = ctypes.CDLL(None).madvise
    except (ImportError, AttributeError):  # built without it
        return False
    # Trust nothing: the slot is where it should be, its page within the object, and the kernel minds what it is asked.
    start = id(process)
    slot = start + _Slot.__basicsize__ - _POINTER
    page = slot - slot % _PAGE
    within = start + object.__basicsize__ <= page <= start + Process.__basicsize__ - _PAGE
    if not within or ctypes.c_void_p.from_address(slot).value != id(process.here):
        return False
    where, length = ctypes.c_void_p(page), ctypes.c_size_t(_PAGE)
    return bool(madvise(where, length, _NO_ADVICE) != 0 and madvise(where, length, _WIPE_ON_FORK) == 0)


def compare() -> None:
    """Have whoever reads the slot find it empty in a child, by comparing the numbers of the processes."""
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
    """Have children noticed from now on; to be called before there is anything that is not to be used in them."""
    global _watched
    if _watched or not hasattr(os, "fork"):
        return
    if sys.platform == "linux" and sys.implementation.name == "cpython" and can_wipe(this_process):
        keep_for_ever(this_process)  # the page would be emptied whatever else was in it
    else:
        compare()
    _watched = True  # last: to do it twice does no harm


# Beginning anew. ---------------------------------------------------------------------------------------

_steps: list[Callable[[], None]] = []
_due = False
"""Whether the next child was forked by Python, which tells it, and has not begun anew yet."""


def in_child(step: Callable[[], None]) -> None:
    """Have something done in every child, before anything else is; in the order in which it was asked for."""
    _steps.append(step)


class _Beginning:
    """One process that begins anew, by whoever comes first."""

    __slots__ = ("lock", "thread")

    def __init__(self) -> None:
        self.thread = get_ident()
        self.lock = allocate_lock()
        self.lock.acquire()


_beginnings: dict[int, _Beginning] = {}
"""By the number of the process, as long as it takes: what a parent had begun is nothing to its child."""


def notice() -> bool:
    """Begin anew if this is the child of a fork that nobody has told of; say whether it was.

    Raises:
        PoolException: A finalizer or signal handler called it in the middle of this very thread's beginning anew.
    """
    # Not within the function that does it: this is called often.
    if hasattr(this_process, "here"):
        return False
    _begin_anew()
    return True


def is_parents() -> bool:
    """Whether what there is in this process is its parent's; for finalizers, which may do nothing about it."""
    return not hasattr(this_process, "here")


def _told() -> None:
    # Not by the slot alone: in a process namespace of its own a child may have its parent's number.
    if _due or not hasattr(this_process, "here"):
        _begin_anew(told=True)


def _begin_anew(*, told: bool = False) -> None:
    """Do all that is to be done in a child: once, whoever comes at once, and again if it was interrupted."""
    global _due
    number = os.getpid()
    while told or not hasattr(this_process, "here"):
        mine = _Beginning()
        # One call in C: of several threads one is the first.
        first = _beginnings.setdefault(number, mine)
        if first is mine:
            try:
                if told or not hasattr(this_process, "here"):  # else another had been first, and has just finished
                    for step in _steps:
                        step()
                    _due = told = False
                    this_process.here = here()  # last: from now on nobody waits for it
            finally:
                _beginnings.pop(number, None)
                mine.lock.release()
        elif first.thread == mine.thread:
            raise PoolException("called by a finalizer or signal handler while a forked process was beginning anew")
        else:
            with first.lock:
                pass


def refresh() -> None:
    """Look again what the process runs: greenlets may have come into use since the last look."""
    this_process.here = here()


def _before_fork() -> None:
    global _due
    _due = True


os.register_at_fork(before=_before_fork, after_in_child=_told)
