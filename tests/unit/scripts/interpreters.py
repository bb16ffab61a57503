"""A pool in another interpreter than the main one, which ends before the process does; or in one taken for such."""

from __future__ import annotations

import importlib
import os
import sys
from types import SimpleNamespace
from typing import Any, cast

SILENT = """
import sys
sys.path[:] = {path!r}
"""
USE = """
import os

from ProxyPatternPool import Pool, proxy

def close(thing):
    os.write(1, f"closed {thing}\\n".encode())

pool = Pool(lambda number: [number], 3, 2, max_avail_delay=60.0, closer=close)
held = pool.get()
with pool.lease() as other:
    print("lent", held, other, flush=True)
db = proxy(fun=lambda number: {"number": number}, max_size=2, closer=close)
db.setdefault("number", 1)
"""


def another(kind: str) -> None:
    """Run it in another interpreter, and end that."""
    for variable in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
        os.environ.pop(variable, None)  # what measures coverage cannot be imported twice, and says so
    text = SILENT.format(path=sys.path) + USE
    interpreters: Any
    if sys.version_info >= (3, 13):
        interpreters = importlib.import_module("_interpreters")
        made = interpreters.create(kind)
        assert interpreters.run_string(made, text) is None
    else:
        interpreters = importlib.import_module("_xxsubinterpreters")
        made = interpreters.create(isolated=kind == "isolated")
        interpreters.run_string(made, text)
    interpreters.destroy(made)
    print("ended", flush=True)


def taken_for_another() -> None:
    """Run it in this one, whose end waits for all threads, as that of another."""
    cast("dict[str, object]", sys.modules)["_xxsubinterpreters"] = SimpleNamespace(get_current=int, get_main=object)
    vars(importlib.import_module("_thread"))["_is_main_interpreter"] = bool
    exec(compile(USE, "use", "exec"), {})
    print("ended", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        another(sys.argv[1])
    else:
        taken_for_another()
