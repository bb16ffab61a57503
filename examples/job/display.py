"""What the job shows while it runs: a progress bar in a terminal, a line every few seconds in a log."""

from __future__ import annotations

import logging
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from ProxyPatternPool import PoolStats

EVERY = 1.0
"""Seconds between two lines in a log."""


class Display(ABC):
    """Shows the progress of the current part of the job, and the state of its pool."""

    console: Console
    title = ""

    def begin(self, title: str, unit: str, total: int) -> None:
        """Begin a part of the job, of so many units."""
        self.title = title
        self._begin(unit, total)

    @abstractmethod
    def _begin(self, unit: str, total: int) -> None: ...

    @abstractmethod
    def update(self, done: int, pool: PoolStats | None = None) -> None:
        """Show how many units are done, and the pool."""

    @abstractmethod
    def end(self, done: int) -> None:
        """End this part of the job."""

    def note(self, text: str) -> None:
        """Say something about this part of the job; from any thread."""
        self.say(f"{self.title:<10} {text}")

    def say(self, text: str) -> None:
        """Say something; from any thread."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)


def _in_words(pool: PoolStats | None) -> str:
    if pool is None:
        return ""
    return f"idle {pool['navail']:>2}   in use {pool['nusing']:>2}   waiting {pool['nwaiting']:>2}"


class Bar(Display):
    """A progress bar for each part of the job."""

    def __init__(self, progress: Progress) -> None:
        self.console = progress.console
        self._progress = progress
        self._task = TaskID(0)

    def _begin(self, unit: str, total: int) -> None:
        self._task = self._progress.add_task(self.title, total=total, unit=unit, pool="")

    def update(self, done: int, pool: PoolStats | None = None) -> None:
        self._progress.update(self._task, completed=done, pool=_in_words(pool))

    def end(self, done: int) -> None:
        self._progress.update(self._task, completed=done, pool="")
        self._progress.stop_task(self._task)


class Lines(Display):
    """A line at the beginning, every few seconds, and at the end of each part of the job."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._unit = ""
        self._total = 0
        self._started = self._last = 0.0

    def _begin(self, unit: str, total: int) -> None:
        self._unit, self._total = unit, total
        self._started = self._last = time.monotonic()

    def update(self, done: int, pool: PoolStats | None = None) -> None:
        now = time.monotonic()
        if now - self._last >= EVERY:
            self._last = now
            self._line(done, _in_words(pool))

    def end(self, done: int) -> None:
        self._line(done, f"in {time.monotonic() - self._started:.1f} s")

    def _line(self, done: int, rest: str) -> None:
        self.note(f"{done:>6,} / {self._total:,} {self._unit:<8} {rest}")


@contextmanager
def open_display() -> Generator[Display, None, None]:
    """Give the display that suits the standard output, and send the log there too."""
    if sys.stdout.isatty():
        columns = (
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]:<8}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[pool]}"),
        )
        with Progress(*columns) as progress:
            logging.basicConfig(format="%(message)s", handlers=[RichHandler(console=progress.console, show_path=False)])
            yield Bar(progress)
    else:
        logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", stream=sys.stdout)
        yield Lines(Console(file=sys.stdout))
