"""The second phase: clients ask the website, whose threads share a few connections through a proxy."""

from __future__ import annotations

import random
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Event, Thread

from job import searching
from job.oracle import Oracle
from job.plan import Plan
from job.searching import CLIENTS, VISITORS, Answer, Search, path_of
from job.texts import Query
from ProxyPatternPool import control
from storage.database import Database
from website.app import create_app
from website.database import db

from .site import Site
from .working import Job, ThreadPhase


def search(database: Database, plan: Plan) -> Search:
    """Ask all queries. After a third of them connections are broken on purpose."""
    queries, display = plan.queries, plan.display
    oracle = Oracle(database, "website")
    app = create_app(oracle.connect, oracle.close, plan.connections)
    pool = control(db).pool
    assert pool is not None  # create_app has set it
    with pool:
        phase = ThreadPhase[Answer]("searching", "queries", len(queries), CLIENTS, pool, oracle)
        with Site(app) as site:
            searching.announce(display, site.status_page, hold=plan.hold)

            def ask(query: Query) -> Sequence[Answer]:
                return [Answer.of(query, site.get(path_of(query)))]

            def accident() -> Sequence[Answer]:
                searching.announce_accident(display, phase)
                phase.broken = database.wreck(pool)
                return []

            jobs: list[Job[Answer]] = [partial(ask, query) for query in queries]
            jobs.insert(len(jobs) // 3, accident)
            phase.run(jobs, display, plan.stop)
            files, rows = site.get("/count")
            if plan.hold:
                searching.announce_visitors(display, site.status_page)
                site.measuring = False
                with visitors(site, queries):
                    while not plan.stop.is_set():
                        time.sleep(0.2)
                    plan.stop.clear()
        phase.waits = site.waits
        phase.rest()
    searching.announce_end(display, phase)
    return Search(phase, site, files, rows)


@contextmanager
def visitors(site: Site, queries: Sequence[Query]) -> Generator[None, None, None]:
    """Run a few clients that search the website, with a short pause between two queries."""
    gone = Event()

    def visit(number: int) -> None:
        choice = random.Random(number)
        while not gone.wait(choice.expovariate(20)):
            site.get(path_of(choice.choice(queries)))

    threads = [Thread(target=visit, args=[number], name=f"visitor {number}") for number in range(VISITORS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        gone.set()
        for thread in threads:
            thread.join()
