"""What a pool and a pooled object take in memory.

Method: tracemalloc, which counts what Python allocates; the stacks of threads a pool runs are not in it. After one pool
has been made and closed, so that one-time costs are paid, the difference between pools of 1 and of many objects gives
the bytes per object, less the object itself; many pools of one object, less that object and its share, give the bytes
per pool.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from dataclasses import asdict, dataclass

from benchmarks import contenders
from benchmarks.contenders import AnyContender, Build, Connect, FakeConnection
from benchmarks.options import Options
from benchmarks.report import Progress, Section, Table

TITLE = "Memory"
BUILDS: tuple[Build, ...] = (
    contenders.Ours,
    contenders.OursWatched,
    contenders.LockList,
    contenders.SemaphoreList,
    contenders.LifoQueue,
    contenders.PsycopgPool,
    *contenders.QUEUE_POOL,
    contenders.DbUtilsPool,
    contenders.GenericPool,
)


@dataclass(frozen=True)
class Footprint:
    """Bytes."""

    per_object: float
    per_pool: float


def traced(make: Callable[[], object]) -> int:
    """Count the bytes that are still allocated after `make`, as long as what it returned is alive."""
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    kept = make()
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    del kept
    return after - before


def pools_of(build: Build, pools: int, size: int) -> int:
    """Count the bytes of some pools with that many objects each."""
    made: list[AnyContender] = []

    def make() -> None:
        connect = Connect()
        made.extend(build(connect, size) for _ in range(pools))

    taken = traced(make)
    for pool in made:
        pool.close()
    return taken


def footprint(build: Build, objects: int, pools: int, connection: float) -> Footprint:
    """Measure one contender, given what a connection takes by itself."""
    pools_of(build, 1, 1)
    small, large = pools_of(build, 1, 1), pools_of(build, 1, objects)
    per_object = (large - small) / (objects - 1) - connection
    per_pool = pools_of(build, pools, 1) / pools - connection - per_object
    return Footprint(per_object, per_pool)


def measure(options: Options, progress: Progress) -> dict[str, Footprint]:
    """Measure all contenders."""
    objects, pools = options.pick(2_000, 100), options.pick(40, 3)
    results: dict[str, Footprint] = {}
    gc.collect()
    gc.freeze()  # what is there now stays: the many collections below need not look at it
    tracemalloc.start()
    try:
        # One list of many: its own pointers are part of what a pool needs, so they stay out.
        connection = traced(lambda: [FakeConnection() for _ in range(objects)]) / objects - 8
        for build in BUILDS:
            pool = build(Connect(), 1)
            name = pool.name
            pool.close()
            progress(name)
            results[name] = footprint(build, objects, pools, connection)
    finally:
        tracemalloc.stop()
        gc.unfreeze()
    return results


def run(options: Options, progress: Progress) -> Section:
    """Measure and report."""
    results = measure(options, progress)
    rows = [[name, f"{found.per_object:,.0f}", f"{found.per_pool:,.0f}"] for name, found in results.items()]
    table = Table(
        "Memory of pools and of the objects in them",
        ["pool", "bytes per idle object", "bytes per pool"],
        rows,
        "By tracemalloc, beyond the pooled objects themselves; without the stacks of threads.",
    )
    data = {name: asdict(found) for name, found in results.items()}
    return Section("memory", TITLE, [table], [], data)
