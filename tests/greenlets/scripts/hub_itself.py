"""A signal handler that runs in the hub shuts the pool down; native threads of a patched process wait without a hub."""

from __future__ import annotations

import os
import signal

from ProxyPatternPool import Pool
from ProxyPatternPool._runtime import native

from ..green_env import Token, green, native_sleep


def run() -> None:
    threads_wait()
    shut_down()


def shut_down() -> None:
    closed: list[Token] = []
    pool = Pool(Token, 2, 2, closer=closed.append)
    mine = pool.get()
    errors: list[BaseException] = []
    done: list[None] = []

    def handle(*_: object) -> None:
        try:
            pool.shutdown(timeout=2)
        except BaseException as error:
            errors.append(error)
        done.append(None)

    signal.signal(signal.SIGUSR1, handle)

    def ring() -> None:  # from outside: all greenlets of this thread sleep meanwhile
        native_sleep(0.3)
        os.kill(os.getpid(), signal.SIGUSR1)

    assert native.start_thread(ring)
    while not done:
        green.sleep(1.0)
    assert not errors, errors
    while len(closed) < 1:
        green.sleep(0.01)
    pool.ret(mine)
    while len(closed) < 2:
        green.sleep(0.01)
    print("shut down in the hub")


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def threads_wait() -> None:
    """Native threads wait, and leave nothing behind."""
    pool = Pool(Token, 1, 1)
    held = pool.get()
    green.sleep(0.01)  # the hub has what it needs
    before = descriptors()
    over: list[Token] = []

    def wait() -> None:
        token = pool.get(20)
        over.append(token)
        pool.ret(token)

    for _ in range(8):
        assert native.start_thread(wait)
    while pool.stats()["nwaiting"] < 8:
        green.sleep(0.01)
    assert descriptors() <= before + 1, (before, descriptors())
    pool.ret(held)
    while len(over) < 8:
        green.sleep(0.01)
    print("no hubs left")
