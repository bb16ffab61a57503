"""An exception thrown in at any instruction loses nothing.

A trace function raises at the n-th place within the package, during one operation, where CPython looks for
signals and for exceptions thrown in by other threads, and does so for every n there is: exhaustively instead
of by luck. Those places are the beginning of a function, a jump backwards, and the return of a call into C or
of one with unpacked arguments. 3.10 also looks at the return of a call from Python to Python.

Afterwards the books must balance: every object made is closed once, every place can be had again, and nobody
is left in the queue.
"""

import gc
import logging
from collections.abc import Callable

import pytest

from ProxyPatternPool import Pool, PoolClosed, control, proxy

from .clock import FakeScheduler, HandMovedClock
from .diary import Auditor
from .throwing import BOUND, OPERATIONS, Thing, Thrower, Thrown, get_and_ret, throwing


class Books:
    """The factory as oracle. It lets nothing interrupt itself: only the package's instructions are counted."""

    def __init__(self) -> None:
        self.made: list[Thing] = []
        self.closed: list[Thing] = []
        self.most = 0

    def make(self, serial: int) -> Thing:
        self.made.append(Thing(serial))
        self.most = max(self.most, len(self.made) - len(self.closed))
        return self.made[-1]

    def close(self, thing: Thing) -> None:
        self.closed.append(thing)  # as often as it is: what is raised here would only be logged


def balance(pool: Pool[Thing], books: Books, scheduler: FakeScheduler) -> None:
    gc.collect()
    scheduler.run()
    stats = pool.stats()
    assert stats["nwaiting"] == 0
    assert stats["nusing"] == 0, "an object is lent to nobody"
    assert books.most <= BOUND, "more objects than places"
    assert stats["nobjs"] == stats["navail"] == len(books.made) - len(books.closed)
    leases = [pool.lease(0) for _ in range(BOUND)]
    assert len({lease.obj for lease in leases}) == BOUND, "a place is lost"
    for lease in leases:
        lease.release()
    pool.shutdown()
    assert books.made == sorted(books.closed, key=lambda thing: thing.serial), "not closed exactly once"


def audit(pool: Pool[Thing], auditor: Auditor) -> None:
    """What an observer was told fits together: no end without a beginning, and no beginning without an end."""
    assert not auditor.wrong
    assert not auditor.alive, "an object whose end was not told"
    assert not auditor.lent_now, "a loan whose end was not told"
    assert pool.stats()["observer_errors"] == 0


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(("hooks", "observed"), [(False, False), (True, False), (True, True)])
def test_an_exception_thrown_in_at_any_place_loses_nothing(
    operation: Callable[[Pool[Thing]], None],
    hooks: bool,
    observed: bool,
    scheduler: FakeScheduler,
    clock: HandMovedClock,
) -> None:
    """Whatever is thrown into a caller and wherever, nothing is lost, and an observer's books balance."""
    logging.getLogger("ppp").setLevel(logging.CRITICAL)
    place, passed = 0, 1
    while place < passed:
        books, auditor = Books(), Auditor()
        pool = Pool(
            books.make,
            BOUND,
            closer=books.close,
            max_use=2,
            max_avail_delay=60.0,
            max_using_delay_kill=60.0,
            retter=(lambda _: None) if hooks else None,
            getter=(lambda _: None) if hooks else None,
            health=(lambda _: True) if hooks else None,
            observer=auditor if observed else None,
        )
        try:
            with throwing(Thrower(place)) as thrower:
                operation(pool)
        except Thrown as thrown:
            print(place, *thrown.args)  # shown if the books below do not balance
            passed = place + 2  # there may be one more
        else:
            passed = thrower.passed
        clock.advance(1)
        pool.resize(max_size=BOUND)  # it may have been interrupted in between
        balance(pool, books, scheduler)
        audit(pool, auditor)
        place += 1
    assert place > 10, "hardly anything was tried"


class Ill:
    """A health check that finds fault once."""

    def __init__(self) -> None:
        self.found = False

    def __call__(self, thing: Thing) -> bool:
        self.found, found = True, self.found
        return found


