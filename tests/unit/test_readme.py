"""What README.md says is true."""

import gc
import re
import warnings
from pathlib import Path

import pytest

from benchmarks import pages
from ProxyPatternPool import AsyncPool, Pool

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


TABLE = re.compile(r"^\| pool \| `get` .*?³ With a semaphore\.$", re.MULTILINE | re.DOTALL)

# The pages whose Python needs nothing but the standard library and this one. Each of the others has a test of its own.
RUN = [
    "README.md",
    *(f"docs/{name}.md" for name in ("index", "tutorial", "pool", "diagnosis", "observers", "from-eventlet")),
]


@pytest.mark.parametrize("name", RUN)
def test_the_python_runs(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every Python block of a page runs, in order, and prints what its comments say."""
    monkeypatch.chdir(tmp_path)
    page = (ROOT / name).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert blocks
    namespace: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, name, "exec"), namespace)
    told = re.sub(r"\n +#  ", "", page)  # a line may be told on two
    times = re.compile(r"(?<=for )\d+\.\d{3}(?= s)")  # a fast machine has held it for less
    printed = capsys.readouterr().out.splitlines()
    assert bool(printed) == ("print(error)" in page)
    for line in printed:
        assert times.sub("…", f"# {line}\n") in times.sub("…", told)
    with warnings.catch_warnings():  # a first example may have no closer, and leaves its connections to Python
        warnings.simplefilter("ignore", ResourceWarning)
        namespace.clear()
        gc.collect()


def test_every_public_method_is_in_the_table() -> None:
    """The table of methods, and what follows it, has every public name of a pool."""
    page = (ROOT / "docs" / "parameters.md").read_text(encoding="utf-8")
    for name in [*vars(Pool), *vars(AsyncPool)]:
        assert name.startswith("_") or name == "name" or f"{name}(" in page or f"`{name}`" in page, name


def test_figures_are_the_same_everywhere() -> None:
    """README has the first table of the page with all comparisons."""
    shown, page = TABLE.search(README), TABLE.search((ROOT / "docs" / "comparison.md").read_text(encoding="utf-8"))
    assert shown is not None
    assert page is not None
    assert shown[0] == page[0]


def test_it_is_short() -> None:
    """README is what one reads before deciding."""
    assert len(README.splitlines()) < 160


PAGES = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("*.py")]


def test_nobody_is_sent_to_the_wrong_package() -> None:
    """By its name the package index has the existing module: nothing says to install this one by it."""
    wrong = re.compile(r"pip install [^`\n]*ProxyPatternPool")
    assert [page.name for page in PAGES if wrong.search(page.read_text(encoding="utf-8"))] == []


def test_extras_exist() -> None:
    """An extra that the documentation names is one that the project has."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    optional = project.split("[project.optional-dependencies]\n")[1].split("\n[")[0]
    named = [name for page in PAGES for name in re.findall(r"extra [`']+(\w+)[`']", page.read_text(encoding="utf-8"))]
    assert len(named) >= 8
    for name in [*named, *re.findall(r"\w+", README.split("pip install '.[")[1].split("]")[0])]:
        assert f"\n{name} = [" in f"\n{optional}"


def anchors(page: str) -> set[str]:
    """What links can lead to in a page: its headings, as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_somewhere() -> None:
    """Each link between pages leads to a file that is there, and to a heading in it."""
    links = 0
    for page in (each for each in PAGES if each.suffix == ".md"):
        text = re.sub(r"```.*?```|`[^`\n]*`(?!\])", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
            links += 1
            path, _, heading = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), f"{page.name}: {link}"
            assert not heading or heading in anchors(target.read_text(encoding="utf-8")), f"{page.name}: {link}"
    assert links > 30


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page that has no figures yet, in the place of all."""
    page = tmp_path / "page.md"
    page.write_text(
        "a loan takes 9 µs.\n<!-- figures: pools -->\n<!-- end of figures -->\nThe end.\n", encoding="utf-8"
    )
    monkeypatch.setattr(pages, "PAGES", [page])
    return page


def test_figures_of_record_are_written(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Between the marks of a page, and in the sentence; a page that has them stays as it is."""
    assert pages.main([]) == 0
    written = page.read_text(encoding="utf-8")
    shown = TABLE.search(README)
    assert shown is not None
    assert written.count("| ProxyPatternPool |") == 1
    assert written.split("-->\n")[1].split("<!--")[0] in shown[0]
    assert written.startswith("a loan takes 0.")
    assert written.endswith("<!-- end of figures -->\nThe end.\n")
    assert capsys.readouterr().out == "wrote page.md\n"
    assert pages.main(["--check"]) == 0
    assert capsys.readouterr().out == ""


def test_other_figures_are_refused(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The check says which page has not the figures of record, and writes nothing."""
    before = page.read_text(encoding="utf-8")
    assert pages.main(["--check"]) == 1
    assert page.read_text(encoding="utf-8") == before
    assert capsys.readouterr().out == "page.md has not the figures of record: python -m benchmarks.pages writes them\n"
