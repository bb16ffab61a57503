"""What must have happened in a stress that is long enough."""

import os
from collections.abc import Mapping

from ProxyPatternPool._runtime.native import GIL

from .faults import TIME_FOR_LONG_PAUSE

POSIX = os.name == "posix"
OF_THREADS = ("interrupted", "died", "nrecycled", "nshed", "ncleared")
OF_TASKS = ("cancelled", "limited", "failed", "housekept")
OF_ALL = (
    *("borrowed", "creation failed", "timed out", "calm", "nkilled", "nwornout"),
    *("drained", "cleared", "resized", "ready", "ndrained"),
    *("clock set", "frozen", "threads refused"),
)


def enough(kind: str) -> float:
    """The seconds in which all of it happens."""
    return 20.0 if kind == "threads" else 8.0


def missing(kind: str, seconds: float, did: Mapping[str, int]) -> list[str]:
    """Name what has never happened and must have, in a stress of such a kind and time."""
    demanded = [*OF_ALL, *(OF_THREADS if kind == "threads" else OF_TASKS)]
    if POSIX:
        demanded += ["signalled", "stopped", "files refused"]
        demanded += ["stopped for 10 s"] if seconds >= TIME_FOR_LONG_PAUSE else []
        demanded += ["forked"] if kind == "threads" and GIL else []
    return [what for what in demanded if did.get(what, 0) == 0]
