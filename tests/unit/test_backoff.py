"""Back-off: while nothing can be created attempts are few, callers wait their turn, and learn why it takes so long."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import pytest

from ProxyPatternPool import HookError, Pool, PoolClosed, Proxy, TimeOut
from ProxyPatternPool._ledger.backoff import Backoff

from .clock import Chance, FakeScheduler, HandMovedClock
from .helpers import DEADLINE, Caller, Naps, Thing, Works, eventually, said, wait_for


@pytest.fixture(autouse=True)
def no_chance(chance: Chance) -> None:
    """Delays are three quarters of the longest they may be."""
    chance.always = 0.5


class Server:
    """A factory that notes when it was asked, and is down until it is said to be up."""

    def __init__(self, clock: HandMovedClock) -> None:
        self.clock = clock
        self.up = False
        self.asked: list[float] = []

    def __call__(self, number: int) -> Thing:
        self.asked.append(self.clock.now - 1000.0)
        if not self.up:
            raise ConnectionError(number)
        return Thing(number)

    def was_asked(self, times: int) -> bool:
        return len(self.asked) == times


@pytest.fixture
def server(clock: HandMovedClock) -> Server:
    return Server(clock)


def waiting(pool: Pool[Thing], count: int) -> Callable[[], bool]:
    return lambda: pool.stats()["nwaiting"] == count


def fail_once(pool: Pool[Thing]) -> None:
    with pytest.raises(ConnectionError):
        pool.get()


# --- the state ---------------------------------------------------------------------------------------


def test_delays_double_from_attempt_to_attempt() -> None:
    """Each failure in a row doubles the delay, up to the longest; a success is a new beginning."""
    backoff = Backoff((1.0, 5.0), lambda: 0.5)
    assert backoff.allows(0.0)
    now = 0.0
    for delay in (0.75, 1.5, 3.0, 3.75, 3.75):
        backoff.failed(now, backoff.begin(now))
        assert backoff.seconds_left(now) == backoff.longest_sleep(now) == pytest.approx(delay)
        assert not backoff.allows(now + delay - 0.001)
        now += delay + 0.001
        assert backoff.allows(now)
    backoff.succeeded()
    assert (backoff.seconds_left(0.0), backoff.longest_sleep(0.0)) == (0.0, float("inf"))
    backoff.failed(0.0, backoff.begin(0.0))
    assert backoff.seconds_left(0.0) == 0.75


def test_an_attempt_that_hangs_holds_up_the_others_for_one_delay() -> None:
    """Attempts are spaced from beginning to beginning."""
    backoff = Backoff((1.0, 5.0), lambda: 0.5)
    backoff.failed(0.0, backoff.begin(0.0))
    assert backoff.begin(1.0) == 1
    assert backoff.seconds_left(1.0) == 0.75


def test_failures_together_are_one() -> None:
    """What was begun before the first failure was known says no more than that."""
    backoff = Backoff((1.0, 5.0), lambda: 0.5)
    together = [backoff.begin(0.0) for _ in range(10)]
    for after in together:
        backoff.failed(0.0, after)
    assert backoff.failures == 1
    retry = backoff.begin(1.0)
    backoff.succeeded()
    backoff.failed(1.0, retry)
    assert backoff.failures == 1, "a failure after a success counts, whenever it was begun"


def test_attempts_together_while_another_succeeds() -> None:
    """A success does not make several failures of one."""
    backoff = Backoff((1.0, 5.0), lambda: 0.5)
    hanging = backoff.begin(0.0)
    for now in range(5):
        backoff.failed(10.0 * now, backoff.begin(10.0 * now))
    together = [backoff.begin(100.0) for _ in range(3)]
    assert [backoff.is_retry(mark) for mark in (hanging, *together)] == [False, True, True, True]
    backoff.succeeded()
    assert not any(backoff.is_retry(mark) for mark in together), "whoever waits for it is told at once"
    for mark in (*together, hanging):
        backoff.failed(100.0, mark)
    assert backoff.failures == 1
    assert backoff.seconds_left(100.0) == 0.75
    assert backoff.is_retry(backoff.begin(101.0))


def test_refills_alone() -> None:
    """With None callers are not held back; refills are, as by default."""
    backoff = Backoff(None, lambda: 0.5)
    backoff.failed(0.0, backoff.begin(0.0))
    assert backoff.allows_callers(0.0)
    assert not backoff.allows(0.0)
    assert backoff.seconds_left(0.0) == 0.0
    assert backoff.due_at == pytest.approx(0.0375)


# --- callers -----------------------------------------------------------------------------------------


def test_the_first_failure_reaches_its_caller_at_once(
    scheduler: FakeScheduler, clock: HandMovedClock, naps: Naps, server: Server
) -> None:
    """Each time after a success, whatever the timeout; nobody sleeps for it."""
    pool = Pool(server, 3, 0)
    for timeout in (None, 0, 10):
        with pytest.raises(ConnectionError):
            pool.get(timeout)
        server.up = True
        clock.advance(1)
        pool.discard(pool.get())
        server.up = False
    assert naps.asked == []


def test_who_has_a_timeout_waits_it_out(
    scheduler: FakeScheduler, naps: Naps, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Later failures are logged, and the caller goes on waiting: he times out with the last error as cause."""
    pool = Pool(server, 3, 0, name="books")
    fail_once(pool)
    with pytest.raises(TimeOut, match="timeout after 1 seconds") as raised:
        pool.get(1)
    assert isinstance(raised.value.__cause__, ConnectionError)
    assert raised.value.__cause__.args == (4,)
    assert server.asked == pytest.approx([0.0, 0.0375, 0.1125, 0.2625, 0.5625])
    assert said(caplog)[0] == "pool 'books': creation failed, next attempt in 0.075 s: ConnectionError(1)"
    stats = pool.stats()
    assert (stats["nerrors"], stats["ntimeouts"], stats["nwaiting"], stats["nobjs"]) == (5, 1, 0, 0)
    assert stats["last_error"] == "ConnectionError: 4"
    assert stats["retry_in"] == pytest.approx(0.1625)


