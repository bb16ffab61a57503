"""gunicorn has four workers: any of them shows all, on one page, and in one set of metrics."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ProxyPatternPool.status import StatusData

from ..unit.helpers import eventually
from .support import CLIENTS, Running, all_answers, served

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no unix sockets")

WORKERS = 4
SIZE = 4
KILLED = r"(\[.*\] \[\d+\] \[ERROR\] Worker \(pid:\d+\) was sent SIGKILL! Perhaps out of memory\?\n)*"


class Site:
    """A server, and how often its pools have been used."""

    def __init__(self, server: Running, directory: Path, *, preload: bool) -> None:
        self.server = server
        self.directory = directory
        self.used = 0
        # With --preload the parent has a pool as well, which nobody uses.
        self.parent = {server.process_id} if preload else set[int]()

    def use(self, times: int = CLIENTS) -> set[int]:
        """Use the pools; give the processes that did it."""
        answers = all_answers(lambda number: self.server.ask("/use"), times)
        assert {answer.status for answer in answers} == {200}, answers
        self.used += times
        return {int(answer.text) for answer in answers}

    def has_workers(self, but: int = 0) -> set[int]:
        """Wait until all workers have used their pools, and are seen from each."""
        used: set[int] = set()

        def all_are_there() -> bool:
            used.update(self.use())
            return len(used - {but}) == WORKERS

        eventually(all_are_there)
        eventually(lambda: self.states() == dict.fromkeys(used - {but} | self.parent, "answers"))
        return used - {but}

    def data(self, query: str = "") -> StatusData:
        return cast(StatusData, json.loads(self.server.ask(f"/status?format=json{query}").text))

    def data_of(self, worker: int) -> StatusData:
        """What any of them says of this one; on a machine that is busy it may take too long at first."""
        found: list[StatusData] = []

        def answers() -> bool:
            found.append(self.data(f"&process={worker}"))
            return found[-1]["problem"] is None

        eventually(answers)
        assert found[-1]["process"] == worker
        return found[-1]

    def states(self) -> dict[int, str]:
        return {each["process"]: each["state"] for each in self.data()["processes"]}

    def metrics(self) -> dict[str, float]:
        """What a scrape of any worker finds; of gauges the sums."""
        status, text = self.server.ask("/metrics")
        assert status == 200, text
        names = ("ppp_wait_seconds_count", "ppp_use_seconds_count", "ppp_objects_max", "ppp_waiting")
        samples = [sample for metric in text_string_to_metric_families(text) for sample in metric.samples]
        return {sample.name: sample.value for sample in samples if sample.name in names}

    def expected(self) -> dict[str, float]:
        return {
            "ppp_wait_seconds_count": self.used,
            "ppp_use_seconds_count": self.used,
            "ppp_objects_max": (WORKERS + len(self.parent)) * SIZE,
            "ppp_waiting": 0,
        }


@contextmanager
def gunicorn(kind: str, *options: str) -> Generator[Site]:
    here = "tests.servers.scripts.workers"
    settings = ["--config", f"python:{here}_config", "--workers", str(WORKERS), "--worker-class", kind, *options]
    with TemporaryDirectory(prefix="ppp-") as above:
        directory, metrics = Path(above) / "status", Path(above) / "metrics"
        metrics.mkdir()
        environment = {"STATUS": str(directory), "PROMETHEUS_MULTIPROC_DIR": str(metrics)}
        command = ["-m", "gunicorn", *settings]
        with served(lambda fd: [*command, "--bind", f"fd://{fd}", f"{here}:app"], environment) as server:
            yield Site(server, directory, preload="--preload" in options)


@pytest.mark.parametrize("options", [("gthread", "--threads=4", "--preload"), ("gevent",)], ids=lambda each: each[0])
def test_gunicorn(options: tuple[str, ...]) -> None:
    """Of each worker, and of one that is stopped or killed, the page says what is so; no total ever goes back."""
    with gunicorn(*options) as site:
        workers = site.has_workers()
        loans = [site.data_of(worker)["pools"][0]["counters"]["nuses"] for worker in workers]
        assert min(loans) > 0
        assert sum(loans) == site.used
        everybody = workers | site.parent
        eventually(lambda: f'<th scope="row">all {len(everybody)}</th>' in site.server.ask("/status").text)
        eventually(lambda: site.metrics() == site.expected())

        stopped = max(workers)
        os.kill(stopped, signal.SIGSTOP)
        # Each of its threads stops as soon as it is to run next: until then the process may still answer.
        eventually(lambda: "does not answer" in (site.data(f"&process={stopped}")["problem"] or ""))
        eventually(lambda: site.states() == {**dict.fromkeys(everybody, "answers"), stopped: "does not answer"})
        os.kill(stopped, signal.SIGCONT)
        eventually(lambda: site.states().get(stopped) == "answers")

        os.kill(stopped, signal.SIGKILL)
        eventually(lambda: stopped not in site.states())
        assert site.data(f"&process={stopped}")["problem"] == "has ended"
        assert site.metrics()["ppp_wait_seconds_count"] == site.used
        assert site.has_workers(stopped) >= workers - {stopped}
        eventually(lambda: site.metrics() == site.expected())

        site.server.terminate()
        site.server.ends(KILLED)
        assert list(site.directory.iterdir()) == []
