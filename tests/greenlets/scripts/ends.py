"""Threads and hubs end while greenlets wait in them, or pools have hooks called there: nothing is lost."""

import os
import stat
from collections.abc import Callable

from ProxyPatternPool import Pool
from ProxyPatternPool._runtime import hubs, native, waiting

from ..green_env import Native, Token, at_rest, green, native_ident, native_sleep


def a_waiter_whose_thread_ends() -> None:
    """What comes back later does not go to a greenlet whose thread has ended."""
    with Pool(Token, max_size=1) as pool:
        held = pool.get()

        def wait() -> None:
            green.spawn(pool.get)
            green.eventually(lambda: pool.stats()["nwaiting"] == 1)

        Native(wait).join(green)
        pool.ret(held)
        with pool.obj(timeout=10) as token:
            assert token is held
        at_rest(pool)


def a_gift_that_is_not_fetched() -> None:
    """What was given to a greenlet whose thread ends before its hub turns comes back."""
    with Pool(Token, max_size=1) as pool:
        held = pool.get()
        seen: list[str] = []

        def wait() -> None:
            green.spawn(pool.get)
            green.eventually(lambda: pool.stats()["nwaiting"] == 1)
            seen.append("waits")
            while "given" not in seen:
                native_sleep(0.001)

        thread = Native(wait)
        green.eventually(lambda: "waits" in seen)
        green.sleep(0.005)  # long enough to be handed the object directly
        pool.ret(held)
        seen.append("given")
        thread.join(green)
        with pool.obj(timeout=10) as token:
            assert token is held
        at_rest(pool)


def a_waiter_whose_hub_ends() -> None:
    """What comes back does not go to a greenlet whose hub was destroyed, though its thread lives on."""
    with Pool(Token, max_size=1) as pool:
        held = pool.get()
        seen: list[str] = []

        def wait() -> None:
            green.spawn(pool.get)
            green.eventually(lambda: pool.stats()["nwaiting"] == 1)
            end_hub()
            seen.append("ended")
            while "over" not in seen:
                native_sleep(0.001)

        thread = Native(wait)
        green.eventually(lambda: "ended" in seen)
        pool.ret(held)
        with pool.obj(timeout=10) as token:
            assert token is held
        at_rest(pool)
        seen.append("over")
        thread.join(green)


def a_hub_that_ends() -> None:
    """A pool whose hub has ended is maintained by threads, what had waited for the hub included."""
    pools: list[Pool[Token]] = []
    where: set[int] = set()

    def health(token: Token) -> bool:
        where.add(native_ident())
        return True

    def live() -> None:
        green.sleep(0)
        pools.append(Pool(Token, min_size=2, health=health, hk_delay=0.005))
        green.eventually(lambda: pools[0].stats()["nhealth"] >= 4)
        assert where == {native_ident()}
        where.clear()
        native_sleep(0.05)  # a check is due, and waits
        assert not where
        pools.append(pools[0])

    thread = Native(live)
    green.eventually(lambda: len(pools) == 2)
    checks = pools[0].stats()["nhealth"]
    green.eventually(lambda: pools[0].stats()["nhealth"] >= checks + 4)
    thread.join(green)
    for pool in pools:
        pool.shutdown()
        assert pool.stats()["hk_errors"] == pool.stats()["bad_health"] == 0


def in_a_thread(check: Callable[[], None]) -> None:
    """Check something in a thread that has a hub of its own."""

    def run() -> None:
        green.sleep(0)
        check()

    Native(run).join(green)


def a_hub() -> None:
    """A hub runs what it is given, from any thread, until it is over: then one is told."""
    ran: list[int] = []
    found: list[waiting.Hub] = []

    def live() -> None:
        green.sleep(0)
        hub = hubs.current_hub()
        assert hub is not None
        found.append(hub)
        assert hub.here()
        assert hub.alive()
        assert hub.spawn(lambda: ran.append(native_ident()))
        green.eventually(lambda: len(ran) == 2)
        assert ran == [native_ident()] * 2

    thread = Native(live)
    green.eventually(lambda: bool(found))
    hub = found[0]
    assert not hub.here()
    assert hub.spawn(lambda: ran.append(native_ident()))
    thread.join(green)
    green.eventually(lambda: not hub.alive())
    assert not hub.spawn(lambda: ran.append(0))
    assert len(ran) == 2


def a_sleeper() -> None:
    """A sleeper that was woken before does not sleep; one that was disposed of is not lost, and may be woken."""

    def sleep_here() -> None:
        sleeper = hubs.new_sleeper(lambda: lost.append(1))
        assert sleeper.hub is hubs.new_sleeper().hub is not None
        assert sleeper.alive()
        assert sleeper.wake()
        assert sleeper.wake()
        assert sleeper.sleep(None)
        assert not sleeper.sleep(0)
        assert not sleeper.sleep(0.001)
        sleeper.dispose()
        assert sleeper.alive()
        assert sleeper.wake()
        references.append(native.thread_reference())
        sleepers.append(sleeper)  # beyond the end of this thread

    lost: list[int] = []
    sleepers: list[waiting.Sleeper] = []
    references: list[Callable[[], object]] = []
    in_a_thread(sleep_here)
    green.eventually(lambda: references[0]() is None)
    assert sleepers
    assert not lost


def a_sleeper_whose_thread_ends() -> None:
    """A greenlet that slept when its thread ended is lost: one is told, once, and it cannot be woken."""
    lost: list[int] = []
    sleepers: list[waiting.Sleeper] = []

    def sleep_here() -> None:
        def sleep() -> None:
            sleepers.append(hubs.new_sleeper(lambda: lost.append(1)))
            sleepers[0].sleep(None)

        green.spawn(sleep)
        green.eventually(lambda: bool(sleepers))
        assert not lost

    in_a_thread(sleep_here)
    green.eventually(lambda: bool(lost))
    assert not sleepers[0].alive()
    assert not sleepers[0].wake()
    assert lost == [1]


