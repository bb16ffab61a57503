"""The site that ``make docs`` builds has everything, and its pages are prepared rightly."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tools.site import prepare

from .helpers import ROOT

DOCS = ROOT / "docs"
PACKAGE = ROOT / "src" / "ProxyPatternPool"
DOORS = sorted(file for file in PACKAGE.glob("*.py") if not file.stem.startswith("_"))
NAMED = re.compile(r"^\.\. auto(?:class|data|exception|function):: (\w+)$", re.MULTILINE)


def public(file: Path) -> list[str]:
    """The names in the ``__all__`` of a module, which is not imported: it may need an extra."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def test_every_public_name_is_in_the_reference() -> None:
    """Each name of the package is on one page, once."""
    named = [name for page in (DOCS / "reference").glob("*.md") for name in NAMED.findall(page.read_text("utf-8"))]
    assert sorted(named) == sorted(public(PACKAGE / "__init__.py"))


@pytest.mark.parametrize("file", DOORS, ids=lambda file: file.stem)
def test_every_public_module_has_a_page(file: Path) -> None:
    """Sphinx takes the names from its ``__all__``; ``make docs`` fails if it has left one out."""
    page = (DOCS / "reference" / f"{file.stem}.md").read_text(encoding="utf-8")
    assert f".. automodule:: ProxyPatternPool.{file.stem}\n" in page
    assert public(file)


def test_every_page_is_in_the_contents() -> None:
    """A page that is not listed would be found by nobody."""
    listed = re.findall(r"^[\w/-]+$", (DOCS / "index.md").read_text(encoding="utf-8"), re.MULTILINE)
    pages = [page.relative_to(DOCS).with_suffix("").as_posix() for page in DOCS.rglob("*.md")]
    assert sorted([*listed, "index"]) == sorted(pages)


def test_pages_show_what_they_link_to(tmp_path: Path) -> None:
    """A file outside of the pages gets a page, and a link that has a page's name gets its title."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (tmp_path / "tool.py").write_text("print(1)\n", encoding="utf-8")
    (docs / "other.md").write_text("# Other\n", encoding="utf-8")
    (docs / "page.md").write_text("[a](../tool.py) [b](../gone.py) [docs/other.md](other.md#x)\n", encoding="utf-8")
    folder = tmp_path / "pages"
    assert prepare(tmp_path, folder) == ["tool.py"]
    assert (folder / "page.md").read_text("utf-8") == "[a](sources/tool.py.md) [b](../gone.py) [](other.md#x)\n"
    assert "`````python\nprint(1)\n`````" in (folder / "sources" / "tool.py.md").read_text(encoding="utf-8")
