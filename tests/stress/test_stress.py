"""Twenty seconds of the stress, in an interpreter of its own. SECONDS and SEED replay a run, or make it longer."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.timeout(SECONDS + 280)
def test_stress() -> None:
    """Whatever happens at once, to the process as well: no object is lent twice, no bound exceeded, no wake-up lost."""
    times = done_by("threads", SECONDS)
    always = ("borrowed", "creation failed", "interrupted", "timed out", "calm", "nkilled", "nwornout", "nrecycled")
    faults = ("clock set", "died", "frozen", *(("signalled", "stopped") if os.name == "posix" else ()))
    for what in (*always, *faults, "drained", "cleared", "resized", "ready", "ndrained", "nshed", "ncleared"):
        assert times[what] > 0, f"{what}: never in this run"


@pytest.mark.timeout(STORM + 280)
@pytest.mark.parametrize("kind", ["asyncio", "trio", "uvloop"])
def test_storm(kind: str) -> None:
    """The same for tasks that are cancelled at any time: nor is a cancellation lost, or delayed behind a hook."""
    if kind == "uvloop":
        pytest.importorskip(kind)
    times = done_by(kind, STORM)
    always = ("borrowed", "cancelled", "limited", "failed", "creation failed", "timed out", "calm", "nkilled")
    for what in (*always, "nwornout", "drained", "cleared", "resized", "ready", "housekept", "ndrained"):
        assert times[what] > 0, f"{what}: never in this run"