def end_hub() -> None:
    """End the hub of this thread, which lives on."""
    import gevent

    gevent.get_hub().destroy(destroy_loop=True)


def a_loop_that_is_destroyed() -> None:
    """When a loop is destroyed under its hub, nobody can be woken there, and nothing done."""
    import gevent

    def check() -> None:
        sleeper, hub = hubs.new_sleeper(), hubs.current_hub()
        assert hub is not None
        gevent.get_hub().loop.destroy()
        assert not sleeper.wake()
        assert not hub.spawn(lambda: None)

    in_a_thread(check)


def a_hub_that_is_gone() -> None:
    """A hub that was replaced by another in its thread does nothing any more, and nothing is left of it."""

    def check() -> None:
        sleeper, hub = hubs.new_sleeper(), hubs.current_hub()
        assert hub is not None
        end_hub()
        assert not sleeper.alive()
        assert not sleeper.wake()
        assert not hub.alive()
        assert not hub.spawn(lambda: None)
        green.sleep(0)  # now there is another
        again = hubs.current_hub()
        assert again is not None
        assert again.alive()

    in_a_thread(check)


def pipes() -> int:
    """How many ends of pipes are open."""
    found = 0
    for number in range(512):
        try:
            found += stat.S_ISFIFO(os.fstat(number).st_mode)
        except OSError:
            pass
    return found


def pipes_of_threads() -> None:
    """Threads whose greenlets have waited leave no pipe open when they end."""
    green.sleep(0)
    here = hubs.current_hub()  # this thread's own pipe is open from now on
    before = pipes()
    during: list[int] = []
    for _ in range(5):
        with Pool(Token, max_size=1) as pool:

            def wait(pool: Pool[Token] = pool) -> None:
                def borrow() -> None:
                    with pool.obj():
                        green.sleep(0.001)

                for task in [green.spawn(borrow) for _ in range(3)]:
                    task.join()
                during.append(pipes())

            Native(wait).join(green)
    assert max(during) > before
    green.eventually(lambda: pipes() == before)
    assert here is not None


def many_calls() -> None:
    """However often a blocked hub is called, and more often than a pipe can hold, each call is made."""
    from ProxyPatternPool._runtime import eventlet_hub

    hub = eventlet_hub.running()
    assert hub is not None
    pipe = eventlet_hub.pipe_of(hub)
    assert pipe.alive()
    calls: list[int] = []
    calling = Native(lambda: [pipe.call(lambda: calls.append(1)) for _ in range(70_000)])
    while not calling.done:
        native_sleep(0.01)
    assert not calls
    green.eventually(lambda: len(calls) == 70_000)
    calling.join(green)


def a_call_too_late() -> None:
    """Who calls when the pipe of a hub is closed is told that nobody hears it."""
    from ProxyPatternPool._runtime import eventlet_hub

    heard: list[bool] = []

    def live() -> None:
        green.sleep(0)
        hub = eventlet_hub.running()
        assert hub is not None
        pipe = eventlet_hub.pipe_of(hub)
        pipe._ends.clear()  # as at the end of this thread
        calling = Native(lambda: heard.append(pipe.call(lambda: None)))
        while not calling.done:
            native_sleep(0.001)

    Native(live).join(green)
    assert heard == [False]


def a_call_at_the_last_moment() -> None:
    """The hub's end of the pipe is closed while somebody writes to the other: he is told that nobody listens."""
    from ProxyPatternPool._runtime import eventlet_hub

    def live() -> None:
        green.sleep(0)
        hub = eventlet_hub.running()
        assert hub is not None
        pipe = eventlet_hub.CallPipe(hub)
        del pipe._ends[1]
        heard: list[bool] = []
        calling = Native(lambda: heard.append(pipe.call(lambda: None)))
        while not calling.done:
            native_sleep(0.001)
        assert heard == [False]

    Native(live).join(green)


def a_pipe_that_is_closed() -> None:
    """As after a fork: the listener of the old pipe ends, and another pipe is heard in the same hub."""
    from ProxyPatternPool._runtime import eventlet_hub

    def live() -> None:
        green.sleep(0)
        hub = eventlet_hub.running()
        assert hub is not None
        old = eventlet_hub.pipe_of(hub)
        green.sleep(0)
        before = pipes()
        old.close()
        assert pipes() == before - 2
        new = eventlet_hub.pipe_of(hub)
        assert new is not old
        new._read()  # a byte that another has read is none
        called: list[bool] = []
        calling = Native(lambda: new.call(lambda: called.append(True)))
        green.eventually(lambda: bool(called))
        calling.join(green)

    Native(live).join(green)


def run() -> None:
    # Before all others, whose threads may still be closing their pipes when they are counted.
    checks = [pipes_of_threads] if green.name == "eventlet" else []
    checks += [a_waiter_whose_thread_ends, a_gift_that_is_not_fetched, a_hub_that_ends, a_hub]
    checks += [a_sleeper, a_sleeper_whose_thread_ends]
    if green.name == "gevent":
        checks += [a_waiter_whose_hub_ends, a_hub_that_is_gone, a_loop_that_is_destroyed]
    else:
        checks += [many_calls, a_call_too_late, a_call_at_the_last_moment, a_pipe_that_is_closed]
    for check in checks:
        check()
        print(check.__name__)
