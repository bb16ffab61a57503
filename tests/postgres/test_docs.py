"""What docs/production.md says is true, on a real server."""

from __future__ import annotations

import inspect
import re

from ProxyPatternPool import Pool

from ..unit.helpers import ROOT
from .support import Server, run_script

PAGE = (ROOT / "docs" / "production.md").read_text(encoding="utf-8")


def test_its_python_runs(server: Server) -> None:
    """Every block, in order, in one process, which the signals of the page then reach."""
    assert run_script("recommended.py", server.conninfo, seconds=60) == ["done"]


def test_each_parameter_has_its_reason() -> None:
    """All that the configuration sets is in its table, with the same value; names and numbers are those of the pool."""
    configuration = re.findall(r"^    (\w+)=(.*),$", PAGE.split("pool = Pool(")[1].split("\n)\n")[0], re.MULTILINE)
    explained = re.findall(r"^\| `(\w+)(?:=([^`]*))?` \|", PAGE, re.MULTILINE)
    assert {name for name, _ in explained} == {name for name, _ in configuration} - {"closer", "name"} | {"backoff"}
    for name, value in explained:
        if value and "…" not in value:
            assert (name, value) in configuration
    assert {name for name, _ in configuration} <= set(inspect.signature(Pool).parameters)
