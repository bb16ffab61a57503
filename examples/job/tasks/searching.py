"""The second phase: clients ask the website, whose tasks share a few connections through a pool."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from async_website.app import create_app
from async_website.database import create_pool
from job import searching
from job.oracle import AsyncOracle
from job.plan import Plan
from job.searching import CLIENTS, VISITORS, Answer, Search, path_of
from job.texts import Query
from storage.database import AsyncDatabase

from .site import Site, Waits
from .working import Job, TaskPhase


async def search(database: AsyncDatabase, plan: Plan) -> Search:
    """Ask all queries. After a third of them connections are broken on purpose."""
    queries, display = plan.queries, plan.display
    oracle, waits = AsyncOracle(database, "website"), Waits()
    pool = create_pool(oracle.connect, oracle.close, plan.connections, waits)
    phase = TaskPhase[Answer]("searching", "queries", len(queries), CLIENTS, pool, oracle)
    async with Site(create_app(pool), waits) as site:
        searching.announce(display, site.status_page, hold=plan.hold)

        async def ask(query: Query) -> Sequence[Answer]:
            return [Answer.of(query, await site.get(path_of(query)))]

        async def accident() -> Sequence[Answer]:
            searching.announce_accident(display, phase)
            phase.broken = await database.wreck(pool)
            return []

        jobs: list[Job[Answer]] = [partial(ask, query) for query in queries]
        jobs.insert(len(jobs) // 3, accident)
        await phase.run(jobs, display, plan.stop)
        files, rows = await site.get("/count")
        phase.waits = list(site.waits)
        if plan.hold:
            searching.announce_visitors(display, site.status_page)
            async with visitors(site, queries):
                while not plan.stop.is_set():
                    await asyncio.sleep(0.2)
                plan.stop.clear()
        await phase.rest()
    searching.announce_end(display, phase)
    return Search(phase, site, files, rows)


@asynccontextmanager
async def visitors(site: Site, queries: Sequence[Query]) -> AsyncGenerator[None, None]:
    """Run a few clients that search the website, with a short pause between two queries."""
    gone = False

    async def visit(number: int) -> None:
        choice = random.Random(number)
        while not gone:
            await asyncio.sleep(choice.expovariate(20))
            await site.get(path_of(choice.choice(queries)))

    visiting = [asyncio.create_task(visit(number), name=f"visitor {number}") for number in range(VISITORS)]
    try:
        yield
    finally:
        gone = True
        await asyncio.gather(*visiting)
