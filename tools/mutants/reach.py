"""Which tests reach a line, and how long each takes."""

import pickle
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from time import process_time

import coverage
import pytest

from .children import Children, Failures, run

QUICK = 2.5
"""Seconds that a test may take, while it is measured."""
KEPT = Path("build/reach.pickle")
"""What was measured, of tests and sources that have not changed since."""


@dataclass
class Measured:
    """What was measured of one test."""

    of: bytes
    """A digest of the test, and of all that it uses."""
    seconds: float | None = None
    """How long it works. ``None``: it is slow, or fails where it runs in a child."""
    lines: dict[str, int] | None = None
    """The lines that it reaches, by files, as the bits of a number."""


class Reach:
    """What the quick tests reach."""

    def __init__(self, measured: Sequence[Measured]) -> None:
        self._measured = measured
        self.seconds = {index: test.seconds for index, test in enumerate(measured) if test.seconds is not None}
        self.extents = [sum(lines.bit_count() for lines in (test.lines or {}).values()) for test in measured]
        """How many lines each test reaches."""

    def of(self, path: str, lines: Iterable[int], among: Iterable[int] | None = None) -> list[int]:
        """The tests that reach one of these lines, the quickest first; perhaps only of some tests."""
        bits = sum(1 << line for line in set(lines))
        tests = self.seconds if among is None else among
        found = [index for index in tests if (self._measured[index].lines or {}).get(path, 0) & bits]
        return sorted(found, key=self.seconds.__getitem__)


def measure(items: Sequence[pytest.Item], package: Path, failures: Failures, say: Callable[[str], None]) -> Reach:
    """Measure what tests reach, or read it where nothing has changed since."""
    kept: dict[str, Measured] = {}
    with suppress(OSError, EOFError, pickle.UnpicklingError), KEPT.open("rb") as file:
        kept = pickle.load(file)
    shared = sha256()
    for path in sorted({*package.rglob("*.py"), *Path("tests").rglob("*.py")}):
        if path.is_relative_to(package) or not path.name.startswith("test_"):
            shared.update(path.read_bytes())

    @cache
    def digest(path: Path) -> bytes:
        whole = shared.copy()
        whole.update(path.read_bytes())
        return whole.digest()

    left = [item for item in items if item.nodeid not in kept or kept[item.nodeid].of != digest(item.path)]
    try:
        while left:
            found, slow = _measure_in_child(left, package, failures)
            for item, (seconds, lines) in zip(left, found, strict=False):
                kept[item.nodeid] = Measured(digest(item.path), seconds, lines)
            del left[: len(found)]
            if slow:
                say(f"{left[0].nodeid} is slow: it is left out")
                kept[left[0].nodeid] = Measured(digest(left[0].path))
                del left[0]
    finally:
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_bytes(pickle.dumps(kept))
    return Reach([kept[item.nodeid] for item in items])


def _measure_in_child(
    items: Sequence[pytest.Item], package: Path, failures: Failures
) -> tuple[list[tuple[float | None, dict[str, int]]], bool]:
    """Run tests until one is slow: what was measured, and whether there is one that is."""
    children = Children()
    children.start(lambda tell: _measure(items, package, failures, tell))
    ended = children.wait()
    if ended.status and not ended.hung:
        raise RuntimeError(f"the tests end with {ended.status} at {items[len(ended.told)].nodeid}")
    return ended.told, ended.status != 0


def _measure(items: Sequence[pytest.Item], package: Path, failures: Failures, tell: Callable[[object], None]) -> int:
    measuring = coverage.Coverage(data_file=None, config_file=False, include=[f"{package}/*"], messages=False)
    measuring.set_option("run:core", "ctrace")
    measuring.set_option("run:plugins", ["native_threads"])  # in tools/
    measuring.set_option("run:disable_warnings", ["no-data-collected"])  # by a test that is skipped: an error here
    measuring.start()
    since = process_time()
    for _ in run(items, QUICK, failures):
        seconds = None if failures.any else process_time() - since
        measuring.stop()
        data = measuring.get_data()
        lines = {file: sum(1 << line for line in data.lines(file) or ()) for file in data.measured_files()}
        tell((seconds, lines))
        measuring.erase()
        measuring.start()
        since = process_time()
    return 0
