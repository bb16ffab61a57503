"""Twenty seconds of the stress, in an interpreter of its own. SECONDS and SEED replay a run, or make it longer."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ProxyPatternPool._runtime.native import GIL

from .faults import TIME_FOR_LONG_PAUSE

SECONDS = float(os.environ.get("SECONDS", "20"))
STORM = float(os.environ.get("SECONDS", "8"))


def done_by(kind: str, seconds: float) -> dict[str, int]:
    """Have a stress done, which must end well and in silence; say how often it did what."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.stress", kind],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "SECONDS": str(seconds)},
    )
    print(done.stdout)  # with the seed, when it fails
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return {what: int(number.replace(",", "")) for number, what in re.findall(r"^ *([\d,]+) (.+)$", done.stdout, re.M)}


POSIX = os.name == "posix"


def faults(seconds: float, **others: bool) -> list[str]:
    """What is to have happened to a process in such a time; the others where that is so."""
    some = {
        "signalled": POSIX,
        "stopped": POSIX,
        "stopped for 10 s": POSIX and seconds >= TIME_FOR_LONG_PAUSE,
        **others,
    }
    return ["clock set", "frozen", "threads refused", *(what for what, demanded in some.items() if demanded)]


@pytest.mark.timeout(SECONDS + 280)
def test_stress() -> None:
    """Whatever happens at once, to the process as well: no object is lent twice, no bound exceeded, no wake-up lost."""
    times = done_by("threads", SECONDS)
    always = ("borrowed", "creation failed", "interrupted", "timed out", "calm", "nkilled", "nwornout", "nrecycled")
    happened = ["died", *faults(SECONDS, forked=POSIX and GIL)]
    for what in (*always, *happened, "drained", "cleared", "resized", "ready", "ndrained", "nshed", "ncleared"):
        assert times[what] > 0, f"{what}: never in this run"


@pytest.mark.timeout(STORM + 280)
@pytest.mark.parametrize("kind", ["asyncio", "trio", "uvloop"])
def test_storm(kind: str) -> None:
    """The same for tasks that are cancelled at any time: nor is a cancellation lost, or delayed behind a hook."""
    if kind == "uvloop":
        pytest.importorskip(kind)
    times = done_by(kind, STORM)
    always = ("borrowed", "cancelled", "limited", "failed", "creation failed", "timed out", "calm", "nkilled")
    for what in (
        *always,
        *faults(STORM),
        "nwornout",
        "drained",
        "cleared",
        "resized",
        "ready",
        "housekept",
        "ndrained",
    ):
        assert times[what] > 0, f"{what}: never in this run"
