"""Write the pictures and tables of ``docs/house.md``, or check that they are there.

    python -m tools.house            write them
    python -m tools.house --check    write nothing; show what would change, and fail if anything would

The sizes in the table of rooms change with every change of a source. The check lets them be wrong by a tenth.
"""

import difflib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from ..command import write_or_check
from . import loan, rooms
from .sources import House, SourceError
from .tables import modules, sizes

ROOT = Path(__file__).parents[2]
PAGE = "docs/house.md"
PAGES = (PAGE, "docs/decisions.md")
PICTURES: dict[str, Callable[[House], str]] = {"docs/rooms.svg": rooms.draw, "docs/loan.svg": loan.draw}
BLOCKS: dict[str, Callable[[House], Iterator[str]]] = {"the sizes of the rooms": sizes, "the modules": modules}
TOLERANCE = 0.1


def written(house: House, page: str) -> str:
    """The page, with its tables."""
    for name, table in BLOCKS.items():
        begin, end = f"<!-- written by tools/house: {name} -->\n", "<!-- end of what tools/house has written -->"
        if page.count(begin) != 1 or end not in page.partition(begin)[2]:
            raise SourceError(f"{PAGE}: there is no place for {name}")
        before, _, rest = page.partition(begin)
        page = "\n".join([before + begin, *table(house), "", end + rest.partition(end)[2]])
    return page


def dead_references(house: House, root: Path, page: str) -> Iterator[str]:
    """The files, functions and methods that a page names and that do not exist."""
    sources = {str(path.relative_to(house.package)): path for path in house.package.rglob("*.py")}
    known = {*sources, *(path.name for folder in ("src", "tests") for path in (root / folder).rglob("*.py"))}
    for file, functions in re.findall(r"`([\w/]+\.py)`(?:: ((?:`\w[\w.]*`(?:, )?)+))?", page):
        if file not in known and not (root / file).exists():
            yield file
        for function in re.findall(r"[\w.]+", functions):
            if file not in sources or f"def {function.rpartition('.')[2]}(" not in sources[file].read_text("utf-8"):
                yield f"{file}: {function}"
    modules = [module for room in house.rooms.values() for module in room.modules]
    for owner, name in re.findall(r"`([A-Z]\w+)\.(\w+)`", page):
        if not any(f"class {owner}" in module.text and re.search(rf"\b{name}\b", module.text) for module in modules):
            yield f"{owner}.{name}"


def is_near(old: str, new: str) -> bool:
    """Whether two lines differ in nothing but sizes, and in these by little."""
    old, new = (re.sub(r"`[^`]+` \((\d+)\)", r"(\1)", line) for line in (old, new))
    pairs = zip(re.findall(r"[\d,]+", old), re.findall(r"[\d,]+", new), strict=False)
    return re.sub(r"[\d,]+", "", old) == re.sub(r"[\d,]+", "", new) and all(
        abs(_number(one) - _number(other)) <= max(3, TOLERANCE * _number(other)) for one, other in pairs
    )


def _number(text: str) -> int:
    return int(text.replace(",", "") or 0)


def differences(root: Path, *, write: bool = False) -> list[str]:
    """Compare what is in the files with what should be there, and write that if it is wanted: all of it, or nothing.

    Raises:
        SourceError: There is no place for something, or the sources do not say what they have to.
    """
    house = House(root)
    should = {file: draw(house) for file, draw in PICTURES.items()}
    should[PAGE] = written(house, (root / PAGE).read_text(encoding="utf-8"))
    for page in PAGES:
        dead = list(dead_references(house, root, (root / page).read_text(encoding="utf-8")))
        if dead:
            raise SourceError(f"{page} names what does not exist: {', '.join(dead)}")
    found: list[str] = []
    for file, new in should.items():
        path = root / file
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        if write and new != old:
            path.write_text(new, encoding="utf-8")
        before, after = old.splitlines(True), new.splitlines(True)
        if file == PAGE and len(before) == len(after):
            after = [line if is_near(line, one) else one for line, one in zip(before, after, strict=True)]
        if before != after:
            found += difflib.unified_diff(before, after, file, f"{file}, generated")
    return found


if __name__ == "__main__":
    write_or_check(
        __doc__,
        lambda write: differences(ROOT, write=write),
        SourceError,
        "The pictures or tables of docs/house.md do not fit the sources: `make generate` writes them.",
    )