def test_who_waits_for_ever_hears_of_his_own_attempt(scheduler: FakeScheduler, naps: Naps, server: Server) -> None:
    """Without a timeout nothing else would tell him."""
    pool = Pool(server, 3, 0)
    for _ in range(4):
        fail_once(pool)
    assert server.asked == pytest.approx([0.0, 0.0375, 0.1125, 0.2625])


def test_recovery_within_the_timeout(scheduler: FakeScheduler, naps: Naps, server: Server) -> None:
    """A caller outlives an outage that is shorter than his timeout."""
    pool = Pool(server, 3, 0)
    fail_once(pool)
    naps.meanwhile.extend([lambda: naps.clock.advance(1)] * 3)
    naps.meanwhile.append(lambda: setattr(server, "up", True))
    assert pool.get(30).number == 4
    stats = pool.stats()
    assert stats["retry_in"] == 0.0
    assert stats["max_wait"] == pytest.approx(server.asked[-1]), "of a caller who queues again and again, the whole"


def test_not_to_wait_at_all(scheduler: FakeScheduler, clock: HandMovedClock, naps: Naps, server: Server) -> None:
    """get(0) says at once why there is nothing; when an attempt is due it makes it, and hears of it."""
    pool = Pool(server, 3, 0)
    fail_once(pool)
    with pytest.raises(TimeOut, match="timeout after 0 seconds") as raised:
        pool.get(0)
    assert isinstance(raised.value.__cause__, ConnectionError)
    assert len(server.asked) == 1
    clock.advance(0.0375)
    with pytest.raises(ConnectionError):
        pool.get(0)
    assert naps.asked == []


def test_an_idle_object_is_there_for_all(scheduler: FakeScheduler, naps: Naps, server: Server) -> None:
    """The back-off forbids to create, not to borrow."""
    server.up = True
    pool = Pool(server, 2, 1)
    server.up = False
    thing = pool.get()
    fail_once(pool)
    pool.ret(thing)
    assert pool.get(0) is thing
    naps.meanwhile.append(lambda: pool.ret(thing))
    assert pool.get(10) is thing
    assert len(server.asked) == 2


