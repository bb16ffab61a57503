"""Asks other processes of this machine, all at once, and within some time."""

import socket
from collections.abc import Mapping
from contextlib import ExitStack

from .._runtime.native import monotonic
from .directory import Directory

MOST = 64 << 20
"""Bytes of an answer that are read."""
SHORTEST = 0.05
"""Seconds for which each is waited for, whatever the others took: its answer has come meanwhile."""


def ask(directory: Directory, questions: Mapping[str, str], seconds: float) -> dict[str, bytes | None]:
    """Ask each process its question; give what it says, or ``None`` for one that says nothing within so many seconds.

    One that has ended is left out, and its socket removed. All of them have the question before the first answer is
    waited for. The sockets are those that the application has: in gevent and eventlet others run meanwhile.
    """
    until = monotonic() + seconds
    answers: dict[str, bytes | None] = {}
    with ExitStack() as stack:
        asked: dict[str, socket.socket] = {}
        for name, question in questions.items():
            try:
                connection = stack.enter_context(socket.socket(socket.AF_UNIX))
                connection.settimeout(_left(until, SHORTEST))
                connection.connect(directory.socket_of(name))
                connection.sendall(question.encode("ascii") + b"\n")
                asked[name] = connection
            except ConnectionRefusedError:
                directory.remove(name)
            except FileNotFoundError:  # removed meanwhile, by its process, or by others that asked it
                pass
            except OSError:  # so many ask it that no more can, it ends at this moment, or there are no more files
                answers[name] = None
        for name, connection in asked.items():
            try:
                answer = _read(connection, max(until, monotonic() + SHORTEST))
            except OSError:  # too late, or it was killed while it answered
                answers[name] = None
            else:
                if answer:  # else its page was dropped at this moment
                    answers[name] = answer
    return answers


def _read(connection: socket.socket, until: float) -> bytes:
    """Read to the end.

    Raises:
        OSError: that is too far away.
    """
    parts: list[bytes] = []
    size = 0
    while size <= MOST:
        connection.settimeout(_left(until, 0.0001))  # 0 would be not to wait at all
        part = connection.recv(1 << 16)
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
    raise OSError("the answer is too long")


def _left(until: float, least: float) -> float:
    return max(least, until - monotonic())
