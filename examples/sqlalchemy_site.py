"""A site with Flask-SQLAlchemy under load, with SQLAlchemy's QueuePool and with FairPool: who is served, and how soon.

    pip install Flask-SQLAlchemy; python examples/sqlalchemy_site.py [--seconds 5] [--rounds 3]

16 clients ask a site that has 4 connections, over HTTP, as often as they can. The server has a thread for each. A
request has its connection for 30 milliseconds.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import text
from sqlalchemy.pool import Pool, QueuePool
from werkzeug.serving import WSGIRequestHandler, make_server

from ProxyPatternPool.sqlalchemy import FairPool

CLIENTS = 16
CONNECTIONS = 4
HELD = 0.03


@contextmanager
def site(pool: type[Pool]) -> Generator[Flask]:
    """Make the site, with some books in a database and that pool: one page, which asks for one of them."""
    app = Flask(__name__)
    options = {"poolclass": pool, "pool_size": CONNECTIONS, "max_overflow": 0, "pool_timeout": 60}

    with tempfile.TemporaryDirectory() as folder:
        app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{Path(folder, 'shop.db')}"
        db = SQLAlchemy(app, engine_options=options)

        @app.get("/")
        def page() -> str:
            title = db.session.execute(text("select title from book where id = 7")).scalar_one()
            time.sleep(HELD)  # a slower query, or what else is done before the request ends, and gives back
            return f"<h1>{title}</h1>"

        with app.app_context():
            db.session.execute(text("create table book (id integer primary key, title text)"))
            titles = [{"title": f"{number}"} for number in range(9)]
            db.session.execute(text("insert into book (title) values (:title)"), titles)
            db.session.commit()
        yield app
        with app.app_context():
            db.engine.dispose()


class Handler(WSGIRequestHandler):
    """Keeps the connections of clients, and logs nothing."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing."""


@contextmanager
def served(app: Flask) -> Generator[int]:
    """Serve a site with a thread for each client; on which port."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass(frozen=True)
class Found:
    """What came of a round: of each client how long its answers took, in seconds."""

    pool: str
    seconds: float
    times: list[list[float]]

    @property
    def row(self) -> str:
        """What is shown: requests per second, the least over the most served, and how long answers took."""
        answers = sorted(each for client in self.times for each in client)
        counts = [len(client) for client in self.times]
        p99 = quantiles(answers, n=100)[98]
        return (
            f"{self.pool:10} {len(answers) / self.seconds:10.0f} {min(counts) / max(counts):9.2f}"
            f" {median(answers) * 1e3:10.1f} {p99 * 1e3:10.1f} {answers[-1] * 1e3:10.1f}"
        )


def ask(port: int, start: threading.Barrier, end: threading.Event, times: list[float]) -> None:
    """Be a client."""
    connection = HTTPConnection("127.0.0.1", port)
    start.wait()
    while not end.is_set():
        begin = time.perf_counter()
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"<h1>6</h1>"
        times.append(time.perf_counter() - begin)
    connection.close()


def load(pool: type[Pool], seconds: float) -> Found:
    """Have the clients ask a site with that pool."""
    start, end = threading.Barrier(CLIENTS + 1), threading.Event()
    times: list[list[float]] = [[] for _ in range(CLIENTS)]
    with site(pool) as app, served(app) as port:
        clients = [threading.Thread(target=ask, args=(port, start, end, each)) for each in times]
        for client in clients:
            client.start()
        start.wait()
        end.wait(seconds)
        end.set()
        for client in clients:
            client.join()
    return Found(pool.__name__, seconds, times)


def main() -> None:
    """Compare both, in turns."""
    parser = argparse.ArgumentParser(
        description="A site with Flask-SQLAlchemy under load, with QueuePool and FairPool."
    )
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    print(f"{'pool':10} {'requests/s':>10} {'fairness':>9} {'median ms':>10} {'p99 ms':>10} {'longest ms':>10}")
    for _ in range(asked.rounds):
        for pool in (QueuePool, FairPool):
            print(load(pool, asked.seconds).row, flush=True)


if __name__ == "__main__":
    main()
