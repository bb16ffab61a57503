"""Run one of the scripts: ``python -m tests.greenlets.run HUB MODE SCRIPT …``.

HUB is gevent or eventlet. MODE says whether it patches the standard library: ``patched``, as applications do first of
all, ``late``, when the pool has been imported already, or ``unpatched``.
"""

from __future__ import annotations

import faulthandler
import importlib
import sys

faulthandler.dump_traceback_later(60, exit=True)  # a script that hangs says where, and fails

# Before the script, and with it the pool, is imported: this patches, as applications do first of all.
from . import green_env  # noqa: E402  # see above

script = importlib.import_module(f"{__package__}.scripts.{sys.argv[3]}")
if green_env.MODE == "late":
    green_env.green.patch()
script.run()
faulthandler.cancel_dump_traceback_later()
