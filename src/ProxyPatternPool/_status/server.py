"""Answers other processes of this machine that ask what the pools of this one do: in a thread of its own."""

import _socket
import weakref
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any, Protocol

from .._inspect.periodic import Periodic
from .._runtime.native import allocate_lock
from .._scheduler.scheduler import Scheduler
from .directory import Directory, new_name

LOOK_AGAIN = 10.0
"""Seconds after which the thread looks whether it is still needed, and its socket still there; it is started again
after as many if it has failed."""
PATIENCE = 1.0
"""Seconds that one who asks may take to ask, or to read, while others wait."""
_LONGEST_QUESTION = 100


class Answers(Protocol):
    """What knows the answers."""

    def answer(self, question: str) -> bytes | None:
        """The answer to a question of another process; ``None``: there is none."""
        ...


class Server(Periodic):
    """Listens at a socket in a directory, from the first use of a pool on.

    The sockets here are those of the interpreter, which no library patches: the thread is a native one, which answers
    whatever the application's threads, greenlets and event loops do. It ends once what it answers for is dropped.
    """

    def __init__(self, directory: Directory, answers: Answers, scheduler: Scheduler | None = None) -> None:
        self._directory = directory
        self._answers = weakref.ref(answers)
        self._start_empty()
        super().__init__(LOOK_AGAIN, scheduler)

    def _start_empty(self) -> None:
        """Begin with no socket and no thread: at construction, and in the child of a fork."""
        self.name = new_name()
        self._listening: _socket.socket | None = None
        # Held as long as there is a thread, or one is being started.
        self._has_thread = allocate_lock()
        self._ended = False

    def __repr__(self) -> str:
        return "the status page of all processes"

    def do(self) -> None:
        """Have a thread that answers, if there is none; from any thread."""
        if self._ended or not self._has_thread.acquire(False):
            return
        if not self.scheduler.run_in_thread("ppp-status", self.serve):
            self._has_thread.release()

    def after_fork(self) -> None:
        """Start anew in a child, under another name: else its parent would seem to listen after its end."""
        if self._listening is not None:
            self._listening.close()
        self._start_empty()
        super().after_fork()

    def close_at_exit(self) -> list[Callable[[], None]]:
        """Answer no more."""
        self._ended = True
        self._wake()
        self._directory.remove(self.name)
        return super().close_at_exit()

    def _wake(self) -> None:
        """Have the thread look whether it is still needed: it must end where the interpreter waits for it."""
        with suppress(OSError), closing(_socket.socket(_socket.AF_UNIX)) as connection:
            connection.setblocking(False)
            connection.connect(self._directory.socket_of(self.name))

    # The thread. -----------------------------------------------------------------------------------------

    def serve(self) -> None:
        """Answer one after another, until nobody needs it, or it fails."""
        try:
            while self._answer_next():
                self.be_content()
        except Exception as error:  # the directory is gone, or there are no more files to be had
            self.complain(error, "other processes do not see the pools of this one on the status page: %s")
        finally:
            self._close()
            self._has_thread.release()

    def _close(self) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        self._directory.remove(self.name)

    def _answer_next(self) -> bool:
        """Wait for the next who asks, for some time, and answer; say whether to go on."""
        listening: Any = self._listen()
        try:
            file: int = listening._accept()[0]  # which the checkers do not know
        except TimeoutError:
            return self._needed_for() is not None
        with closing(_socket.socket(fileno=file)) as connection:
            answers = self._needed_for()
            if answers is None:
                return False
            with suppress(OSError):  # he has gone, or takes too long
                _answer(connection, answers)
        return True

    def _listen(self) -> _socket.socket:
        """The socket that listens; anew if it was removed, as those do who clear the directory."""
        if self._listening is not None:
            if self._directory.has(self.name):
                return self._listening
            self._listening.close()
        self._directory.check()
        # Noted first: the child of a fork closes it.
        self._listening = _socket.socket(_socket.AF_UNIX)
        self._directory.place(self.name, self._listening)
        self._listening.settimeout(LOOK_AGAIN)
        return self._listening

    def _needed_for(self) -> Answers | None:
        return None if self._ended else self._answers()


def _answer(connection: _socket.socket, answers: Answers) -> None:
    """Hear a question, and answer it.

    Raises:
        OSError: who asks has gone, or takes too long.
    """
    connection.settimeout(PATIENCE)
    question = b""
    while not question.endswith(b"\n"):
        part = connection.recv(_LONGEST_QUESTION)
        question += part
        if not part or len(question) > _LONGEST_QUESTION:
            return
    connection.sendall(answers.answer(question.decode("ascii", "replace").strip()) or b"")
    # The end is told: to close does not tell it if a process that was forked meanwhile has the connection, too.
    connection.shutdown(_socket.SHUT_WR)
