"""Twenty seconds of the stress, in an interpreter of its own. SECONDS and SEED replay a run, or make it longer."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .demanded import enough, missing

SECONDS = {kind: float(os.environ.get("SECONDS", enough(kind))) for kind in ("threads", "asyncio")}


def ended(*arguments: str, seconds: float) -> "subprocess.CompletedProcess[str]":
    """Have an interpreter do something, and end."""
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "SECONDS": str(seconds)},
    )
    print(done.stdout)  # with the seed, when it fails
    return done


def check(kind: str, seconds: float) -> None:
    """Have a stress done, which must end well and in silence, and in which everything happens."""
    done = ended("-m", "tests.stress", kind, seconds=seconds)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found = re.findall(r"^ *([\d,]+) (.+)$", done.stdout, re.M)
    assert missing(kind, seconds, {what: int(number.replace(",", "")) for number, what in found}) == []


@pytest.mark.timeout(SECONDS["threads"] + 280)
def test_stress() -> None:
    """Whatever happens at once, to the process as well: no object is lent twice, no bound exceeded, no wake-up lost."""
    check("threads", SECONDS["threads"])


@pytest.mark.timeout(SECONDS["asyncio"] + 280)
@pytest.mark.parametrize("kind", ["asyncio", "trio", "uvloop"])
def test_storm(kind: str) -> None:
    """The same for tasks that are cancelled at any time: nor is a cancellation lost, or delayed behind a hook."""
    if kind == "uvloop":
        pytest.importorskip(kind)
    check(kind, SECONDS["asyncio"])


BROKEN = """
import runpy, sys
from tests.stress import {module}

def failing(*_):
    1 / 0

class Unraisable:
    def __init__(self, *_):
        pass
    __del__ = failing

{change}
sys.argv[1:] = [{kind!r}]
runpy.run_module("tests.stress", run_name="__main__", alter_sys=False)
"""

BROKEN_FAULTS = "faults.Faults._freeze = faults.Faults._set_clock = faults.Faults._refuse_threads = failing"


@pytest.mark.parametrize(
    ("kind", "module", "change", "complaint"),
    [
        ("threads", "run", "run.Worker._use = failing", r"worker-\d+ died of ZeroDivisionError"),
        ("threads", "run", "run._operate = failing", "operator died of ZeroDivisionError"),
        ("threads", "faults", BROKEN_FAULTS, "faults died of ZeroDivisionError"),
        ("threads", "run", "run.Worker._use = Unraisable", r"ZeroDivisionError\(.*\) in <function failing"),
        ("asyncio", "faults", BROKEN_FAULTS, "faults died of ZeroDivisionError"),
        ("trio", "faults", BROKEN_FAULTS, "faults died of ZeroDivisionError"),
        ("asyncio", "storm", "storm.Storm._use = failing", "ZeroDivisionError"),
        ("trio", "storm", "storm.Storm._use = failing", "ZeroDivisionError"),
    ],
)
def test_what_dies_is_noticed(kind: str, module: str, change: str, complaint: str) -> None:
    """A thread, a task or a finalizer: the stress fails, and says which."""
    done = ended("-c", BROKEN.format(kind=kind, module=module, change=change), seconds=1)
    assert done.returncode == 1
    assert re.search(complaint, done.stderr)


def test_what_does_not_happen_is_noticed() -> None:
    """It is named, in a run that is long enough for it."""
    change = "run.stress = lambda *_: {'borrowed': 3, 'died': 0}"
    code = BROKEN.format(kind="threads", module="run", change=change)
    assert ended("-c", code, seconds=enough("threads") - 1).returncode == 0
    done = ended("-c", code, seconds=enough("threads"))
    assert done.returncode == 1
    assert done.stderr.startswith("never in this run: threads: creation failed, ")
    assert "died" in done.stderr
    assert "borrowed" not in done.stderr