def test_in_order(scheduler: FakeScheduler, clock: HandMovedClock, server: Server) -> None:
    """Who waits for the next attempt waits in the queue: the first come makes it, nobody else."""
    pool = Pool(server, 5, 0)
    fail_once(pool)
    callers: list[Caller[Thing]] = []
    for number in range(3):
        callers.append(Caller(pool.get))
        eventually(waiting(pool, number + 1))
    for number, caller in enumerate(callers):
        assert len(server.asked) == number + 1
        clock.advance(5)
        with pytest.raises(ConnectionError):
            caller.result()
        assert pool.stats()["nwaiting"] == 2 - number
    assert len(server.asked) == 4


def test_a_newcomer_does_not_overtake(scheduler: FakeScheduler, clock: HandMovedClock, server: Server) -> None:
    """Whoever comes when an attempt is due leaves it to the oldest."""
    pool = Pool(server, 5, 0)
    fail_once(pool)
    begun, go_on = threading.Event(), threading.Event()
    made_by: list[str] = []

    def make(number: int) -> Thing:
        made_by.append(threading.current_thread().name)
        begun.set()
        wait_for(go_on)
        return Thing(number)

    pool._core.hooks.hooks = type(pool._core.hooks.hooks)(make)
    old = Caller(pool.get, name="old")
    eventually(lambda: pool.stats()["nwaiting"] == 1)
    clock.advance(5)
    with pytest.raises(TimeOut):
        pool.get(0)
    wait_for(begun)
    assert made_by == ["old"]
    young = Caller(pool.get, name="young")
    eventually(lambda: pool.stats()["nwaiting"] == 1)
    go_on.set()
    assert old.result().number + 1 == young.result().number, "a success lets all create who wait"


def test_a_success_lets_all_create(scheduler: FakeScheduler, clock: HandMovedClock, naps: Naps, server: Server) -> None:
    """As soon as one has succeeded, nobody waits for the next attempt any more."""
    pool = Pool(server, 5, 0, backoff=(100, 100))
    fail_once(pool)
    others: list[Caller[Thing]] = []

    def come_late() -> None:
        server.up = True
        clock.advance(75)
        others.extend(Caller(pool.get) for _ in range(3))  # who let the first go first
        eventually(waiting(pool, 3))

    naps.meanwhile.append(come_late)
    assert pool.get().number == 1
    assert sorted(other.result().number for other in others) == [2, 3, 4]


def test_who_fell_asleep_before_the_failure_wakes_for_the_next_attempt(
    scheduler: FakeScheduler, clock: HandMovedClock, naps: Naps, server: Server
) -> None:
    """A waiter that slept for an object is told that there is a place, and when it may be used."""
    server.up = True
    pool = Pool(server, 1, 0)
    thing = pool.get()
    server.up = False

    def break_down() -> None:
        pool._core.ledger.backoff.failed(clock.now)  # as another attempt does
        pool.discard(thing)

    naps.meanwhile.append(break_down)
    with pytest.raises(TimeOut):
        pool.get(1)
    assert server.asked == pytest.approx([0.0, 0.0375, 0.1125, 0.2625, 0.5625])


def test_who_gives_up_leaves_the_next_attempt_to_the_next(
    scheduler: FakeScheduler, clock: HandMovedClock, server: Server
) -> None:
    """Of those who wait one is told of the place; where he goes another is."""
    server.up = True
    pool = Pool(server, 1, 0)
    thing = pool.get()
    server.up = False
    first = Caller(lambda: pool.get(0.02))
    eventually(lambda: pool.stats()["nwaiting"] == 1)
    second = Caller(pool.get)
    eventually(lambda: pool.stats()["nwaiting"] == 2)
    pool._core.ledger.backoff.failed(clock.now)
    pool.discard(thing)
    clock.advance(0.03)
    with pytest.raises(TimeOut):
        first.result()
    assert len(server.asked) == 1
    clock.advance(1)
    with pytest.raises(ConnectionError):
        second.result()
    assert len(server.asked) == 2


