"""The documents: every Python source file of the standard library, cut into passages, and their words.

The index finds words; the plain scan that checks it finds only text. Both must find exactly the same passages, so
it must be clear what a word is:

- a word is 2 to 40 ASCII letters, digits and underscores, the first of them a letter, between two characters that
  are none of these (or the edge of the passage);
- upper and lower case are the same, for ASCII letters only (`str.lower` alone would turn the Kelvin sign into a k).

The databases get the words in lower case, with spaces between them, and need not split text themselves. Otherwise
PostgreSQL would see host names, paths and numbers in source code where SQLite sees words.
"""

from __future__ import annotations

import random
import re
import sysconfig
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from storage.database import Place, Row

LINES = 20
"""Lines in a passage."""
BATCH = 16
"""Files that are written in one transaction."""
WRITERS = 8
"""How many threads, or tasks, write."""

_WORD = re.compile(r"\b[a-z][a-z0-9_]{1,39}\b", re.ASCII | re.IGNORECASE)


class Passage(NamedTuple):
    """A few lines of a file: one row of the index."""

    place: Place
    text: str


class Query(NamedTuple):
    """Two words to look for, and a passage that holds both: a right answer names at least that."""

    words: tuple[str, str]
    source: Place


@dataclass
class Scan:
    """What a plain scan found: how many passages there are, and where those are that hold both words of a query."""

    passages: int
    found: dict[Query, list[Place]]


class Library:
    """The source files of a folder, without what was installed into it.

    Args:
        root: the folder; by default the standard library of the running interpreter.
        limit: take at most this many files, evenly spread over all of them; `None` takes all.
    """

    def __init__(self, root: Path | None = None, limit: int | None = None) -> None:
        self.root = root or Path(sysconfig.get_path("stdlib"))
        strangers = {"site-packages", "dist-packages"}
        paths = (path.relative_to(self.root) for path in self.root.rglob("*.py") if path.is_file())
        files = sorted(path.as_posix() for path in paths if strangers.isdisjoint(path.parts))
        if limit is not None and limit < len(files):
            files = [files[index * len(files) // limit] for index in range(limit)]
        self.files: Sequence[str] = files

    def passages(self, file: str) -> list[Passage]:
        """Cut a file into passages; an empty file has one, without a word in it."""
        # A few files of the test suite are deliberately not UTF-8.
        lines = (self.root / file).read_text("utf-8", "replace").split("\n")
        starts = range(0, len(lines), LINES)
        return [Passage(Place(file, start + 1), "\n".join(lines[start : start + LINES])) for start in starts]

    def rows(self, files: Iterable[str]) -> list[Row]:
        """Make the rows of all passages of some files."""
        return [row_of(passage) for file in files for passage in self.passages(file)]

    def batches(self, size: int) -> Generator[Sequence[str], None, None]:
        """Divide the files into batches of that many."""
        for start in range(0, len(self.files), size):
            yield self.files[start : start + size]

    def queries(self, count: int, seed: int) -> list[Query]:
        """Choose words from the files: two that stand in the same passage, for each query."""
        chance = random.Random(seed)
        queries: list[Query] = []
        for _ in range(100 * count):  # some passages are empty; in a folder of nothing else this must end, too
            if len(queries) == count:
                break
            passage = chance.choice(self.passages(chance.choice(self.files)))
            words = sorted(words_of(passage.text))
            if len(words) >= 2:
                first, second = chance.sample(words, 2)
                queries.append(Query((first, second), passage.place))
        return queries


def words_of(text: str) -> set[str]:
    """Give the different words of a text, in lower case."""
    return {word.lower() for word in _WORD.findall(text)}


def row_of(passage: Passage) -> Row:
    """Make the row of a passage."""
    return Row(*passage.place, " ".join(sorted(words_of(passage.text))))


def plain_scan(library: Library, queries: Iterable[Query], progress: Callable[[int], object]) -> Scan:
    """Read all files once more, and look for the words in their text, without any index.

    This is slow and simple, and shares nothing with the index but the definition of a passage: it neither cuts the
    text into words nor asks the database.

    Args:
        library: the files.
        queries: what to look for.
        progress: called after each file with the number of files read.
    """
    scan = Scan(0, {query: [] for query in queries})
    for number, file in enumerate(library.files, 1):
        passages = library.passages(file)
        scan.passages += len(passages)
        whole = "\n".join(passage.text for passage in passages).lower()
        for query, places in scan.found.items():
            if all(word in whole for word in query.words):  # a quick look first: most files lack one of the words
                places.extend(_holding(query.words, passages))
        progress(number)
    return scan


def _holding(words: Iterable[str], passages: Iterable[Passage]) -> Generator[Place, None, None]:
    """Give the places of the passages that hold all the words."""
    patterns = [re.compile(rf"\b{re.escape(word)}\b", re.ASCII | re.IGNORECASE) for word in words]
    for passage in passages:
        if all(pattern.search(passage.text) for pattern in patterns):
            yield passage.place