def come_back_old(pool: Pool[Thing], clock: HandMovedClock) -> None:
    with pool.lease():
        clock.advance(100)


@pytest.mark.parametrize("case", ["ill", "old", "stale", "expires while lent"])
@pytest.mark.parametrize("observed", [False, True])
def test_an_exception_thrown_in_while_an_object_is_replaced_loses_nothing(
    case: str, observed: bool, scheduler: FakeScheduler, clock: HandMovedClock
) -> None:
    """The same where the borrower finds the idle object no good, and gets another in its place."""
    logging.getLogger("ppp").setLevel(logging.CRITICAL)
    place, passed = 0, 1
    while place < passed:
        books, auditor = Books(), Auditor()
        ill = Ill()
        pool = Pool(
            books.make,
            BOUND,
            closer=books.close,
            max_lifetime=100.0,
            health=ill if case == "ill" else None,
            health_before_get=0.0 if case == "ill" else None,
            observer=auditor if observed else None,
        )
        if case == "stale":
            lease = pool.lease()
            pool.drain()
            entry = pool._core.ledger.shelves.using.pop(id(lease.obj))
            pool._core.notifier.returned(entry, 0.0)
            pool._core.ledger.shelves.idle.append(entry)  # as one does who began before the drain
            del entry, lease
        elif case == "old":
            clock.advance(100)
        try:
            with throwing(Thrower(place)) as thrower:
                if case == "expires while lent":
                    come_back_old(pool, clock)
                else:
                    get_and_ret(pool)
        except Thrown as thrown:
            print(place, *thrown.args)
            passed = place + 2
        else:
            passed = thrower.passed
            stats = pool.stats()
            assert stats["ntodel"] + stats["ndestroys"] == 1, "nothing was replaced"
        clock.advance(1)
        balance(pool, books, scheduler)
        audit(pool, auditor)
        place += 1
    assert place > 10, "hardly anything was tried"


@pytest.mark.parametrize("observed", [False, True])
def test_an_exception_thrown_into_a_shutdown_leaves_nothing_open(
    observed: bool, scheduler: FakeScheduler, clock: HandMovedClock
) -> None:
    """Wherever it is thrown in, maintenance does the rest, and nobody is served."""
    logging.getLogger("ppp").setLevel(logging.CRITICAL)
    place, passed = 0, 1
    while place < passed:
        books, auditor = Books(), Auditor()
        pool = Pool(books.make, BOUND, BOUND, closer=books.close, observer=auditor if observed else None)
        begun = False
        try:
            with throwing(Thrower(place)) as thrower:
                pool.shutdown()
        except Thrown as thrown:
            print(place, *thrown.args)
            passed = place + 2
            begun = bool(pool._core.ledger.closed or pool._core.ledger.mailbox.abandoned)
        else:
            passed = thrower.passed
            begun = True
        gc.collect()
        scheduler.run()
        if begun:
            assert books.made == sorted(books.closed, key=lambda thing: thing.serial), "not closed exactly once"
            with pytest.raises(PoolClosed):
                pool.get(0)
        pool.shutdown()
        audit(pool, auditor)
        place += 1
    assert place > 10, "hardly anything was tried"


def test_an_exception_thrown_into_a_block_of_a_proxy_loses_nothing(scheduler: FakeScheduler) -> None:
    """Wherever it is thrown in, the block that comes next gives back, and the owner is left with nothing."""
    place, passed = 0, 1
    while place < passed:
        db = proxy(fun=Thing, max_size=1, timeout=0)
        odd = False
        try:
            with throwing(Thrower(place)) as thrower, control(db).obj():
                pass
        except Thrown as thrown:
            passed = place + 2
            odd = thrown.args[1] is None  # between lines: there CPython does not end what it handles
        else:
            passed = thrower.passed
        scheduler.run()
        if not odd:
            with control(db).obj():
                pass
            scheduler.run()
            pool = control(db).pool
            assert pool is not None
            assert pool.stats()["nusing"] == 0, place
        place += 1
    assert place > 50
