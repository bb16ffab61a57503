"""A warning about a long use, and the statistics, name the greenlet that holds the object."""

import logging

from ProxyPatternPool import Pool

from ..green_env import Token, at_rest, green


class Messages(logging.Handler):
    """Keeps what the pool logs."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            self.messages.append(record.getMessage())


def run() -> None:
    handler = Messages()
    logging.getLogger("ppp").addHandler(handler)
    pool = Pool(Token, max_size=3, max_using_delay=0.05, tracer=lambda token: f"token-{token.number}", name="slow")
    owners: dict[int, str] = {}  # the number of the object: how its greenlet can be recognised
    done = False

    def hold() -> None:
        with pool.obj() as token:
            current = green.current()
            owners[token.number] = getattr(current, "name", "") or f"{id(current):#x}"
            green.eventually(lambda: done)

    tasks = [green.spawn(hold) for _ in range(3)]
    green.eventually(lambda: len(owners) == 3)
    assert len(set(owners.values())) == 3
    using = pool.stats()["using"]
    assert sorted(owner for owner in owners.values() for one in using if owner in str(one["owner"])) == sorted(
        owners.values()
    ), (owners, using)
    green.eventually(lambda: len(handler.messages) >= 3)
    for number, owner in owners.items():
        warnings = [message for message in handler.messages if f"token-{number}" in message]
        assert warnings, handler.messages
        assert all(owner in message and "slow" in message for message in warnings), (owner, warnings)
    done = True
    for task in tasks:
        task.join()
    at_rest(pool)
    pool.shutdown()
    print("greenlets named")
