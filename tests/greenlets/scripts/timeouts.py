"""Timeouts of waiting greenlets end on time, the hub runs meanwhile, and no late wake-up is lost or left over."""

from time import monotonic

from ProxyPatternPool import Pool, TimeOut

from ..green_env import Ticker, Token, at_rest, green, native_sleep, raised

SLACK = 5.0
"""Seconds for which the machine may have other things to do."""


def run() -> None:
    pool = Pool(Token, max_size=1)
    held = pool.get()

    def late(seconds: float) -> None:
        started = monotonic()
        error = raised(TimeOut, pool.get, seconds)
        waited = monotonic() - started
        assert "timeout after" in str(error), error
        assert seconds <= waited < seconds + SLACK, f"asked for {seconds}, waited {waited}"

    ticker = Ticker(green)
    tasks = [green.spawn(late, seconds) for seconds in (0.0, 0.02, 0.05, 0.05, 0.1, 0.2, 0.3)]
    for task in tasks:
        task.join()
    assert ticker.stop() > 2
    late(0.05)  # in the main greenlet too, where nothing else is scheduled
    native_sleep(0.1)
    late(0.05)  # and when the hub's own clock is behind
    stats = pool.stats()
    assert (stats["ntimeouts"], stats["nwaiting"], stats["nusing"]) == (9, 0, 1), stats

    waiter = green.spawn(pool.get, 1e300)  # who waits longer than the others gets the object
    green.eventually(lambda: pool.stats()["nwaiting"] == 1)
    quitter = green.spawn(late, 0.02)
    quitter.join()
    pool.ret(held)
    assert waiter.join() is held
    pool.ret(held)

    with Pool(Token, max_size=1, timeout=0.05) as strict:  # the pool's own default
        strict.get()
        started = monotonic()
        green.spawn(raised, TimeOut, strict.get).join()
        assert 0.05 <= monotonic() - started < 0.05 + SLACK
    at_rest(pool)
    pool.shutdown()
    print("timeouts on time, hub alive")
