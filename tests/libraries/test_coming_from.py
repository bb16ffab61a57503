"""The pages for those who come from another pool have all that the other one has, and what they show runs."""

from __future__ import annotations

import ast
import inspect
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg_pool
import pytest
import sqlalchemy.pool

from ProxyPatternPool import Pool
from ProxyPatternPool.sqlalchemy import FairPool

from ..unit.helpers import ROOT

CLASSES: dict[str, tuple[type[Any], ...]] = {
    "psycopg-pool": (psycopg_pool.ConnectionPool,),
    "sqlalchemy": (sqlalchemy.pool.QueuePool, sqlalchemy.pool.Pool),
    "dbutils": (import_module("dbutils.pooled_db").PooledDB,),  # an untyped package
}
NAMES = [*CLASSES, "eventlet"]
INTERNAL = {"worker", "run_task", "schedule_task", "reconnect_failed", "dispatch", "logging_name", "timeout", "version"}


def functions_of_eventlet() -> dict[str, ast.FunctionDef]:
    """Those of its pool, from its sources: to import it would change what other tests find."""
    package = find_spec("eventlet")
    assert package is not None
    assert package.origin is not None
    found: dict[str, ast.FunctionDef] = {}
    for file, name in (("pools.py", "Pool"), ("db_pool.py", "BaseConnectionPool")):
        tree = ast.parse((Path(package.origin).parent / file).read_text(encoding="utf-8"))
        (body,) = (each.body for each in tree.body if isinstance(each, ast.ClassDef) and each.name == name)
        found |= {each.name: each for each in body if isinstance(each, ast.FunctionDef)}
    return found


def parameters(name: str) -> set[str]:
    """What the other pool takes."""
    if name == "eventlet":
        given = functions_of_eventlet()["__init__"].args
        return {*(each.arg for each in given.args), "args", "kwargs"} - {"self"}
    found = {each for pool in CLASSES[name] for each in inspect.signature(pool).parameters}
    return {each for each in found if each != "kw" and not each.startswith("_")}


def methods(name: str) -> set[str]:
    """What it can do."""
    found = functions_of_eventlet() if name == "eventlet" else [each for pool in CLASSES[name] for each in dir(pool)]
    return {each for each in found if not each.startswith("_")} - INTERNAL


def page(name: str) -> str:
    return (ROOT / "docs" / f"from-{name}.md").read_text(encoding="utf-8")


def cells(text: str, column: int) -> str:
    """A column of the tables in a text."""
    rows = re.findall(r"^\| (.*) \|$", text, re.MULTILINE)
    return "\n".join(row.split(" | ")[column] for row in rows)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_there(name: str) -> None:
    """The table has the parameters that the other pool takes, and no others."""
    table = page(name).split("\n## Parameters\n")[1].split("\n## ")[0]
    told = re.findall(r"`([a-z]\w*)`", cells(table, 0))
    assert sorted(told) == sorted(parameters(name))


@pytest.mark.parametrize("name", NAMES)
def test_every_method_is_there(name: str) -> None:
    """The table of methods has the public ones of the other pool."""
    told = cells(re.split(r"\n## Methods.*\n", page(name))[1], 0)
    assert [each for each in methods(name) if not re.search(rf"`{each}[`(]", told)] == []


@pytest.mark.parametrize("name", NAMES)
def test_what_is_named_on_our_side_exists(name: str) -> None:
    """A parameter with a value is one of a pool's, a call a method, and a key one of its statistics."""
    right = cells(page(name), 1)
    known = {*inspect.signature(Pool).parameters, *inspect.signature(FairPool).parameters}
    taken = set(re.findall(r"(?:`|, )(\w+)=", right)) - {"row_factory"}
    assert taken <= known
    with Pool(int, 1, 0) as pool:
        assert set(re.findall(r"\[\"(\w+)\"\]", right)) - {"value"} <= set(pool.stats())
        called = set(re.findall(r"`([a-z]\w+)\(", right))
        assert [each for each in called if not hasattr(pool, each) and each not in ("repr",)] == []


@pytest.mark.parametrize("name", ["sqlalchemy", "dbutils"])
def test_their_python_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every block, in order: before, and after."""
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", page(name), re.DOTALL)
    assert len(blocks) >= 2
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, f"docs/from-{name}.md", "exec"), names)
