"""``@returning(db)``: what a job took through proxies goes back at its end, though its thread goes on."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ProxyPatternPool import Control, Pool, Proxy, ProxyException, Scope, control, proxy, returning

from .clock import FakeScheduler
from .helpers import Caller, Thing, Works, said
from .probes.covers import PerTenant

REMEDY = r"write @returning\(db\), with the proxies whose objects are to go back$"


def pool_of(db: Any) -> Pool[Any]:
    pool = control(db).pool
    assert pool is not None
    return pool


def in_use(db: Any) -> int:
    return pool_of(db).stats()["nusing"]


# --- the end of a job


def test_a_job_gives_back_when_it_returns(scheduler: FakeScheduler, works: Works) -> None:
    """Its result is the function's; the object is back, and reset in the job's own thread."""
    reset: list[Thing] = []
    db: Any = proxy(fun=works.make, max_size=1, retter=reset.append)

    @returning(db)
    def job(*numbers: int, more: int = 0) -> int:
        assert in_use(db) == 0
        assert db.number == 0
        assert in_use(db) == 1
        return sum(numbers) + more

    assert job(1, 2, more=3) == 6
    assert in_use(db) == 0
    assert reset == works.made
    assert Caller(job).result() == 0


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_a_job_gives_back_when_it_fails(error: type[BaseException], scheduler: FakeScheduler) -> None:
    """Whatever it raises comes out, and the object is back."""
    db: Any = proxy(fun=Thing, max_size=1)

    @returning(db)
    def job() -> None:
        assert db.number == 0
        raise error("in the job")

    with pytest.raises(error, match="in the job"):
        job()
    assert in_use(db) == 0


def test_each_object_goes_back_whatever_the_return_of_another_raises(scheduler: FakeScheduler) -> None:
    """What a reset raises comes out when all have been given back."""

    def interrupted(thing: Thing) -> None:
        raise KeyboardInterrupt

    before: Any = proxy(fun=Thing, max_size=1)
    db: Any = proxy(fun=Thing, max_size=1, retter=interrupted)
    after: Any = proxy(fun=Thing, max_size=1)

    @returning(before, db, after)
    def job() -> int:
        return int(before.number + db.number + after.number)

    with pytest.raises(KeyboardInterrupt):
        job()
    assert [in_use(each) for each in (before, db, after)] == [0, 0, 0]


def test_a_few_objects_are_enough_for_threads_that_are_kept() -> None:
    """Nobody waits in vain, as without it: the first two threads of the executor would keep both objects."""
    db: Any = proxy(fun=Thing, max_size=2, timeout=20.0)

    @returning(db)
    def job(number: int) -> int:
        return int(db.number) * 0 + number

    with ThreadPoolExecutor(8) as executor:
        assert list(executor.map(job, range(500))) == list(range(500))
    assert in_use(db) == 0
    pool_of(db).shutdown()


# --- what is not the job's


def test_what_a_thread_had_before_goes_back_too(scheduler: FakeScheduler) -> None:
    """A thread that has used the proxy when it started, or in a job that gives nothing back, keeps nothing."""
    db: Any = proxy(fun=Thing, max_size=1)
    assert db.number == 0

    @returning(db)
    def job() -> None:
        assert in_use(db) == 1

    job()
    assert in_use(db) == 0


def test_a_block_that_was_open_before_keeps_its_object(scheduler: FakeScheduler) -> None:
    """A decorated function may be called in the middle of a block."""
    db: Any = proxy(fun=Thing, max_size=1)

    @returning(db)
    def job() -> Any:
        return control(db).get()

    with control(db).obj() as thing:
        assert job() is thing
        assert in_use(db) == 1
        assert control(db).get() is thing
    assert in_use(db) == 0


def test_a_job_within_a_job_leaves_the_outer_ones_object(scheduler: FakeScheduler) -> None:
    """It may be in the middle of a transaction; what only the inner one took goes back at its end."""
    db: Any = proxy(fun=Thing, max_size=1)
    ldap: Any = proxy(fun=Thing, max_size=1)

    @returning(db, ldap)
    def inner() -> Any:
        assert ldap.number == 0
        return control(db).get()

    @returning(db, ldap)
    def outer() -> None:
        thing = control(db).get()
        assert inner() is thing
        assert (in_use(db), in_use(ldap)) == (1, 0)
        assert control(db).get() is thing

    outer()
    assert (in_use(db), in_use(ldap)) == (0, 0)


def test_a_job_that_calls_itself_gives_back_once(scheduler: FakeScheduler) -> None:
    """The outermost call does."""
    reset: list[Thing] = []
    db: Any = proxy(fun=Thing, max_size=1, retter=reset.append)

    @returning(db)
    def factorial(number: int) -> int:
        assert db.number == 0
        return 1 if number == 0 else number * factorial(number - 1)

    assert factorial(4) == 24
    assert len(reset) == 1


@pytest.mark.parametrize("max_size", [None, 1])
def test_without_a_pool_an_owner_keeps_its_object(max_size: int | None, scheduler: FakeScheduler, works: Works) -> None:
    """As with ``ret()``: there is nothing to give it back to."""
    db: Any = proxy(fun=works.make, max_size=max_size)
    job = returning(db)(lambda: db.number)
    assert (job(), job()) == (0, 0)
    assert control(db).has() is (max_size is None)


def test_proxies_may_be_set_later(scheduler: FakeScheduler) -> None:
    """A module that is imported first decorates with what another sets."""
    db: Thing = proxy(max_size=1)

    @returning(db)
    def job() -> int:
        return db.number

    with pytest.raises(ProxyException, match="not set"):
        job()
    control(db).set_fun(Thing)
    assert job() == 0
    assert in_use(db) == 0


# --- what can be decorated


class Service:
    def __init__(self, db: Any) -> None:
        self.db = db

    def __call__(self, more: int) -> int:
        return int(self.db.number) + more


def test_whatever_can_be_called_is_a_job(scheduler: FakeScheduler) -> None:
    """Methods of all kinds, bound methods, partials, and objects that can be called."""
    db: Any = proxy(fun=Thing, max_size=1)

    class Jobs:
        @returning(db)
        def of_object(self, more: int) -> int:
            return int(db.number) + more

        @staticmethod
        @returning(db)
        def static(more: int) -> int:
            return int(db.number) + more

        @classmethod
        @returning(db)
        def of_class(cls, more: int) -> int:
            return int(db.number) + more

    service = Service(db)
    jobs: list[Callable[[int], int]] = [
        Jobs().of_object,
        Jobs.static,
        Jobs().static,
        Jobs.of_class,
        returning(db)(service.__call__),
        returning(db)(service),
        returning(db)(functools.partial(Service.__call__, service)),
    ]
    for job in jobs:
        assert job(3) == 3
        assert in_use(db) == 0


def test_a_job_looks_like_its_function() -> None:
    """Its name, text, module and signature are those of the function."""
    db: Any = proxy(fun=Thing)

    def job(number: int, *, name: str = "") -> str:
        """Do it."""
        return name * number

    decorated = returning(db)(job)
    assert (decorated.__name__, decorated.__doc__, decorated.__module__) == ("job", "Do it.", __name__)
    assert inspect.signature(decorated) == inspect.signature(job)
    assert inspect.unwrap(decorated) is job


# --- coroutine functions


def test_a_coroutine_gives_back_when_it_has_ended(scheduler: FakeScheduler) -> None:
    """Not when it is made, nor at an ``await``; each task has its own."""
    db: Any = proxy(fun=Thing, scope=Scope.CONTEXT, max_size=2)
    seen: list[tuple[int, int]] = []

    @returning(db)
    async def job(number: int, *, times: int = 0) -> int:
        thing = control(db).get()
        await asyncio.sleep(0)
        assert control(db).get() is thing
        seen.append((number * times, in_use(db)))
        return number

    assert inspect.iscoroutinefunction(job)

    async def both() -> tuple[int, int]:
        return await asyncio.gather(job(1, times=3), job(2, times=3))

    assert [*asyncio.run(both())] == [1, 2]
    assert seen == [(3, 2), (6, 1)]
    assert in_use(db) == 0


def test_a_coroutine_gives_back_within_its_task(scheduler: FakeScheduler) -> None:
    """A task that awaits one job after another keeps nothing; within a job it is the outer one that gives back."""
    db: Any = proxy(fun=Thing, scope=Scope.CONTEXT, max_size=1)

    @returning(db)
    async def job() -> Any:
        return control(db).get()

    @returning(db)
    async def outer() -> None:
        thing = control(db).get()
        assert await job() is thing
        assert in_use(db) == 1

    async def worker() -> None:
        for _ in range(3):
            await job()
            assert in_use(db) == 0
        await outer()
        assert in_use(db) == 0

    asyncio.run(worker())


def test_a_coroutine_that_fails_or_is_cancelled_gives_back(scheduler: FakeScheduler) -> None:
    """Whatever ends it."""
    db: Any = proxy(fun=Thing, scope=Scope.CONTEXT, max_size=1)

    @returning(db)
    async def fail() -> None:
        assert db.number == 0
        raise ValueError("in the job")

    @returning(db)
    async def wait() -> None:
        assert db.number == 0
        await asyncio.get_running_loop().create_future()

    async def worker() -> None:
        with pytest.raises(ValueError, match="in the job"):
            await fail()
        assert in_use(db) == 0
        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        assert in_use(db) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert in_use(db) == 0

    asyncio.run(worker())


@pytest.mark.parametrize("scope", [Scope.THREAD, Scope.GEVENT, Scope.EVENTLET])
def test_tasks_that_share_an_object_are_refused(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of them to end would give back what the others use: the error names the scope that does not."""
    db: Any = proxy(fun=Thing, scope=Scope.THREAD, max_size=1)
    monkeypatch.setattr(Control, "scope", scope)  # whose library need not be there

    async def job() -> None: ...

    with pytest.raises(ProxyException, match=rf"^with scope {scope.name} all tasks .*scope=Proxy\.Scope\.CONTEXT$"):
        returning(db)(job)


