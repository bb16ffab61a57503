"""Blocks and hooks of proxies among greenlets: whose object is whose, when they take turns in the middle."""

from __future__ import annotations

import logging
import sys
from collections.abc import Generator
from contextvars import copy_context

from ProxyPatternPool import Proxy, Scope, control

from ..green_env import Token, green

OWN = Scope[sys.argv[1].upper()]


class Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def in_use(db: Proxy[Token]) -> int:
    pool = control(db).pool
    assert pool is not None
    return pool.stats()["nusing"]


def request(db: Proxy[Token]) -> Generator[Token, None, None]:
    with db._obj() as token:
        yield token


def nested_in_contexts() -> None:
    """A block around the caller is the caller's, in whatever context it goes on."""
    db = Proxy(fun=Token, scope=OWN, max_size=1, timeout=0)

    def use() -> None:
        with db._obj() as token:
            copy_context().run(inside, token)
        assert in_use(db) == 0

    def inside(token: Token) -> None:
        green.sleep(0.001)
        with db._obj() as same:
            assert same is token
            copy_context().run(lambda: db._get_obj())

    use()
    green.spawn(use).join()
    copy_context().run(use)


def carried_away() -> None:
    """A block that was begun in a context that was left keeps its object for itself, as among threads."""
    db = Proxy(fun=Token, scope=OWN, max_size=2, timeout=0)

    def use() -> None:
        block = request(db)
        token = copy_context().run(lambda: next(block))
        with db._obj() as other:
            assert other is not token
        assert in_use(db) == 1
        green.spawn(block.close).join()
        assert in_use(db) == 0

    green.spawn(use).join()
    use()


def ended_elsewhere() -> None:
    """What the greenlet has in which a block ends is left there, and the object of the block goes back."""
    db = Proxy(fun=Token, scope=OWN, max_size=2, timeout=0)
    block = request(db)
    tokens = [next(block)]

    def end() -> None:
        tokens.append(db._get_obj())
        block.close()
        assert db._get_obj() is tokens[1]
        assert in_use(db) == 1

    green.spawn(end).join()
    assert tokens[0] is not tokens[1]
    green.eventually(lambda: in_use(db) == 0)
    assert not db._has_obj()


def hooks_that_take_turns() -> None:
    """While one greenlet is in the middle of a hook, another uses its own object; each hook has its own at hand."""
    seen: list[bool] = []

    def open_it(token: Token) -> None:
        seen.append(db._get_obj() is token)
        green.sleep(0.01)
        seen.append(db._get_obj() is token)

    db: Proxy[Token] = Proxy(scope=OWN, max_size=2, min_size=0, opener=open_it)
    db.set_fun(Token)
    tasks = [green.spawn(lambda: db.number) for _ in range(2)]
    assert sorted(str(task.join()) for task in tasks) == ["0", "1"]
    assert seen == [True] * 4


def without_a_scope() -> None:
    """Where threads are not patched, and no scope was chosen, all greenlets have one object: the log says so once."""
    log = Lines()
    logging.getLogger("ppp").addHandler(log)
    try:
        db = Proxy(fun=Token, max_size=2)
        assert green.spawn(lambda: db.number).join() == 0
        assert green.spawn(lambda: db.number).join() in (0, 1)
        patched = control(db)._owners.slots["owners"].__class__.__name__ == "GreenletSlot"
        if not patched:
            green.eventually(lambda: bool(log.lines))
        assert len(log.lines) == (not patched)
        for line in log.lines:
            assert "in a greenlet, and threads are not patched" in line
    finally:
        logging.getLogger("ppp").removeHandler(log)


def run() -> None:
    logging.getLogger("ppp").propagate = False
    for check in (nested_in_contexts, carried_away, ended_elsewhere, hooks_that_take_turns, without_a_scope):
        check()
        print(check.__name__)
