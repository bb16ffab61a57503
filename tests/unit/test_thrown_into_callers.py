"""What is thrown into a caller who does work of maintenance reaches him; what an error refers to is left alone."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Iterator

import pytest

from ProxyPatternPool import Pool, PoolObserver, TimeOut
from ProxyPatternPool._engine import log_queue
from ProxyPatternPool._engine.log_queue import LogQueue

from .clock import FakeScheduler
from .helpers import Naps, Thing, Works


@pytest.fixture
def reloader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pools are made in the parent of a reloading server, where there is no maintenance."""
    monkeypatch.setenv("PPP_WERKZEUG_WORKAROUND", "1")
    monkeypatch.delenv("WERKZEUG_RUN_MAIN", raising=False)


def test_into_a_closer_that_a_borrower_calls(reloader: None, scheduler: FakeScheduler) -> None:
    """Without maintenance a borrower closes what a dropped lease left; a KeyboardInterrupt there is his."""
    closed: list[Thing] = []

    def close(thing: Thing) -> None:
        closed.append(thing)
        if len(closed) == 1:
            raise KeyboardInterrupt

    pool = Pool(Thing, 3, 0, max_use=1, closer=close)
    lease = pool.lease()
    del lease
    with pytest.raises(KeyboardInterrupt):
        pool.get()
    assert len(closed) == 1
    pool.ret(pool.get())
    assert pool.stats()["nobjs"] == 0


def test_who_only_looks_is_not_interrupted(reloader: None, scheduler: FakeScheduler) -> None:
    """Statistics take back what dropped leases left, and say what goes wrong in the log."""

    def close(thing: Thing) -> None:
        raise KeyboardInterrupt

    pool = Pool(Thing, 3, 0, max_use=1, closer=close)
    lease = pool.lease()
    del lease
    stats = pool.stats()
    assert (stats["nusing"], stats["nobjs"], stats["hk_errors"]) == (0, 0, 1)


class _Interrupting(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise KeyboardInterrupt


@pytest.fixture
def interrupting_log() -> Iterator[None]:
    log, handler = logging.getLogger("ppp"), _Interrupting()
    log.addHandler(handler)
    yield
    log.removeHandler(handler)


def test_into_a_log_handler_that_a_borrower_calls(
    interrupting_log: None, scheduler: FakeScheduler, naps: Naps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no thread can be had a borrower writes the log; what is thrown in meanwhile is his."""
    monkeypatch.setattr(FakeScheduler, "has_threads", False)
    pool = Pool(Thing, 3, 0)
    pool.ret(Thing(7))
    with pytest.raises(KeyboardInterrupt):
        pool.get()
    assert pool.stats()["nobjs"] == 0


def test_errors_are_not_asked_whether_they_are_true(scheduler: FakeScheduler, naps: Naps, works: Works) -> None:
    """The last creation error is the cause of a time-out, whatever it says of itself."""

    class Untrue(Exception):
        def __bool__(self) -> bool:
            raise AssertionError("asked")

    works.failing = error = Untrue("down")
    pool = Pool(works.make, 1, 0, backoff=(5, 5))
    with pytest.raises(Untrue):
        pool.get()
    with pytest.raises(TimeOut) as caught:
        pool.get(0.1)
    assert type(caught.value.__cause__) is type(error)


def test_an_observer_goes_with_its_pool(scheduler: FakeScheduler) -> None:
    """A pool that was closed and dropped keeps its observer no longer, without the collector."""
    observer = type("Observer", (PoolObserver,), {})()
    reference = weakref.ref(observer)
    gc.collect()
    gc.disable()
    try:
        pool = Pool(Thing, 2, 1, observer=observer)
        lines = pool._core.log_queue
        pool.shutdown()
        scheduler.run()
        del pool, observer
        scheduler.run()
        assert reference() is None
    finally:
        gc.enable()
    lines.add(logging.WARNING, "nobody writes this")
    assert len(lines) == 1


def test_a_filter_that_fails_loses_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter of the log that fails on the word about dropped lines leaves the next line where it is."""

    class Failing(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            if "dropped" in record.getMessage():
                raise ValueError("a filter with a bug")
            return True

    monkeypatch.setattr(log_queue, "MOST", 2)
    log, failing = logging.getLogger("ppp"), Failing()
    queue = LogQueue("a pool", lambda: 0.0)
    log.addFilter(failing)
    try:
        for number in range(3):
            queue.add(logging.ERROR, "line %d", number)
        with pytest.raises(ValueError, match="a bug"):
            queue.log_next()
        assert len(queue) == 2
        assert queue.log_next()
        assert len(queue) == 1
    finally:
        log.removeFilter(failing)


def test_the_reason_of_an_interrupted_return(scheduler: FakeScheduler, works: Works) -> None:
    """An object whose retter was interrupted is discarded for that, and counted so."""
    reasons: list[str] = []

    class Reasons(PoolObserver[Thing]):
        def discarded(self, pool: str, obj: Thing, reason: str, /) -> None:
            reasons.append(reason)

    def interrupted(thing: Thing) -> None:
        raise KeyboardInterrupt

    pool = Pool(works.make, 1, 0, retter=interrupted, observer=Reasons(), closer=works.close)
    with pytest.raises(KeyboardInterrupt):
        pool.ret(pool.get())
    assert reasons == ["interrupted"]
    assert works.closed == works.made


def test_an_observer_of_a_discard_that_is_interrupted(scheduler: FakeScheduler, works: Works) -> None:
    """What is given back as broken is closed, and counted so, though an observer was interrupted on the way."""

    class Interrupted(PoolObserver[Thing]):
        def returned(self, pool: str, obj: Thing, used: float, /) -> None:
            raise KeyboardInterrupt

    pool = Pool(works.make, 1, 0, observer=Interrupted(), closer=works.close)
    with pytest.raises(KeyboardInterrupt):
        pool.discard(pool.get())
    assert works.closed == works.made
    assert pool._core.ledger.places.nretired_for["broken"] == 1