def test_tasks_that_share_an_object_are_refused_when_that_is_known(scheduler: FakeScheduler) -> None:
    """The default scope is decided when the proxy is set; one object for all needs not go back."""
    db: Thing = proxy(max_size=1)
    one: Thing = proxy()

    @returning(db, one)
    async def job() -> int:
        return one.number

    control(one).set_obj(Thing(5))
    assert asyncio.run(job()) == 5
    control(db).set_fun(Thing)
    with pytest.raises(ProxyException, match=r"^with scope THREAD all tasks"):
        asyncio.run(job())


@pytest.mark.parametrize("wrapped", ["plain function", "partial", "callable object"])
def test_what_makes_a_coroutine_function_is_one(wrapped: str, scheduler: FakeScheduler) -> None:
    """A partial of one, and an object that is one; what only returns a coroutine is refused when it is called."""
    db: Any = proxy(fun=Thing, scope=Scope.CONTEXT, max_size=1)

    async def job(more: int) -> int:
        return int(db.number) + more

    class Job:
        async def __call__(self, more: int) -> int:
            return await job(more)

    if wrapped == "plain function":

        @returning(db)
        def plain(more: int) -> object:
            return job(more)

        with pytest.raises(TypeError, match=r"^a coroutine would begin after the job's end: .* right above its def$"):
            plain(3)
        assert in_use(db) == 0
        return
    decorated = returning(db)(functools.partial(job) if wrapped == "partial" else Job())
    assert asyncio.run(decorated(3)) == 3
    assert in_use(db) == 0


