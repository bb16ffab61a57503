"""Two and three threads at a small pool: whatever the schedule, what the README promises holds."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace

import pytest

pytest.importorskip("greenlet")

from .fault import Fault
from .faults import FAULTS
from .instrument import CALL, ITEM, LENGTH, LOAD, STORE
from .library import Library
from .machine import Machine
from .operations import OPERATIONS
from .plan import Deviations, Plan, Pruned, read, write
from .scenarios import CORE, Scenario, combinations, scenario
from .search import Search, run_once


@pytest.fixture(scope="module")
def library() -> Iterator[Library]:
    log = logging.getLogger("ppp")
    level = log.level
    log.setLevel(logging.CRITICAL)
    library = Library()
    gc.collect()
    gc.freeze()
    yield library
    gc.unfreeze()
    log.setLevel(level)


@pytest.mark.parametrize("each", CORE, ids=[each.name for each in CORE])
def test_three_preemptions(library: Library, each: Scenario) -> None:
    """All schedules of what matters most, with up to three pre-emptions; two if there are three threads."""
    bound = 3 if len(each.operations) == 2 else 2
    result = Search(library, each).run(bound)
    assert result.failure is None, result.failure
    assert result.complete == bound
    assert result.schedules > 1


@pytest.mark.parametrize("each", CORE, ids=[each.name for each in CORE])
def test_values_out_of_date(library: Library, each: Scenario) -> None:
    """The same where a thread may read the value before the last of what others write; with one less for three."""
    result = Search(library, each, stale_reads=True).run(3 if len(each.operations) == 2 else 1)
    assert result.failure is None, result.failure


@pytest.mark.parametrize("first", OPERATIONS)
def test_all_pairs(library: Library, first: str) -> None:
    """Each operation beside each other, with one pre-emption."""
    for each in combinations(2, sizes=None, first=first):
        result = Search(library, each).run(1)
        assert result.failure is None, result.failure


@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.mutation.name) for fault in FAULTS if not fault.hidden])
def test_planted_faults(library: Library, fault: Fault) -> None:
    """A fault is found; the schedule that shows it does so again, is read as it is written, and is fine without it."""
    faulty = Library(fault.mutation)
    failure = Search(faulty, fault.scenario, stale_reads=fault.stale_reads).run(3).failure
    assert failure is not None
    assert read(write(failure.schedule)) == failure.schedule
    for copy, broken in ((faulty, True), (library, False)):
        copy.machine.accesses.steps_at = set(failure.steps_at)
        again = run_once(copy, fault.scenario, Plan(failure.schedule, fault.stale_reads, prunes=False))
        assert bool(again) == broken, again


@pytest.mark.parametrize(
    "fault", [pytest.param(fault, id=fault.mutation.name) for fault in FAULTS if fault.stale_reads]
)
def test_faults_need_what_they_say(fault: Fault) -> None:
    """One that shows only by a value that is out of date is not found with the order of a GIL."""
    assert Search(Library(fault.mutation), fault.scenario).run(3).failure is None


def test_the_shortest_is_printed() -> None:
    """Of the schedules that show a fault the shortest is printed, with a command that replays it line by line."""
    (fault,) = [fault for fault in FAULTS if fault.mutation.name == "who queues does not look a second time"]
    first = Search(Library(fault.mutation), fault.scenario).run(3).failure
    shortest = Search(Library(fault.mutation), fault.scenario, shortest=True).run(3).failure
    assert first is not None
    assert shortest is not None
    assert shortest.length <= first.length
    # Where tests run there may be no path to the sources, or a relative one.
    done = subprocess.run(shortest.command, shell=True, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "_pool/pool.py" in done.stdout
    assert "shelves.idle.append(entry)" in done.stdout
    assert "nobody can go on" in done.stdout or "sleeps beside an idle object" in done.stdout


@pytest.mark.parametrize("each", [scenario("borrow ret", 1), scenario("close ret", 1)], ids=["borrow", "close"])
def test_nothing_is_lost_by_pruning(library: Library, each: Scenario) -> None:
    """What can come out of a scenario is the same if no schedule is left out for an equivalent one."""
    pruned = Search(library, each).run(2)
    whole = Search(library, each, prunes=False).run(2)
    assert whole.pruned == 0
    assert whole.schedules > 3 * pruned.schedules
    assert whole.outcomes == pruned.outcomes


def _what_a_look_finds(machine: Machine, plan: Plan) -> tuple[int, int]:
    """What a thread finds which looks into a deque, as another does that has changed something before."""
    hooks, owner = machine.accesses.hooks, SimpleNamespace(number=0)
    changed, looked_into = deque[int](), deque([0])
    found: list[int] = []

    def look() -> None:
        found.append(len(hooks[LENGTH](changed, "changed")))
        hooks[ITEM](looked_into, "looked_into", 0)
        found.append(hooks[LOAD](owner, "number"))

    def change() -> None:
        hooks[STORE](1, owner, "number")
        hooks[CALL](changed, "changed", "append", 1)
        hooks[ITEM](looked_into, "looked_into", 0)

    machine.run([look, change], plan, lambda: False)
    length, number = found
    return length, number


def _all_that_a_look_finds(*, prunes: bool) -> set[tuple[int, int]]:
    machine = Machine()
    machine.accesses.steps_at = {"number", "changed", "looked_into"}
    found: set[tuple[int, int]] = set()
    pending: list[Deviations] = [()]
    while pending:
        deviations = pending.pop()
        plan = Plan(deviations, stale_reads=True, prunes=prunes)
        with suppress(Pruned):
            found.add(_what_a_look_finds(machine, plan))
        if len(deviations) < 4:
            pending += [(*deviations, (each.step, each.choice)) for each in plan.alternatives]
    return found


def test_looks_that_order_each_other_are_not_pruned() -> None:
    """Two looks into a deque do not come to the same in either order, where values may be out of date."""
    whole = _all_that_a_look_finds(prunes=False)
    assert (1, 0) in whole
    assert _all_that_a_look_finds(prunes=True) == whole


@pytest.mark.parametrize(
    ("among", "said", "code"),
    [
        ("ret maintain", "2 threads, 1 pre-emptions: 4 scenarios;", 0),
        ("ret maintian", "no operation is called maintian; there are borrow, ", 2),
    ],
)
def test_only_of_some_operations(among: str, said: str, code: int) -> None:
    """All scenarios of these, with the order of a GIL and without; one that is misspelt is an error."""
    command = [sys.executable, "-m", "tests.explore", "--without-faults", "--among", among, "--preemptions", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["borrow ret", "--fault", "a hand-over forgets"], "no fault is called 'a hand-over forgets'"),
        (["ret ret"], "ret ret: more objects than 1"),
    ],
)
def test_what_cannot_be_tried(arguments: list[str], said: str) -> None:
    """A fault that is misspelt, and a scenario with too few places, are errors that say so."""
    command = [sys.executable, "-m", "tests.explore", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr


def test_a_fault_that_is_out_of_date() -> None:
    """If the text of the library changes, a fault that no longer fits it says so."""
    fault = FAULTS[0].mutation
    with pytest.raises(AssertionError, match="0 times"):
        fault.apply("something else")


def test_copies_are_apart(library: Library) -> None:
    """Nothing of a copy is left among the modules that others import."""
    assert library["_pool.pool"] is not sys.modules["ProxyPatternPool._pool.pool"]
    assert library[""].Pool is not sys.modules["ProxyPatternPool"].Pool
