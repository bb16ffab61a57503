"""Run the tests against each mutant, and count those that no test notices."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, chain, zip_longest
from operator import itemgetter
from pathlib import Path
from time import monotonic
from types import CodeType
from typing import TextIO

import pytest

from .changes import Mutant, mutants
from .children import BROKE, Children, Ended, Failures, run
from .reach import Reach, measure
from .swap import Functions, Unfit

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "ProxyPatternPool"
PATIENCE = 10.0
"""Seconds after which a test counts as hanging."""
REQUIRED = {"_engine": 95.0, "_ledger": 95.0}
"""How many of a hundred mutants of a room the tests have to notice,"""
REQUIRED_ELSEWHERE = 90.0
"""and of any other room."""
UNKNOWN = 5.0
"""How many of a hundred mutants of a room may be such that quick tests leave them out, or cannot be made, at most,"""
REACHED_ELSEWHERE = {"_runtime/eventlet_hub.py", "_runtime/gevent_hub.py", "_scope/greenlets.py"}
"""without those of these files, which tests of other libraries reach: no unit tests."""
SLOW = 0.15
"""Seconds from which on a test is one of the last to be tried."""

ALL = re.compile("")

KILLED, SURVIVED, UNFIT = 1, 0, 3


@dataclass
class Score:
    """What became of the mutants of a room."""

    killed: int = 0
    hung: int = 0
    """Those of the killed that a test has hung with."""
    excused: int = 0
    """Those that survive, and are listed with a reason."""
    unreached: list[Mutant] = field(default_factory=list[Mutant])
    """Those that no quick test reaches: nothing is known of them."""
    unfit: list[Mutant] = field(default_factory=list[Mutant])
    """Those that could not be made: nor is it of them,"""
    broken: list[Mutant] = field(default_factory=list[Mutant])
    """or of those with which the tool itself, or pytest, raises something."""
    survivors: list[Mutant] = field(default_factory=list[Mutant])
    """The others that survive."""

    @property
    def tried(self) -> int:
        """How many there are that tests reach."""
        return self.killed + self.excused + len(self.survivors)

    @property
    def percent(self) -> float:
        """How many of a hundred were killed of those that tests reach; one that is listed survives as any other."""
        return 100.0 * self.killed / self.tried if self.tried else 100.0

    @property
    def percent_unknown(self) -> float:
        """How many of a hundred no quick test reaches, where unit tests are to, or could not be made."""
        missed = sum(mutant.file not in REACHED_ELSEWHERE for mutant in [*self.unreached, *self.unfit])
        return 100.0 * missed / (self.tried + missed) if missed else 0.0

    def lines_unreached(self) -> Iterator[str]:
        """The lines of each file that no quick test reaches."""
        lines: defaultdict[str, set[int]] = defaultdict(set)
        for mutant in self.unreached:
            lines[mutant.file].add(mutant.line)
        for file, numbers in lines.items():
            yield f"{file}: {', '.join(map(str, sorted(numbers)))}"


@dataclass(frozen=True)
class _Trial:
    """Tests against a mutant, in a child."""

    mutant: Mutant
    tests: list[int]
    work: Callable[[Callable[[object], None]], int]
    again: bool = False
    """Whether they have hung before."""


class Run:
    """A plugin of pytest that runs the tests its own way."""

    def __init__(
        self,
        rooms: Sequence[str],
        jobs: int,
        most: float,
        reasons: Mapping[str, str],
        out: TextIO,
        like: re.Pattern[str] = ALL,
    ) -> None:
        self._rooms = rooms
        self._like = like
        self._most = most
        self._jobs = jobs
        self._reasons = reasons
        self._out = out
        self._failures = Failures()
        self._scores: dict[str, Score] = {}
        self._outcomes: dict[str, set[int]] = {}  # by the keys of mutants
        self._files: set[str] = set()
        self._kills: Counter[int] = Counter()
        self._items: list[pytest.Item] = []
        self._problems: list[str] = []
        self._finished = False

    def pytest_configure(self, config: pytest.Config) -> None:
        """Called by pytest."""
        config.pluginmanager.register(self._failures)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """Called by pytest before it imports the tests, and after their settings are there."""
        from hypothesis import Phase, settings  # not before pytest has, which changes its sources

        # Once an example fails there is no need for a simpler one.
        phases = [Phase.explicit, Phase.generate]
        settings.register_profile("first failure", database=None, phases=phases)
        settings.load_profile("first failure")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Called by pytest."""
        if report.failed:
            self._problems.append(f"cannot collect {report.nodeid}:\n{report.longreprtext}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Called by pytest."""
        self._items = session.items
        if self._problems or not self._items:
            return True
        since = monotonic()
        self._say(f"{len(self._items)} tests: which lines does each reach?")
        reach = measure(self._items, PACKAGE, self._failures, self._say)
        self._say(f"{len(reach.seconds)} are quick, the others are left out; {monotonic() - since:.0f} s")
        self._try_all(reach)
        self._say(f"{monotonic() - since:.0f} s")
        self._finished = True
        return True

    def _say(self, text: str) -> None:
        print(text, file=self._out)

    def _sources(self) -> Iterator[tuple[str, Path]]:
        for name in self._rooms:
            place = PACKAGE / name
            room = place.relative_to(PACKAGE).parts[0]
            for path in sorted(place.glob("*.py")) if place.is_dir() else [place]:
                yield room, path

    def _try_all(self, reach: Reach) -> None:
        children = Children()
        functions = Functions()
        running: dict[int, _Trial] = {}
        since = monotonic()
        for room, path in self._sources():
            score = self._scores.setdefault(room, Score())
            file = str(path.relative_to(PACKAGE))
            self._files.add(file)
            self._say(f"{file}, {monotonic() - since:.0f} s")
            text = path.read_text(encoding="utf-8")
            original = compile(text, str(path), "exec", dont_inherit=True)
            for mutant in mutants(room, file, str(path), text):
                if not self._like.search(mutant.key):
                    continue
                tests = self._chosen(reach, mutant, str(path))
                if not tests:
                    score.unreached.append(mutant)
                    self._outcomes.setdefault(mutant.key, set()).add(SURVIVED)
                    continue
                while len(children) >= self._jobs:
                    self._wait(children, running)
                trial = _Trial(mutant, tests, self._trial(functions, original, mutant, tests))
                running[children.start(trial.work)] = trial
        while len(children):
            self._wait(children, running)

    def _wait(self, children: Children, running: dict[int, _Trial]) -> None:
        """Wait for the end of any, and note it; what hangs is tried twice, as what fails is."""
        ended = children.wait()
        trial = running.pop(ended.pid)
        if ended.hung and not trial.again:
            running[children.start(trial.work)] = replace(trial, again=True)
        else:
            self._note(ended, trial.mutant, trial.tests)

    def _chosen(self, reach: Reach, mutant: Mutant, path: str) -> list[int]:
        """The tests to run; those first that have killed most.

        In turn: the quickest of each file, then the second of each; those that reach little else, the least first; and
        of each line where the mutant may show the quickest, those first that few tests reach. One slow test costs as
        much as many others: those are the last.
        """
        found = reach.of(path, mutant.lines)
        ranks: Counter[Path] = Counter()
        ranked: list[tuple[int, int]] = []
        for test in found:
            file = self._items[test].path
            ranked.append((ranks[file], test))
            ranks[file] += 1
        of_each_file = [test for _, test in sorted(ranked, key=itemgetter(0))]
        narrowest = sorted(of_each_file, key=reach.extents.__getitem__)
        where = [of_line for line in mutant.beside if (of_line := reach.of(path, {line}, found))]
        of_each_line = chain.from_iterable(zip_longest(*sorted(where, key=len)))
        turns = zip_longest(of_each_file, narrowest, dict.fromkeys(of_each_line))
        tests = [test for test in dict.fromkeys(chain.from_iterable(turns)) if test is not None]
        tests.sort(key=lambda test: reach.seconds[test] > SLOW)
        fit = sum(total <= self._most for total in accumulate(map(reach.seconds.__getitem__, tests)))
        return sorted(tests[:fit], key=lambda test: -self._kills[test])

    def _trial(
        self, functions: Functions, original: CodeType, mutant: Mutant, tests: list[int]
    ) -> Callable[[Callable[[object], None]], int]:
        def work(tell: Callable[[object], None]) -> int:
            try:
                functions.swap(original, mutant.code)
            except Unfit:
                return UNFIT
            items = [self._items[test] for test in tests]
            try:
                for index in run(items, PATIENCE, self._failures):
                    # Twice: on a busy machine one may fail by itself, now and then.
                    if self._failures.any and all(
                        self._failures.any for _ in run([items[index]], PATIENCE, self._failures)
                    ):
                        tell(index)
                        return KILLED
            except (KeyboardInterrupt, MemoryError):  # of a test: pytest passes it on, and nobody interrupts this child
                return KILLED
            except Exception:  # of this tool, or of pytest: where a test has failed, it shows objects of the test
                if not self._failures.raised:
                    raise
                return KILLED
            return SURVIVED

        return work

    def _note(self, ended: Ended, mutant: Mutant, tests: list[int]) -> None:
        score = self._scores[mutant.room]
        killers: list[int] = ended.told
        self._kills.update(tests[index] for index in killers)
        unknown = ended.status in {UNFIT, BROKE}
        self._outcomes.setdefault(mutant.key, set()).add(SURVIVED if unknown else ended.status)
        if ended.status == UNFIT:
            score.unfit.append(mutant)
        elif ended.status == BROKE:
            score.broken.append(mutant)
            self._say(
                f"\n{mutant.file}:{mutant.line}\n{mutant.key}\nNo test fails, but something else does:\n{ended.error}"
            )
        elif ended.status != SURVIVED:
            score.killed += 1
            score.hung += ended.hung
        elif mutant.key in self._reasons:
            score.excused += 1
        else:
            score.survivors.append(mutant)
            self._say(f"\n{mutant.file}:{mutant.line}\n{mutant.key}")

    def verdict(self) -> int:
        """Say what became of the mutants; 0 if each is killed or listed, and those that are listed are few and survive.

        What no quick test reaches is shown as well, and what could not be made, since that is neither: it must not be
        much. Nothing must break pytest, or this tool.
        """
        for problem in self._problems:
            self._say(problem)
        failed = not self._finished
        for room, score in self._scores.items():
            required = REQUIRED.get(room, REQUIRED_ELSEWHERE)
            self._say(
                f"\n{room}: {score.percent:.1f} % of {score.tried} killed, {required:.0f} % are required; {score.hung}"
                f" of them by their time; {score.excused} survive and are listed, {len(score.survivors)} are not;"
                f" {len(score.unfit)} could not be made, with {len(score.broken)} pytest or this tool broke"
            )
            if score.unreached:
                self._say(f"Not reached by a quick test: {len(score.unreached)}, in these lines")
                for lines in score.lines_unreached():
                    self._say(f"    {lines}")
            if score.survivors:
                self._say("Have a test notice those, remove their lines, or list them in tests/mutants.txt")
            too_many = score.percent_unknown > UNKNOWN
            if too_many:
                self._say(f"{score.percent_unknown:.1f} % are not reached or made, {UNKNOWN:.0f} % may be at most")
            failed = failed or score.percent < required or bool(score.survivors or score.broken) or too_many
        for key in self._reasons:
            tried = key.split(" ")[0] in self._files and self._like.search(key)
            if tried and SURVIVED not in self._outcomes.get(key, ()):
                self._say(f"\nA test notices it now, or it is gone. Remove it from tests/mutants.txt:\n{key}")
                failed = True
        return int(failed)
