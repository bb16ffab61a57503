"""What docs/migration.md says is true."""

from __future__ import annotations

import re

import pytest

import ProxyPatternPool
from ProxyPatternPool import Pool, Proxy
from tools.parameters import POSITIONAL, PROXY_POSITIONAL

from .clock import FakeScheduler, HandMovedClock
from .helpers import ROOT, Naps, Thing, said

PAGE = (ROOT / "docs" / "migration.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """A part of the page."""
    return PAGE.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_its_python_runs(scheduler: FakeScheduler, naps: Naps, capsys: pytest.CaptureFixture[str]) -> None:
    """Every block runs, in order, and prints what its comments say."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) >= 7
    namespace: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/migration.md", "exec"), namespace)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 3
    for line in printed:
        assert f"# {line}\n" in PAGE


def test_every_parameter_is_there() -> None:
    """The tables have the parameters that the existing module has, in its order."""
    of_pool, of_proxy = section("Parameter by parameter").split("\n| `Proxy` |")
    for table, names in ((of_pool.split("| --- |", 1)[1], POSITIONAL), (of_proxy, PROXY_POSITIONAL)):
        cells = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        assert [name for cell in cells for name in re.findall(r"`(\w+)`", cell)] == list(names)


def test_names_exist() -> None:
    """What the page says is there is there, and what it replaces is not."""
    names = section("Names")
    for name in ("__version__", "log", "FunHook", "PoolHook", "HealthHook", "TraceHook"):
        assert f"`{name}`" in names
        assert hasattr(ProxyPatternPool, name)
    listed = re.findall(r"`(\w+)`", names.split("documented exist, ")[1].split(". For the others")[0])
    replaced = [
        name
        for row in re.findall(r"^\| (`.*?) \|", names, re.MULTILINE)
        for name in re.findall(r"`(?:pool\.)?(_\w+)", row)
    ]
    assert listed
    assert replaced
    assert set(listed) <= set(vars(Proxy))
    pool = Pool(int, min_size=0)
    assert [name for name in replaced if hasattr(pool, name)] == []


def test_statistics_are_keys() -> None:
    """The keys of the table are keys of the statistics."""
    stats = Pool(int, min_size=0).stats()
    rows = re.findall(r"^\| (`.*?) \|", section("Statistics"), re.MULTILINE)
    named = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    assert len(named) > 5
    assert named <= set(stats)


def test_the_log_says_so(scheduler: FakeScheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture) -> None:
    """Every line of the table is one that is logged when that happens."""

    def fail(*_: object) -> bool:
        raise ConnectionError("refused")

    with Pool(Thing, name="db", opener=fail, max_using_delay=30.0, max_using_delay_kill=60.0) as pool:
        thing = pool.get()
        for _ in range(2):
            clock.advance(30.0)
            pool.housekeep()
        pool.ret(thing)
    with Pool(Thing, name="db", health=fail, min_size=2, retter=fail) as pool:
        pool.ret(pool.get())
        pool.housekeep()
        lent = pool.get()
    down = Pool(fail, name="db")
    scheduler.run()
    assert lent is not None
    assert down.stats()["nerrors"] == 1
    lines = [line for line in said(caplog) if line.startswith("pool 'db': ")]
    rows = re.findall(r"^\| `[^|]* \| ([^|]*) \|$", section("The log"), re.MULTILINE)
    texts = [text for row in rows for text in re.findall(r"`([^`]*)`", row)]
    texts = [text for text in texts if text.replace("…", "").strip() not in {"opener", "retter"}]
    assert len(texts) >= 8
    for text in texts:
        pattern = ".*".join(re.escape(part) for part in re.split(r" ?… ?|30\.001", text))
        assert any(re.search(pattern, line) for line in lines), text
    assert len(lines) >= 8
