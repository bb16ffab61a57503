"""Servers in threads: ``python -m tests.servers.scripts.threads SERVER FD THREADS APPLICATION ORDER…``.

SERVER is ``werkzeug``, which starts a thread for each request, or ``executor`` or ``waitress``, which keep THREADS.
"""

from __future__ import annotations

import faulthandler
import importlib
import logging
import os
import signal
import socket
import sys
import threading
from typing import Any

from werkzeug.serving import BaseWSGIServer, make_server

from ...unit.helpers import eventually
from ..application import LIFE, PATIENCE, Served, ordered
from ..executor import ExecutorServer, QuietHandler


def serve(server: str, fd: int, threads: int, application: Served) -> None:
    """Serve until the application is asked to stop."""
    made: BaseWSGIServer
    if server == "executor":
        made = ExecutorServer(application.wsgi, fd, threads)
    else:
        made = make_server("127.0.0.1", 0, application.wsgi, True, request_handler=QuietHandler, fd=fd)
    serving = threading.Thread(target=made.serve_forever, args=[0.01])
    serving.start()
    assert application.stopped.wait(LIFE)
    made.shutdown()
    serving.join(PATIENCE)


def serve_waitress(fd: int, threads: int, application: Served) -> None:
    """The same by waitress, which is stopped as on a terminal."""
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # that requests have to wait is the point
    waitress: Any = importlib.import_module("waitress")
    made = waitress.create_server(application.wsgi, sockets=[socket.socket(fileno=fd)], threads=threads)

    def interrupt() -> None:
        assert application.stopped.wait(LIFE)
        eventually(lambda: not made.active_channels)  # the last answer is sent
        os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored in what a shell runs in the background
    threading.Thread(target=interrupt).start()
    made.run()
    made.close()


def main(server: str, fd: str, threads: str, *order: str) -> None:
    application = ordered(*order)
    if server == "waitress":
        serve_waitress(int(fd), int(threads), application)
    else:
        serve(server, int(fd), int(threads), application)
    application.close()
    print("closed")


faulthandler.dump_traceback_later(LIFE + 5, exit=True)  # a server that hangs says where, and fails
main(*sys.argv[1:])
faulthandler.cancel_dump_traceback_later()
