"""What is promised of event loops holds for uvloop's, too."""

from __future__ import annotations

from inspect import signature

import pytest
import uvloop

from ..unit import test_task_loops, test_task_owners, test_task_sleepers
from ..unit.helpers import run_script
from ..unit.loops import Asyncio, Library

# The tests of every library are collected here once more, with the fixture below.
for module in (test_task_loops, test_task_owners, test_task_sleepers):
    for name, test in vars(module).items():
        if name.startswith("test_") and "library" in signature(test).parameters:
            globals()[name] = test


@pytest.fixture(params=[False, True], ids=["uvloop", "uvloop in debug mode"])
def library(request: pytest.FixtureRequest) -> Library:
    """What runs the loop of a test."""
    return Asyncio(uvloop.run, debug=request.param)


@pytest.mark.parametrize("debug", ["", "debug"])
@pytest.mark.parametrize("how", test_task_loops.ENDS)
def test_a_loop_that_is_not_ended_properly(how: str, debug: str) -> None:
    """Nothing is said of tasks that were pending, were never begun, or of what was to be done at the end."""
    assert run_script("loops", "uvloop", how, debug) == (["last"] if "finalized" in how else []) + ["end"]
