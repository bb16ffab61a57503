"""Prepare the pages of the site: ``python -m tools.site FOLDER``.

The pages are those of ``docs``, which can be read without the site, too. What they link to outside of ``docs``, such as
an example or a test, becomes a page of its own, which shows the file.
"""

import re
import shutil
import sys
from pathlib import Path
from posixpath import normpath, relpath

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(?<=\]\()((?:\.\./)+[^)#\s]+)")
"""Where a link goes that leads out of its page's folder."""
NAMED = re.compile(r"\[(?:docs/)?[\w-]+\.md\](?=\((?!\.\.)[\w/-]+\.md)")
"""A link that is called by the name of its page: on the site it is called by a title, the page's or that of a part."""
LANGUAGES = {".py": "python", ".toml": "toml", ".css": "css"}


def prepare(root: Path, folder: Path) -> list[str]:
    """Write the pages into an empty folder.

    Returns:
        The files outside of ``docs`` that got a page.
    """
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(root / "docs", folder)
    found: dict[str, None] = {}
    for page in sorted((root / "docs").rglob("*.md")):
        path = page.relative_to(root).as_posix()
        text = page.read_text(encoding="utf-8")
        (folder / page.relative_to(root / "docs")).write_text(_linked(text, path, root, found), encoding="utf-8")
    for file in found:
        _show(root / file, folder / _page_of(file), file)
    return list(found)


def _linked(text: str, path: str, root: Path, found: dict[str, None]) -> str:
    """The text of a page, with links to pages of the site."""
    folder = path.rpartition("/")[0]

    def lead(link: re.Match[str]) -> str:
        target = normpath(f"{folder}/{link[0]}")
        if target.startswith("docs/") or not (root / target).is_file():
            return link[0]  # a wrong one is left as it is, for MkDocs to complain of
        found[target] = None
        return relpath(f"docs/{_page_of(target)}", folder)

    return NAMED.sub("[]", LINK.sub(lead, text))


def _page_of(file: str) -> str:
    """The page that shows a file, or its copy if it is a picture."""
    return f"sources/{file}" if file.endswith((".md", ".png", ".svg")) else f"sources/{file}.md"


def _show(file: Path, page: Path, name: str) -> None:
    page.parent.mkdir(parents=True, exist_ok=True)
    if page.suffix != ".md":
        shutil.copy(file, page)
        return
    text = file.read_text(encoding="utf-8")
    if file.suffix != ".md":
        text = f"`````{LANGUAGES.get(file.suffix, 'text')}\n{text}`````\n"
    page.write_text(f"---\norphan: true\nnosearch: true\n---\n\n# {name}\n\n{text}", encoding="utf-8")


if __name__ == "__main__":
    prepare(ROOT, Path(sys.argv[1]))
