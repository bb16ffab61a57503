"""The second phase: clients ask the website, whose threads share a few connections through a proxy."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from threading import Event
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


class Answer(NamedTuple):
    """What the website answered to a query."""

    query: Query
    places: list[Place]


class Search(NamedTuple):
    """What came of it."""

    phase: Phase[Answer]
    site: Site
    files: int
    """Files in the table, as the website counts them."""
    rows: int


def search(database: Database, queries: Sequence[Query], connections: int, display: Display, stop: Event) -> Search:
    """Ask all queries; on the way, at a third of them, connections break."""
    oracle = Oracle(database, "website")
    app = create_app(oracle.connect, oracle.close, connections)
    pool = control(db).pool
    assert pool is not None  # from now on there is one
    with pool:
        phase = Phase[Answer]("searching", "queries", len(queries), CLIENTS, pool, oracle)
        with Site(app) as site:

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
        phase.waits = site.waits
        phase.rest()
    replaced = phase.stats["ndestroys"]  # nothing else makes the pool close a connection before its end
    display.note(f"{phase.broken} connections were broken and {replaced} replaced, the website went on")
    return Search(phase, site, files, rows)


def _is_news(record: logging.LogRecord) -> bool:
    """Say whether a log line is worth showing after connections were broken: not which of them the pool finds so."""
    return ", discarding " not in record.getMessage()
