"""Servers in greenlets: ``python -m tests.servers.scripts.hubs HUB MODE FD APPLICATION ORDER…``.

HUB is gevent, served by its pywsgi, or eventlet, by its wsgi. MODE says whether the standard library is patched.
"""

from __future__ import annotations

import faulthandler
import importlib
import sys
from typing import Any

faulthandler.dump_traceback_later(55, exit=True)  # a server that hangs says where, and fails

# First: this patches, as applications do before they import anything else.
from ...greenlets.green_env import green  # noqa: E402  # see above
from ..application import LIFE, ordered  # noqa: E402


def main(hub: str, mode: str, fd: str, *order: str) -> None:
    application = ordered(*order)
    application.pause = green.sleep
    listener = green.socket.socket(fileno=int(fd))
    if hub == "gevent":
        pywsgi: Any = importlib.import_module("gevent.pywsgi")
        server = pywsgi.WSGIServer(listener, application.wsgi, log=None)
        server.start()
        green.eventually(application.stopped.is_set, LIFE)
        server.stop()
    else:
        wsgi: Any = importlib.import_module("eventlet.wsgi")
        serving = green.spawn(lambda: wsgi.server(listener, application.wsgi, log_output=False))
        green.eventually(application.stopped.is_set, LIFE)
        serving.kill()
    application.close()
    print("closed")


main(*sys.argv[1:])
faulthandler.cancel_dump_traceback_later()