# --- refused


def generate(number: int) -> Generator[int]:
    yield number


async def generate_later(number: int) -> AsyncGenerator[int]:
    yield number


def test_generator_functions_are_refused() -> None:
    """Between the steps of a generator its thread does other things, with what was taken in it."""
    db: Any = proxy(fun=Thing)
    for function in (generate, generate_later, functools.partial(generate)):
        with pytest.raises(TypeError) as raised:
            returning(db)(function)
        assert str(raised.value) == (
            "@returning(…) is not for generator functions, between whose steps others use what was taken: "
            "use a with block in it, or decorate the function that goes through it"
        )


def test_what_is_no_function_is_refused() -> None:
    """The error says where the decorator goes."""
    db: Any = proxy(fun=Thing)
    decorate: Any = returning(db)
    for wrong in (Service, 3, None):
        with pytest.raises(
            TypeError, match=r"^@returning\(…\) is for functions, such as the methods of a class, not for"
        ):
            decorate(wrong)
    kinds: tuple[Any, ...] = staticmethod, classmethod
    for kind in kinds:
        with pytest.raises(TypeError, match=rf"write it below @{kind.__name__}$"):
            decorate(kind(generate))


def test_without_proxies_the_error_names_the_remedy() -> None:
    """Forgotten parentheses, or nothing in them: ``ProxyException``, where it is written."""
    db: Any = proxy(fun=Thing)
    with pytest.raises(ProxyException, match=rf"^no proxy is given: {REMEDY}"):
        returning()
    with pytest.raises(ProxyException, match=rf"^this is no proxy, but an object of type 'function': {REMEDY}"):

        @returning
        def job() -> None: ...

    with pytest.raises(ProxyException, match=rf"^this is no proxy, but an object of type 'Pool': {REMEDY}"):
        returning(db, Pool(Thing, 0, 0))


def test_a_strategy_decides_itself(scheduler: FakeScheduler) -> None:
    """As with the middleware: several threads may be one owner there."""
    db: Any = proxy(fun=Thing, scope=PerTenant, max_size=1)
    with pytest.raises(ProxyException, match="decides itself when an object goes back"):
        returning(db)


def test_nothing_is_asked_of_an_object(
    scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """To decorate takes no object, and a job that uses none neither."""
    db: Any = Proxy(fun=works.make, max_size=1, min_size=0)

    @returning(db)
    def job() -> None: ...

    job()
    assert works.made == []
    assert said(caplog) == []
