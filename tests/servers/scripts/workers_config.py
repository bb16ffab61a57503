"""gunicorn's configuration for `workers`: it loads nothing of the application."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

from prometheus_client import multiprocess

control_socket_disable = True
loglevel = "warning"

# It has no types.
_mark_process_dead = cast("Callable[[int], None]", vars(multiprocess)["mark_process_dead"])


class Worker(Protocol):
    pid: int


def child_exit(server: object, worker: Worker) -> None:
    """Have the gauges of a worker go with it."""
    _mark_process_dead(worker.pid)
