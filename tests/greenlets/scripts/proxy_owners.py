"""Six hundred greenlets of every kind use a proxy with a pool of two objects, and none gives anything back."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable
from typing import Any

from ProxyPatternPool import Control, Scope, control, proxy

from ..green_env import MODE, Native, Ticker, Token, at_rest, green

MANY = 600
PLACES = 2

hub: Any = importlib.import_module(sys.argv[1])
OWN = Scope[sys.argv[1].upper()]


class Users:
    """What uses the proxy. More objects than places, and an object that two use at once, are errors at once."""

    def __init__(self, scope: Scope) -> None:
        self.alive = 0
        self.uses = 0
        self.resets = 0
        self.errors: list[BaseException] = []
        self.token: Token = proxy(
            fun=self._make, scope=scope, max_size=PLACES, timeout=20.0, retter=self._reset, closer=self._close
        )
        self.control: Control[Token] = control(self.token)

    def _make(self, number: int) -> Token:
        self.alive += 1
        assert self.alive <= PLACES, "more objects than places"
        return Token(number)

    def _reset(self, token: Token) -> None:
        assert token.holder is None, "given back in the middle of a use"
        self.resets += 1

    def _close(self, token: Token) -> None:
        self.alive -= 1

    def use(self) -> None:
        me = object()
        try:
            self.token.take(me)
            green.sleep(0)
            self.token.leave(me)
        except BaseException as error:
            self.errors.append(error)
        finally:
            self.uses += 1

    def check(self, expected: int = MANY) -> None:
        """Wait for the end of all: each had an object, and it came back through the retter."""
        green.eventually(lambda: self.uses == expected)
        assert not self.errors, self.errors[:3]
        green.eventually(lambda: self.resets == expected)
        pool = self.control.pool
        assert pool is not None
        green.eventually(lambda: pool.stats()["navail"] == pool.stats()["nobjs"])
        at_rest(pool)
        stats = pool.stats()
        assert stats["nuses"] == stats["nreturns"] == expected, stats
        pool.shutdown()
        assert self.alive == 0, self.alive


def spawn_raw(fun: Callable[[], object]) -> None:
    """Start a greenlet that nobody can refer to or ask for its end."""
    (hub.spawn_raw if OWN is Scope.GEVENT else hub.spawn_n)(fun)


def spawned() -> None:
    """Greenlets that somebody refers to until the end."""
    users = Users(OWN)
    ticker = Ticker(green)
    tasks = [green.spawn(users.use) for _ in range(MANY)]
    users.check()
    ticker.stop(400)  # none that waits stops the hub
    assert len(tasks) == MANY


def spawned_raw() -> None:
    """Greenlets that nobody refers to."""
    users = Users(OWN)
    for _ in range(MANY):
        spawn_raw(users.use)
    users.check()


def threads() -> None:
    """Scope THREAD: in a patched process, threads are greenlets. Native ones remain what they are."""
    users = Users(Scope.THREAD)
    if MODE != "unpatched":
        started = [threading.Thread(target=users.use) for _ in range(MANY - 50)]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()
    else:
        for _ in range(MANY // 50 - 1):
            for native in [Native(users.use) for _ in range(50)]:
                native.join(green)
    natives = [Native(users.use) for _ in range(50)]
    for native in natives:
        native.join(green)
    users.check()


def contexts() -> None:
    """Scopes CONTEXT and WERKZEUG: a greenlet has a context of its own, be it a copy of its parent's."""
    for scope in (Scope.CONTEXT, Scope.WERKZEUG):
        users = Users(scope)
        me = object()
        users.token.take(me)  # so that one place is left, and children could inherit
        tasks = [green.spawn(users.use) for _ in range(MANY // 4)]
        for _ in range(MANY // 4):
            spawn_raw(users.use)
        green.eventually(lambda users=users: users.uses == MANY // 2)  # type: ignore[misc]
        users.token.leave(me)
        users.control.ret()
        users.uses += 1
        users.check(MANY // 2 + 1)
        assert len(tasks) == MANY // 4


def run() -> None:
    for check in (spawned, spawned_raw, threads, contexts):
        check()
        print(check.__name__)
