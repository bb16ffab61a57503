"""An application with werkzeug's reloader: the parent and the child each say what their pool does."""

from __future__ import annotations

import json
import logging
import threading

from werkzeug.serving import is_running_from_reloader, run_simple

from ProxyPatternPool import Pool

created: list[int] = []


class Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.came = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.getMessage()}")
        self.came.set()


def make(number: int) -> object:
    created.append(number)
    return object()


handler = Lines()
logging.getLogger("ppp").addHandler(handler)
with Pool(make, 3, 2, timeout=10.0, max_avail_delay=60.0, name="db") as pool:
    pool.wait_ready()
    at_once = len(created)
    if not at_once:  # then there is something to be said
        handler.came.wait(10.0)
    with pool.obj():
        used = len(created)
    print(json.dumps({"created": at_once, "created for use": used, "log": handler.lines}), flush=True)

if not is_running_from_reloader():  # else the child ends here, and with it its parent
    run_simple("127.0.0.1", 0, lambda environ, start_response: [], use_reloader=True, reloader_type="stat")
