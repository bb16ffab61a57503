"""What docs/sqlalchemy.md says is true."""

from __future__ import annotations

import inspect
import os
import re
from pathlib import Path

from ProxyPatternPool.sqlalchemy import FairPool

from ..exporters.running import run_code
from ..unit.helpers import ROOT

PAGE = (ROOT / "docs" / "sqlalchemy.md").read_text(encoding="utf-8")


def test_its_python_runs(tmp_path: Path) -> None:
    """Every block runs, in order, in one program, and asserts what it shows."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 4
    code = "".join(blocks).replace("/shop.db", f"/{tmp_path}/shop.db")
    assert run_code(f"{code}print('done')", PYTHONPATH=os.environ.get("PYTHONPATH", "")) == ["done"]


def test_all_parameters_are_in_the_table() -> None:
    """Those of ours; of SQLAlchemy's the ones that one sets."""
    table = PAGE.split("\n## What it takes\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE)
    said = {name for row in rows for name in re.findall(r"`(\w+)`", row.split(" (")[0])}
    assert set(inspect.signature(FairPool).parameters) - {"creator", "kw"} <= said
