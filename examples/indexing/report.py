"""Is everything there, and is it right? The table at the end, and what the exit code depends on."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from .display import Display
from .phases import Answer, Phase, in_balance
from .texts import Library, Query, Scan


@dataclass
class Report:
    """What the threads and the database say, compared with what there is.

    Args:
        library: the files.
        indexing: the first phase, at rest.
        searching: the second one.
        queries: what was to be answered.
        counted: the files and the rows in the table, as the database counts them.
        scan: what a plain scan of the files found.
    """

    library: Library
    indexing: Phase[Any, str]
    searching: Phase[Any, Answer]
    queries: Sequence[Query]
    counted: tuple[int, int]
    scan: Scan
    losses: dict[str, int] = field(init=False)
    """What is missing, by name; a negative number is too many."""
    mistakes: list[str] = field(init=False)
    """Which answers are wrong."""

    def __post_init__(self) -> None:
        self.losses = {what: count for what, count in self._losses() if count}
        self.mistakes = list(self._mistakes())

    @property
    def lost(self) -> int:
        """How much is missing, in all."""
        return sum(abs(count) for count in self.losses.values())

    @property
    def good(self) -> bool:
        """Whether nothing is missing, and no answer wrong."""
        return not self.losses and not self.mistakes

    def _losses(self) -> Generator[tuple[str, int], None, None]:
        expected = len(self.library.files)
        files, rows = self.counted
        yield "files not written", expected - len(set(self.indexing.results))
        yield "files not in the table", expected - files
        yield "rows not in the table", self.scan.passages - rows
        answered = Counter(answer.query for answer in self.searching.results)  # two queries may ask the same
        yield "queries not answered", (Counter(self.queries) - answered).total()
        for phase in (self.indexing, self.searching):
            yield f"tasks failed in {phase.title}", len(phase.failures)
            if not in_balance(phase.stats):
                yield f"connections astray in {phase.title}", phase.stats["nusing"] or 1
        # More may be: a connection that a thread could not use for another reason.
        yield "broken connections not replaced", max(0, self.searching.broken - self.searching.stats["ndestroys"])

    def _mistakes(self) -> Generator[str, None, None]:
        """Look at all answers for the passage their words come from, and compare the sample with the plain scan."""
        for query, places in self.searching.results:
            words = " ".join(query.words)
            if query.source not in places:
                yield f"{words}: not found in {query.source.path} at line {query.source.line}"
            elif query in self.scan.found and places != sorted(self.scan.found[query]):
                yield f"{words}: {len(places):,} places, by a plain scan {len(self.scan.found[query]):,}"

    def show(self, display: Display) -> None:
        """Print the table, what is wrong, and the verdict."""
        display.console.print(self._table())
        complaints = [f"{what}: {count:,}" for what, count in self.losses.items()]
        for phase in (self.indexing, self.searching):
            complaints += [f"{phase.title}: {error!r}" for error in phase.failures[:3]]
        for complaint in complaints + self.mistakes[:10]:
            display.say(f"wrong: {complaint}")
        display.say(
            f"lost: {self.lost:,}, wrong answers: {len(self.mistakes):,}"
            f" (of {len(self.queries):,}; {len(self.scan.found):,} of them compared to a plain scan)"
        )

    def _table(self) -> Table:
        indexing, searching = phases = (self.indexing, self.searching)
        title = f"The standard library of Python {sys.version.split()[0]} in {indexing.backend.name}"
        table = Table("", title=title, title_justify="left")
        for phase in phases:
            table.add_column(phase.title, justify="right")
        table.add_row("threads / connections", *(f"{phase.threads} / {phase.stats['max_size']}" for phase in phases))
        table.add_row("files", f"{len(indexing.results):,}")
        table.add_row("rows", f"{self.counted[1]:,}")
        table.add_row("queries", "", f"{len(searching.results):,}")
        table.add_row("seconds", *(f"{phase.seconds:.2f}" for phase in phases))
        table.add_row("files, queries per second", *(f"{len(phase.results) / phase.seconds:,.0f}" for phase in phases))
        table.add_row("waits p50 / p99 / max (ms)", *(_percentiles(phase.waits) for phase in phases))
        created = (f"{phase.stats['ncreated']:,} / {phase.stats['nuses']:,}" for phase in phases)
        table.add_row("objects created / borrows", *created)
        replaced = (f"{phase.broken:,} / {phase.stats['ndestroys']:,}" for phase in phases)
        table.add_row("objects broken / replaced", *replaced)
        table.add_row("lost", "", f"{self.lost:,}", style="bold")
        return table


def _percentiles(waits: Sequence[float]) -> str:
    ordered = sorted(waits) or [0.0]
    shares = (ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1])
    return " / ".join(f"{1000 * share:.1f}" for share in shares)
