"""A greenlet ends, fails or is killed with a lease it never released: the object comes back, with a warning."""

import gc
import logging

from ProxyPatternPool import Pool

from ..green_env import Token, at_rest, green


class Messages(logging.Handler):
    """Keeps what the pool logs."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


class Failure(Exception):
    """What a greenlet dies of."""


def run() -> None:
    handler = Messages()
    logging.getLogger("ppp").addHandler(handler)
    reset: list[Token] = []
    pool = Pool(Token, max_size=1, retter=reset.append, name="forgetful")

    def awaited() -> bool:
        return pool.stats()["nwaiting"] == 1

    def end() -> None:
        lease = pool.lease(timeout=5)
        assert lease.obj.number == 0
        green.eventually(awaited)

    def fail() -> None:
        lease = pool.lease(timeout=5)
        assert lease.obj.number == 0
        green.eventually(awaited)
        raise Failure

    def hang() -> None:
        lease = pool.lease(timeout=5)
        assert lease.obj.number == 0
        green.sleep(20)

    def guarded() -> None:
        try:
            fail()
        except Failure:
            pass

    for die in (end, guarded, hang):
        handler.messages.clear()
        reset.clear()
        task = green.spawn(die)
        green.eventually(lambda: pool.stats()["nusing"] == 1)
        waiter = green.spawn(pool.get, 10.0)
        if die is hang:
            green.eventually(awaited)
            task.kill()
        else:
            task.join()
        del task
        gc.collect()  # a killed greenlet's traceback is a cycle
        token = waiter.join()
        assert isinstance(token, Token)
        assert len(reset) == 1, "given back without its retter"
        green.eventually(lambda: any("forgetful" in message for message in handler.messages))
        pool.ret(token)
        at_rest(pool)
    assert pool.stats()["ncreated"] == 1
    pool.shutdown()
    print("dropped leases come back")
