"""Greenlets that keep all objects and do nothing with them, as those of connections that stay open, while one waits."""

from __future__ import annotations

import logging

from ProxyPatternPool import Scope, TimeOut, control, proxy
from ProxyPatternPool._proxy import unused_objects
from ProxyPatternPool._proxy.control import unit_of_work

from ..green_env import Token, green, raised

unused_objects.LONG = 0.0
lines: list[str] = []


class Listener(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        lines.append(record.getMessage())


logging.getLogger("ppp").addHandler(Listener())
db: Token = proxy(fun=Token, scope=Scope[green.name.upper()], max_size=2, name="db")
over: list[bool] = []


def view() -> None:
    assert db.number in (0, 1)


def keep() -> None:
    """Answer a request, and wait for the next."""
    view()
    green.eventually(lambda: bool(over))


def use() -> None:
    """Answer one request for a long time."""
    assert db.number in (0, 1)
    green.eventually(lambda: bool(over))


def respond() -> None:
    """Answer one request, whose response takes long to be sent."""
    with unit_of_work(control(db)):
        view()
        green.eventually(lambda: bool(over))


def wait_in_vain() -> None:
    raised(TimeOut, control(db).get, 0.05)
    green.sleep(0.05)


def run() -> None:
    for busy in (use, respond):
        first = green.spawn(keep)
        second = green.spawn(busy)
        green.sleep(0.01)
        wait_in_vain()
        assert lines == [], lines
        over.append(True)
        second.join()
        first.join()
        over.clear()

    kept = [green.spawn(keep) for _ in range(2)]
    green.sleep(0.01)
    wait_in_vain()
    green.eventually(lambda: bool(lines))
    assert "in view (" in lines[0], lines
    assert "'db': callers wait, and all objects (2) are kept by owners that do not use them" in lines[0], lines
    wait_in_vain()
    over.append(True)
    for each in kept:
        each.join()
    assert len(lines) == 1, lines
    print("said once")
