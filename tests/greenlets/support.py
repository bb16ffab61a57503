"""What the tests share: each check runs in a fresh process, for both hubs, patched and not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

HUBS = ["gevent", "eventlet"]
both_hubs = pytest.mark.parametrize("hub", HUBS)
both_modes = pytest.mark.parametrize("mode", ["patched", "unpatched"])


def run_script(hub: str, mode: str, *args: str) -> list[str]:
    """Run one of the scripts; it must end well and in silence, and what it prints comes back as lines."""
    command = [sys.executable, "-m", "tests.greenlets.run", hub, mode, *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=80, check=False, cwd=ROOT)
    assert done.returncode == 0, f"{command} exited with {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.stderr == "", done.stderr
    return done.stdout.splitlines()
