"""The second phase: clients ask the website. What threads and tasks have in common in it."""

from __future__ import annotations

import json
import logging
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlencode

from storage.database import Place

from .display import Display
from .phase import Phase
from .texts import Query

CLIENTS = 16
VISITORS = 6
"""How many clients come while the website is kept open."""
TRIES = 10
"""How often to ask again before giving up: more often than connections break."""
AGAIN = 503
"""The status of an answer that says that it helps to ask again."""


class Answer(NamedTuple):
    """What the website answered to a query."""

    query: Query
    places: list[Place]

    @classmethod
    def of(cls, query: Query, data: Any) -> Answer:
        """Make an answer of the data of a page."""
        return cls(query, [Place(*place) for place in data])


class Served(Protocol):
    """What is known of the website afterwards."""

    waits: list[float]
    """How long requests waited for a connection to the database."""
    repeated: list[str]
    """Requests that were repeated after they met a broken connection."""

    @property
    def workers(self) -> str:
        """How many threads, or tasks, answered."""
        ...


class Search(NamedTuple):
    """The results of the second phase."""

    phase: Phase[Answer]
    site: Served
    files: int
    """Files in the table, as the website counts them."""
    rows: int


def path_of(query: Query) -> str:
    """Give the path of the page that answers a query."""
    return f"/search?{urlencode({'words': ' '.join(query.words)})}"


def data_of(path: str, status: int, body: bytes) -> Any:
    """Give the data of a page."""
    if status != 200:
        raise RuntimeError(f"{path}: status {status}: {body.decode(errors='replace')}")
    return json.loads(body)


def announce(display: Display, page: str, *, hold: bool) -> None:
    """Say where the status page is."""
    soon_gone = "" if hold else " (HOLD=1 keeps it up)"
    display.say(f"status page: {page}{soon_gone}")


def announce_accident(display: Display, phase: Phase[Answer]) -> None:
    """Say that connections are broken on purpose, and have the log not say that the pool discards them."""
    display.note(f"breaking connections on purpose, after {len(phase.results):,} queries")
    logging.getLogger("ppp").addFilter(_is_news)


def announce_visitors(display: Display, page: str) -> None:
    """Say that the website is kept open."""
    display.say(f"kept open for you to look at, until Ctrl-C: {page}")


def announce_end(display: Display, phase: Phase[Answer]) -> None:
    """Say what the website has gone through."""
    replaced = phase.stats["ndestroys"]  # the pool closes no connection for any other reason before its end
    display.note(f"{phase.broken} connections were broken and {replaced} replaced, the website went on")


def _is_news(record: logging.LogRecord) -> bool:
    return ", discarding " not in record.getMessage()
