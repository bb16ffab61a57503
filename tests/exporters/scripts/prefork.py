"""A process uses its pool, forks two workers who do so too, and shows what all of them have counted together."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import cast

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from ProxyPatternPool import Pool
from ProxyPatternPool.prometheus import PrometheusObserver

from ...unit.helpers import Thing

# From 3.12 on a fork among threads is warned about; a scheduler has one.
warnings.simplefilter("ignore", DeprecationWarning)
# From 3.15 on the end of the interpreter warns about the files that prometheus_client leaves open.
warnings.filterwarnings("ignore", "unclosed file", ResourceWarning)

observer = PrometheusObserver()
pool = Pool(Thing, 3, 0, name="db", observer=observer)
observer.watch(pool)
with pool.obj():
    pass
for _ in range(2):
    child = os.fork()
    if child == 0:
        for _ in range(4):
            with pool.obj():
                pass
        pool.discard(pool.get())
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0, status

registry = CollectorRegistry()
collect_all = cast("Callable[[CollectorRegistry], object]", MultiProcessCollector)  # it has no types
collect_all(registry)
shown = [line for line in generate_latest(registry).decode().splitlines() if line.startswith("ppp_")]
# Gauges are written once a second, in a thread.
others = ("_bucket{", "_sum{", "ppp_objects", "ppp_waiting")
print("\n".join(sorted(line for line in shown if not any(each in line for each in others))))
