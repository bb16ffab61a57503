"""What befalls a whole process: it is stopped, has no file descriptors, or no memory. Its pools are whole after it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest

from ProxyPatternPool._runtime.native import GIL

from .helpers import DEADLINE, ROOT, run_script
from .scripts.faults import LIMIT


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="the system cannot stop a process")
def test_a_process_that_is_stopped() -> None:
    """Who was to give back had no time either, and gets it. Then limits and maintenance are as before."""
    command = [sys.executable, "-W", "error", "-m", "tests.unit.scripts.faults", "stopped"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=ROOT) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        while (line := child.stdout.readline()) == "stop me\n":
            child.send_signal(signal.SIGSTOP)
            try:
                child.wait(LIMIT * 1.1)  # it does not end
            except subprocess.TimeoutExpired:
                pass
            child.stdin.write(f"{time.monotonic()}\n")
            child.stdin.flush()
            child.send_signal(signal.SIGCONT)
        rest, errors = child.communicate(timeout=DEADLINE * 2)
    assert errors == ""
    assert [line, *rest.splitlines(keepends=True)] == ["not killed\n", "killed later\n", "timed out\n", "maintained\n"]


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no unix sockets")
@pytest.mark.parametrize(
    "page",
    [
        "data",
        pytest.param(
            "app", marks=pytest.mark.skipif(find_spec("werkzeug") is None, reason="werkzeug is not installed here")
        ),
    ],
)
def test_without_file_descriptors(page: str) -> None:
    """A creation fails with its own error, and costs no place; the status page shows what it can; all of it passes."""
    assert run_script("faults", "descriptors", page) == [
        "creation EMFILE",
        "timed out OSError",
        "page True",
        "places 0 0",
        "works again 0",
        "all answer True",
    ]


EVERY = os.environ.get("PPP_EVERY", "3")
LONGEST = 600 / int(EVERY)


@pytest.mark.skipif(find_spec("_testcapi") is None, reason="this Python has not the tests of CPython")
@pytest.mark.skipif((3, 12) <= sys.version_info < (3, 14), reason="these crash by themselves without memory")
@pytest.mark.skipif(not GIL, reason="other threads would have no memory, either")
@pytest.mark.timeout(LONGEST + 20)
@pytest.mark.parametrize("whose", ["threads", "tasks"])
def test_without_memory(whose: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever an allocation fails, numbers are right afterwards, no place is lost, and no lock is held.

    That holds for who waits, too, and for who hands an object or a place over. One allocation in three is tried;
    PPP_EVERY=1 has all tried, as in ``make stress``.
    """
    for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
        monkeypatch.delenv(name)  # what measures needs memory as well
    assert run_script("no_memory", whose, EVERY, seconds=LONGEST) == ["whole"]