def test_off(scheduler: FakeScheduler, naps: Naps, server: Server) -> None:
    """With None every caller tries at once."""
    pool = Pool(server, 3, 0, backoff=None)
    for timeout in (None, 0, 10):
        with pytest.raises(ConnectionError):
            pool.get(timeout)
    assert server.asked == [0.0, 0.0, 0.0]
    assert pool.stats()["backoff"] is None
    assert Pool(Thing, backoff=(1, 2)).stats()["backoff"] == [1.0, 2.0]


def test_without_a_pool_nobody_waits(scheduler: FakeScheduler, naps: Naps, server: Server) -> None:
    """Proxies without a pool create at once for each owner."""
    for scope in (Proxy.Scope.THREAD, Proxy.Scope.SHARED):
        proxy = Proxy(fun=server, scope=scope)
        for _ in range(3):
            with pytest.raises(ConnectionError):
                proxy._get_obj()
    assert naps.asked == []


def test_a_failed_opener_is_a_failed_creation(scheduler: FakeScheduler, naps: Naps) -> None:
    """Under "discard" a failed opener backs off too."""

    def fail(thing: Thing) -> None:
        raise ConnectionError

    pool = Pool(Thing, 3, 0, opener=fail, hook_errors="discard")
    with pytest.raises(HookError):
        pool.get()
    with pytest.raises(TimeOut) as raised:
        pool.get(1)
    assert isinstance(raised.value.__cause__, HookError)


def test_callers_whose_attempts_fail_together(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """They hold up the next one no longer than one alone would."""
    together = threading.Barrier(2)

    def make(number: int) -> Thing:
        if number < 2:
            together.wait(DEADLINE)
        raise ConnectionError(number)

    pool = Pool(make, 2, 0)
    for caller in [Caller(pool.get), Caller(pool.get)]:
        with pytest.raises(ConnectionError):
            caller.result()
    clock.advance(0.04)
    with pytest.raises(ConnectionError):
        pool.get(0)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit()])
def test_what_is_no_exception_reaches_everyone(
    error: BaseException, scheduler: FakeScheduler, naps: Naps, works: Works
) -> None:
    """An interruption of an attempt is an interruption of its caller."""
    pool = Pool(works.make, 3, 0)
    works.failing = ConnectionError()
    with pytest.raises(ConnectionError):
        pool.get()
    works.failing = error
    with pytest.raises(type(error)):
        pool.get(10)


def test_a_close_ends_the_wait(scheduler: FakeScheduler, naps: Naps, server: Server) -> None:
    """Who waits for an attempt, or makes one, is told of the close."""
    pool = Pool(server, 3, 0)
    fail_once(pool)
    naps.meanwhile.append(pool.shutdown)
    with pytest.raises(PoolClosed):
        pool.get(10)

    def close_and_fail(number: int) -> Thing:
        if number == 1:
            closing.shutdown()
        raise ConnectionError

    closing = Pool(close_and_fail, 3, 0)
    fail_once(closing)
    with pytest.raises(PoolClosed):
        closing.get(10)


def test_callers_and_refills_share_it(
    scheduler: FakeScheduler, clock: HandMovedClock, naps: Naps, server: Server
) -> None:
    """The failed refill is the first failure; the next attempt is a caller's, and its success the refill's too."""
    pool = Pool(server, 5, 3)
    assert server.asked == [0.0]
    server.up = True
    assert pool.get(1).number == 1
    assert server.asked == pytest.approx([0.0, 0.0375])
    scheduler.run()
    assert pool.stats()["nobjs"] == 3


def test_a_due_attempt_is_a_callers_before_a_refills(
    scheduler: FakeScheduler, clock: HandMovedClock, naps: Naps, server: Server
) -> None:
    """A refill that comes at the moment an attempt is due leaves it to who waits."""
    pool = Pool(server, 5, 3)

    def come_first() -> None:
        clock.advance(0.0375)
        pool.housekeep()
        assert len(server.asked) == 1
        server.up = True

    naps.meanwhile.append(come_first)
    assert pool.get(1).number == 1


