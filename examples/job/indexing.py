"""The first phase: threads cut the files into passages, and write them through a pool."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from threading import Event

from ProxyPatternPool import Pool
from storage.database import Database

from .display import Display
from .oracle import Oracle
from .phase import Phase
from .texts import Library, row_of

THREADS = 8

BATCH = 16
"""The number of files in one transaction."""


def index(database: Database, library: Library, connections: int, display: Display, stop: Event) -> Phase[str]:
    """Write all files into the table; the results are their paths."""
    oracle = Oracle(database, "writer")
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
        phase = Phase[str]("indexing", "files", len(library.files), THREADS, pool, oracle)

        def write(files: Sequence[str]) -> Sequence[str]:
            # Cut the files first, so that the connection is borrowed only for a short time.
            rows = [row_of(passage) for file in files for passage in library.passages(file)]
            started = time.perf_counter()
            with pool.obj() as connection:
                phase.waits.append(time.perf_counter() - started)
                connection.write(rows)
            return files

        batches = (library.files[start : start + BATCH] for start in range(0, len(library.files), BATCH))
        phase.run([partial(write, batch) for batch in batches], display, stop)
        started = time.perf_counter()
        with pool.obj() as connection:
            connection.finish()
        phase.seconds += time.perf_counter() - started
        phase.rest()
    return phase
