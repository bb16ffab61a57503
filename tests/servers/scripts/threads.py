"""Servers in threads: ``python -m tests.servers.scripts.threads SERVER FD SCOPE WAY TIMEOUT MEETING``.

SERVER is ``werkzeug``, which starts a thread for each request, or ``executor``, which has four for all.
"""

from __future__ import annotations

import faulthandler
import sys
import threading

from werkzeug.serving import BaseWSGIServer, make_server

from ..application import LIFE, PATIENCE, Application
from ..executor import ExecutorServer, QuietHandler


def main(server: str, fd: str, *order: str) -> None:
    application = Application.ordered(*order)
    made: BaseWSGIServer
    if server == "executor":
        made = ExecutorServer(application.wsgi, int(fd))
    else:
        made = make_server("127.0.0.1", 0, application.wsgi, True, request_handler=QuietHandler, fd=int(fd))
    serving = threading.Thread(target=made.serve_forever, args=[0.01])
    serving.start()
    assert application.stopped.wait(LIFE)
    made.shutdown()
    serving.join(PATIENCE)
    application.close()
    print("closed")


faulthandler.dump_traceback_later(LIFE + 5, exit=True)  # a server that hangs says where, and fails
main(*sys.argv[1:])
faulthandler.cancel_dump_traceback_later()
