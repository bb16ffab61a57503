"""The program ends while objects are idle, lent and waited for: every object is closed, silently, soon."""

import sys
import threading

from ProxyPatternPool import Pool

from ..green_env import Native, Token, green, native_sleep, native_write


def closer(token: Token) -> None:
    """Tell the parent process; unbuffered, since the interpreter may be about to end, and without a switch."""
    if sys.argv[4] == "waits":
        green.sleep(0.001)
    native_write(1, f"closed {token.number}\n".encode())


def health(token: Token) -> bool:
    green.sleep(0.001)
    return token.number >= 0


kept: list[Pool[Token]] = []


def run() -> None:
    green.sleep(0)  # now there is a hub, which becomes the pools'
    pool = Pool(Token, max_size=4, min_size=4, closer=closer, health=health, hk_delay=0.02, max_using_delay=0.05)
    small = Pool(lambda number: Token(10 + number), max_size=1, closer=closer)
    kept.extend((pool, small))  # beyond this function, to the very end

    def hold() -> None:
        lease = pool.lease()
        assert lease.obj.number >= 0
        green.sleep(1000)

    def native_hold() -> None:
        token = pool.get()
        while True:
            native_sleep(1000)
            pool.ret(token)

    green.spawn(hold)
    Native(native_hold)
    green.eventually(lambda: pool.stats()["nusing"] == 2)
    small.get()
    green.spawn(small.get)
    threading.Thread(target=small.get, daemon=True).start()
    Native(small.get)
    green.eventually(lambda: small.stats()["nwaiting"] == 3)
    green.eventually(lambda: pool.stats()["nhealth"] > 4)
    native_write(1, b"end\n")