def test_many_at_a_dead_server(scheduler: FakeScheduler, clock: HandMovedClock, server: Server) -> None:
    """However many wait, attempts are as few as for one; and when it is back all are served."""
    pool = Pool(server, 20, 0)
    fail_once(pool)
    callers = [Caller(lambda: pool.get(1000)) for _ in range(20)]
    eventually(lambda: pool.stats()["nwaiting"] == 20)
    for number in range(20):
        eventually(waiting(pool, 20))
        clock.advance(5)
        eventually(partial(server.was_asked, number + 2))
    eventually(waiting(pool, 20))
    assert len(server.asked) == 21
    server.up = True
    clock.advance(5)
    assert len({id(caller.result()) for caller in callers}) == 20


def test_a_success_meanwhile_makes_a_failure_the_first(
    scheduler: FakeScheduler, clock: HandMovedClock, server: Server
) -> None:
    """An attempt that was begun while the server was down, and fails after others have succeeded, is told at once."""
    begun, go_on = threading.Event(), threading.Event()

    def make(number: int) -> Thing:
        if number == 1:
            begun.set()
            wait_for(go_on)
            raise ConnectionError("again")
        return server(number)

    pool = Pool(make, 5, 0)
    fail_once(pool)
    clock.advance(1)
    late = Caller(partial(pool.get, 5))
    wait_for(begun)
    server.up = True
    clock.advance(1)
    pool.get(0)
    go_on.set()
    with pytest.raises(ConnectionError, match="again"):
        late.result()


def test_an_interrupted_caller_says_nothing_about_the_server(scheduler: FakeScheduler, works: Works) -> None:
    """The next may try at once."""
    pool = Pool(works.make, 1, 0, backoff=(1, 5))
    works.failing = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        pool.get()
    works.failing = None
    assert pool.stats()["retry_in"] == 0
    assert pool.get(0).number == 1


def test_causes_are_not_shared(scheduler: FakeScheduler, naps: Naps, server: Server) -> None:
    """Whoever raises the cause of his TimeOut writes into his own, not into everyone's."""
    pool = Pool(server, 1, 0)
    fail_once(pool)
    causes: list[BaseException | None] = []
    for _ in range(2):
        with pytest.raises(TimeOut) as raised:
            pool.get(0)
        causes.append(raised.value.__cause__)
    assert causes[0] is not causes[1]
    assert [str(cause) for cause in causes] == ["0", "0"]


class Whole(Exception):
    """Is copied with all that hangs on it, as an error is by pickle where a library has taught it that."""

    def __copy__(self) -> Whole:
        copied = Whole(*self.args).with_traceback(self.__traceback__)
        copied.__cause__ = self.__cause__
        copied.__context__ = self.__context__
        return copied


class Peculiar(Exception):
    """Cannot be copied: it is made of something else than what it says."""

    def __init__(self, *, number: int) -> None:
        super().__init__(f"no. {number}")


@pytest.mark.parametrize(
    ("error", "kept"), [(Whole("gone"), "Whole('gone')"), (Peculiar(number=3), "PoolException('Peculiar: no. 3')")]
)
def test_causes_keep_nothing_alive(error: Exception, kept: str, scheduler: FakeScheduler) -> None:
    """Neither the frames of the factory, nor the errors from which it was raised, which have frames as well."""

    def make(number: int) -> Thing:
        try:
            raise KeyError(number)
        except KeyError as first:
            raise error from first

    pool = Pool(make, 1, 0)
    with pytest.raises(type(error)):
        pool.get()
    with pytest.raises(TimeOut) as raised:
        pool.get(0)
    cause = raised.value.__cause__
    assert cause is not None
    assert repr(cause) == kept
    assert (cause.__traceback__, cause.__cause__, cause.__context__) == (None, None, None)
