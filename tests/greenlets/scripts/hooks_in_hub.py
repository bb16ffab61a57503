"""Hooks that wait cooperatively on sockets of their hub work; maintenance runs them in a greenlet of that hub."""

from typing import Any

from ProxyPatternPool import Pool

from ..green_env import Ticker, Token, green, native_ident

HOME = native_ident()


class Line(Token):
    """An object with a socket of this hub, to an echo at the other end that runs in this hub too."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.socket: Any
        self._other: Any
        self.socket, self._other = green.socket.socketpair()
        self._echo = green.spawn(self._serve)
        self.closed = False

    def _serve(self) -> None:
        while data := self._other.recv(100):
            green.sleep(0.002)
            self._other.sendall(data)

    def ping(self) -> bool:
        """A round trip; it needs the hub to run both ends."""
        self.socket.sendall(b"ping")
        return bool(self.socket.recv(100) == b"ping")

    def close(self) -> None:
        self.socket.close()
        self._echo.join()
        self._other.close()
        self.closed = True


class Hooks:
    """Hooks that note where they run."""

    def __init__(self) -> None:
        self.ran: dict[str, int] = {}
        self.astray: list[str] = []
        self.made: list[Line] = []

    def note(self, hook: str) -> None:
        if native_ident() != HOME or green.in_hub():
            self.astray.append(hook)
        self.ran[hook] = self.ran.get(hook, 0) + 1

    def count(self, hook: str) -> int:
        return self.ran.get(hook, 0)

    def make(self, number: int) -> Line:
        self.note("make")
        green.sleep(0.002)
        line = Line(number)
        self.made.append(line)
        return line

    def opener(self, line: Line) -> None:
        self.note("opener")
        assert line.ping()

    def getter(self, line: Line) -> None:
        self.note("getter")
        assert line.ping()

    def retter(self, line: Line) -> None:
        self.note("retter")
        assert line.ping()

    def health(self, line: Line) -> bool:
        self.note("health")
        assert line.holder is None
        return line.ping() and line.number != 1

    def closer(self, line: Line) -> None:
        self.note("closer")
        line.close()


def run() -> None:
    hooks = Hooks()
    ticker = Ticker(green)
    pool = Pool(
        hooks.make,
        max_size=3,
        min_size=2,
        max_avail_delay=0.1,
        hk_delay=0.02,
        opener=hooks.opener,
        getter=hooks.getter,
        retter=hooks.retter,
        health=hooks.health,
        closer=hooks.closer,
    )

    def borrow(name: int) -> None:
        for _ in range(3):
            with pool.obj(timeout=20) as line:
                line.take(name)
                assert line.ping()
                line.leave(name)

    for task in [green.spawn(borrow, name) for name in range(8)]:
        task.join()
    checks = hooks.count("health")
    # nobody calls the pool now: checks, the discard of the sick object 1, expiry and refill are maintenance
    green.eventually(lambda: hooks.count("health") >= checks + 6)
    green.eventually(lambda: pool.stats()["nobjs"] == pool.stats()["navail"] == 2)
    ticker.stop()
    assert not hooks.astray, f"hooks ran outside the hub's greenlets: {hooks.astray}"
    stats = pool.stats()
    assert (stats["hc_errors"], stats["hk_errors"], stats["hook_errors"]) == (0, 0, 0), stats
    assert stats["bad_health"] >= 1, stats
    pool.housekeep()
    assert pool.stats()["hc_errors"] == 0
    pool.shutdown()
    green.eventually(lambda: all(line.closed for line in hooks.made))  # a scheduled check may have one in its hands
    assert hooks.count("closer") == hooks.count("make")
    assert set(hooks.ran) == {"make", "opener", "getter", "retter", "health", "closer"}
    print("hooks in the hub")
