"""Twenty seconds of the stress, in an interpreter of its own. SECONDS and SEED replay a run, or make it longer."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SECONDS = float(os.environ.get("SECONDS", "20"))


@pytest.mark.timeout(SECONDS + 280)
def test_stress() -> None:
    """Whatever happens at once, no object is lent twice, no bound exceeded, no wake-up lost, and the books balance."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.stress"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "SECONDS": str(SECONDS)},
    )
    print(done.stdout)  # with the seed, when it fails
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    times = {what: int(number.replace(",", "")) for number, what in re.findall(r"^ *([\d,]+) (.+)$", done.stdout, re.M)}
    always = ("borrowed", "creation failed", "interrupted", "timed out", "calm", "nkilled", "nwornout", "nrecycled")
    for what in (*always, "drained", "cleared", "resized", "ready", "ndrained", "nshed", "ncleared"):
        assert times[what] > 0, f"{what}: never in this run"
