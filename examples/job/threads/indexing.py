"""The first phase: threads cut the files into passages, and write them through a pool."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from job.oracle import Oracle
from job.plan import Plan
from job.texts import BATCH, WRITERS
from ProxyPatternPool import Pool
from storage.database import Database

from .working import ThreadPhase


def index(database: Database, plan: Plan) -> ThreadPhase[str]:
    """Write all files into the table; the results are their paths."""
    oracle, library = Oracle(database, "writer"), plan.library
    connections = min(database.writers, plan.connections)
    with Pool(
        oracle.connect,
        max_size=connections,
        min_size=connections,  # connect now, not when the first user waits
        timeout=30.0,
        name="writers",
        retter=lambda connection: connection.rollback(),
        closer=oracle.close,
        tracer=str,
    ) as pool:
        phase = ThreadPhase[str]("indexing", "files", len(library.files), WRITERS, pool, oracle)

        def write(files: Sequence[str]) -> Sequence[str]:
            # Cut the files first, so that the connection is borrowed only for a short time.
            rows = library.rows(files)
            started = time.perf_counter()
            with pool.obj() as connection:
                phase.waits.append(time.perf_counter() - started)
                connection.write(rows)
            return files

        phase.run([partial(write, batch) for batch in library.batches(BATCH)], plan.display, plan.stop)
        started = time.perf_counter()
        with pool.obj() as connection:
            connection.finish()
        phase.seconds += time.perf_counter() - started
        phase.rest()
    return phase
