"""What docs/stats.md says is true: every key of a snapshot, in the words of its docstring."""

from __future__ import annotations

import ast
import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from ProxyPatternPool._inspect import types as stats

from .clock import FakeScheduler
from .helpers import ROOT

PAGE = (ROOT / "docs" / "stats.md").read_text(encoding="utf-8")
TITLES = {"PoolStats": "# ", "SemStats": "## The bound", "ObjectStats": "## Each object"}
"""Where on the page the keys of a class are."""


def explained(name: str) -> dict[str, str]:
    """The keys of a class of the module, in order, and their docstrings."""
    module = ast.parse(Path(stats.__file__).read_text(encoding="utf-8"))
    (found,) = (each for each in module.body if isinstance(each, ast.ClassDef) and each.name == name)
    texts: dict[str, str] = {}
    for pair in zip(found.body, [*found.body[1:], None], strict=True):
        match pair:
            case ast.AnnAssign(target=ast.Name(id=key)), ast.Expr(value=ast.Constant(value=str(text))):
                texts[key] = text
            case ast.AnnAssign(target=ast.Name(id=key)), _:
                texts[key] = ""
            case _:
                pass
    return texts


def rows(name: str) -> list[str]:
    """The rows of all tables of the page that are about a class."""
    others = "|".join(re.escape(title) for title in TITLES.values() if title != "# ")
    part = PAGE.split(TITLES[name], 1)[1]
    part = re.split(rf"^(?:{others})", part, maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(r"^\| `.*$", part, re.MULTILINE)


@pytest.mark.parametrize("name", TITLES)
def test_every_key_is_explained(name: str) -> None:
    """All of them, in order, and each as editors show it."""
    keys = explained(name)
    assert list(keys) == list(vars(stats)[name].__annotations__)
    assert [key for key, text in keys.items() if not text.endswith(".")] == []
    assert rows(name) == [f"| `{key}` | {text.replace('``', '`')} |" for key, text in keys.items()]


def test_its_python_runs(scheduler: FakeScheduler) -> None:
    """Every block runs, and what it prints is what the page shows, but for times and the number of the pool."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (shown,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    printed = io.StringIO()
    namespace: dict[str, object] = {}
    with redirect_stdout(printed):
        for block in blocks:
            exec(compile(block, "docs/stats.md", "exec"), namespace)

    def without_times(text: str) -> str:
        text = re.sub(r'("(?:id|now|running|rel_hk_last|time_per_hk|last_get|last_ret)": )[-\d.]+', r"\1…", text)
        return re.sub(r'("(?:started|taken)": )"[-\dT:.]+"', r"\1…", text)

    assert without_times(printed.getvalue()) == without_times(shown)
