"""The report at the end: whether anything is missing or wrong. The exit code depends on it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from .display import Display
from .phase import Phase, in_balance
from .searching import Search
from .texts import Library, Query, Scan


@dataclass
class Report:
    """The results of the workers and of the database, compared with the files themselves.

    Args:
        database: The name of the database.
        library: The files.
        indexing: The first phase, after its end.
        search: The second phase.
        queries: The queries that were asked.
        scan: What a plain scan of the files found.
    """

    database: str
    library: Library
    indexing: Phase[str]
    search: Search
    queries: Sequence[Query]
    scan: Scan
    losses: dict[str, int] = field(init=False)
    """How many of what are missing; a negative number: so many too many."""
    mistakes: list[str] = field(init=False)
    """The answers that are wrong, in words."""

    def __post_init__(self) -> None:
        self._phases: tuple[Phase[Any], Phase[Any]] = (self.indexing, self.search.phase)
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
        yield "files not written", expected - len(set(self.indexing.results))
        yield "files not in the table", expected - self.search.files
        yield "rows not in the table", self.scan.passages - self.search.rows
        searching = self.search.phase
        answered = Counter(answer.query for answer in searching.results)  # two queries may ask the same
        yield "queries not answered", (Counter(self.queries) - answered).total()
        for phase in self._phases:
            yield f"jobs failed in {phase.title}", len(phase.failures)
            if not in_balance(phase.stats):
                yield f"connections astray in {phase.title}", phase.stats["nusing"] or 1
            yield f"connections too many in {phase.title}", max(0, phase.oracle.most - (phase.stats["max_size"] or 0))
            yield f"connections not closed in {phase.title}", phase.oracle.open
        # More may be: a connection that a request could not use for another reason.
        yield "broken connections not replaced", max(0, searching.broken - searching.stats["ndestroys"])

    def _mistakes(self) -> Generator[str, None, None]:
        """Find in each answer the passage that its words come from, and compare a sample with the plain scan."""
        for query, places in self.search.phase.results:
            words = " ".join(query.words)
            if query.source not in places:
                yield f"{words}: not found in {query.source.path} at line {query.source.line}"
            elif query in self.scan.found and places != sorted(self.scan.found[query]):
                yield f"{words}: {len(places):,} places, by a plain scan {len(self.scan.found[query]):,}"

    def show(self, display: Display) -> None:
        """Print the table, what is wrong, and the result."""
        display.console.print(self._table())
        complaints = [f"{what}: {count:,}" for what, count in self.losses.items()]
        for phase in self._phases:
            complaints += [f"{phase.title}: {error!r}" for error in phase.failures[:3]]
        for complaint in complaints + self.mistakes[:10]:
            display.say(f"wrong: {complaint}")
        display.say(
            f"lost: {self.lost:,}, wrong answers: {len(self.mistakes):,}"
            f" (of {len(self.queries):,}; {len(self.scan.found):,} of them compared to a plain scan)"
        )

    def _table(self) -> Table:
        phases, (indexing, searching), site = self._phases, self._phases, self.search.site
        title = f"The standard library of Python {sys.version.split()[0]} in {self.database}"
        table = Table("", title=title, title_justify="left")
        for phase in phases:
            table.add_column(phase.title, justify="right")
        table.add_row("workers", f"{indexing.workers}", f"{site.workers} for {searching.workers} clients")
        table.add_row("files", f"{len(indexing.results):,}")
        table.add_row("rows", f"{self.search.rows:,}")
        table.add_row("queries", "", f"{len(searching.results):,}")
        table.add_row("queries asked again", "", f"{len(site.repeated):,}")
        table.add_row("seconds", *(f"{phase.seconds:.2f}" for phase in phases))
        table.add_row("files, queries per second", *(f"{len(phase.results) / phase.seconds:,.0f}" for phase in phases))
        table.add_row("waits p50 / p99 / max (ms)", *(_percentiles(phase.waits) for phase in phases))
        bounds = (f"{phase.oracle.most} / {phase.stats['max_size']}" for phase in phases)
        table.add_row("objects at most / allowed", *bounds)
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
