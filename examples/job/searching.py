"""The second phase: clients ask the website, whose threads share a few connections through a proxy."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Event, Thread
from typing import NamedTuple

from ProxyPatternPool import control
from storage.database import Database, Place
from website.app import create_app
from website.database import db

from .display import Display
from .oracle import Oracle
from .phase import Phase, Task
from .site import Site
from .texts import Query

CLIENTS = 16
VISITORS = 6


class Answer(NamedTuple):
    """What the website answered to a query."""

    query: Query
    places: list[Place]


class Search(NamedTuple):
    """The results of the second phase."""

    phase: Phase[Answer]
    site: Site
    files: int
    """Files in the table, as the website counts them."""
    rows: int


def search(
    database: Database,
    queries: Sequence[Query],
    connections: int,
    display: Display,
    stop: Event,
    hold: Callable[[], object] | None = None,
) -> Search:
    """Ask all queries. After a third of them connections are broken on purpose.

    With ``hold``, the website then stays up until that returns, with a few visitors.
    """
    oracle = Oracle(database, "website")
    app = create_app(oracle.connect, oracle.close, connections)
    pool = control(db).pool
    assert pool is not None  # create_app has set it
    with pool:
        phase = Phase[Answer]("searching", "queries", len(queries), CLIENTS, pool, oracle)
        with Site(app) as site:
            soon_gone = "" if hold else " (HOLD=1 keeps it up)"
            display.say(f"status page: {site.url}/status{soon_gone}")

            def ask(query: Query) -> Sequence[Answer]:
                found = site.get("/search", words=" ".join(query.words))
                return [Answer(query, [Place(*place) for place in found])]

            def accident() -> Sequence[Answer]:
                display.note(f"breaking connections on purpose, after {len(phase.results):,} queries")
                logging.getLogger("ppp").addFilter(_is_news)
                phase.broken = database.wreck(pool)
                return []

            tasks: list[Task[Answer]] = [partial(ask, query) for query in queries]
            tasks.insert(len(tasks) // 3, accident)
            phase.run(tasks, display, stop)
            files, rows = site.get("/count")
            if hold is not None:
                display.say(f"kept open for you to look at, until Ctrl-C: {site.url}/status")
                site.measuring = False
                with visitors(site, queries):
                    hold()
        phase.waits = site.waits
        phase.rest()
    replaced = phase.stats["ndestroys"]  # the pool closes no connection for any other reason before its end
    display.note(f"{phase.broken} connections were broken and {replaced} replaced, the website went on")
    return Search(phase, site, files, rows)


@contextmanager
def visitors(site: Site, queries: Sequence[Query]) -> Generator[None, None, None]:
    """Run a few clients that search the website, with a short pause between two queries."""
    gone = Event()

    def visit(number: int) -> None:
        choice = random.Random(number)
        while not gone.wait(choice.expovariate(20)):
            site.get("/search", words=" ".join(choice.choice(queries).words))

    threads = [Thread(target=visit, args=[number], name=f"visitor {number}") for number in range(VISITORS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        gone.set()
        for thread in threads:
            thread.join()


def _is_news(record: logging.LogRecord) -> bool:
    """Say whether to show a log line after connections were broken: not that the pool discards them."""
    return ", discarding " not in record.getMessage()
