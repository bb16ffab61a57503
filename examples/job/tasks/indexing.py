"""The first phase: tasks cut the files into passages, and write them through a pool."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial

from job.oracle import AsyncOracle
from job.plan import Plan
from job.texts import BATCH, WRITERS
from ProxyPatternPool import AsyncPool
from storage.database import AsyncDatabase

from .working import TaskPhase


async def index(database: AsyncDatabase, plan: Plan) -> TaskPhase[str]:
    """Write all files into the table; the results are their paths."""
    oracle, library = AsyncOracle(database, "writer"), plan.library
    connections = min(database.writers, plan.connections)
    async with AsyncPool(
        oracle.connect,
        max_size=connections,
        min_size=connections,  # connect now, not when the first user waits
        timeout=30.0,
        name="writers",
        retter=lambda connection: connection.rollback(),
        closer=oracle.close,
        tracer=str,
    ) as pool:
        phase = TaskPhase[str]("indexing", "files", len(library.files), WRITERS, pool, oracle)

        async def write(files: Sequence[str]) -> Sequence[str]:
            # Cut the files first, so that the connection is borrowed only for a short time. That takes the processor,
            # so a thread does it, and the event loop goes on.
            rows = await asyncio.to_thread(library.rows, files)
            started = time.perf_counter()
            async with pool.obj() as connection:
                phase.waits.append(time.perf_counter() - started)
                await connection.write(rows)
            return files

        await phase.run([partial(write, batch) for batch in library.batches(BATCH)], plan.display, plan.stop)
        started = time.perf_counter()
        async with pool.obj() as connection:
            await connection.finish()
        phase.seconds += time.perf_counter() - started
        await phase.rest()
    return phase
