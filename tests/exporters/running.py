"""Fresh interpreters: they must end well and in silence."""

from __future__ import annotations

import os
import subprocess
import sys

from ..unit.helpers import DEADLINE, ROOT


def run_code(code: str, **environment: str) -> list[str]:
    """Run some code; what it prints comes back."""
    return _run("-c", code, environment=environment)


def run_script(name: str, **environment: str) -> list[str]:
    """Run one of the scripts here; what it prints comes back."""
    return _run("-m", f"tests.exporters.scripts.{name}", environment=environment)


def _run(*args: str, environment: dict[str, str]) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", *args],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout.splitlines()
