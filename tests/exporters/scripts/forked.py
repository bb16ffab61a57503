"""A process forks while its pool is in use, and is scraped on both sides."""

from __future__ import annotations

import os
import warnings

from prometheus_client import CollectorRegistry

from ProxyPatternPool import Pool
from ProxyPatternPool.prometheus import PrometheusObserver

from ...unit.helpers import Thing

# From 3.12 on a fork among threads is warned about; a scheduler has one.
warnings.simplefilter("ignore", DeprecationWarning)

registry = CollectorRegistry()
observer = PrometheusObserver(registry)
pool = Pool(Thing, 3, 0, name="db", observer=observer)
observer.watch(pool)


def report(who: str) -> None:
    used, idle = (
        registry.get_sample_value("ppp_objects", {"pool": "db", "state": state}) for state in ("used", "idle")
    )
    loans, returns = (
        registry.get_sample_value(f"ppp_{what}_seconds_count", {"pool": "db"}) for what in ("wait", "use")
    )
    print(f"{who}: used {used:g}, idle {idle:g}, loans {loans:g}, returns {returns:g}", flush=True)


held = [pool.get(), pool.get()]
child = os.fork()
if child == 0:
    report("child, at once")
    mine = pool.get()
    report("child, later")
    os._exit(0)
_, status = os.waitpid(child, 0)
assert status == 0, status
report("parent")
