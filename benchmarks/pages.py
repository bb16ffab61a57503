"""Write the figures of record into README.md and docs/comparison.md: ``python -m benchmarks.pages [--check]``.

What is written stands between ``<!-- figures: NAME -->`` and ``<!-- end of figures -->``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

from benchmarks.record import FIRST, folders

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "docs" / "comparison.md"]
PART = re.compile(r"(?<=<!-- figures: )(\w+)( -->\n).*?(?=<!-- end of figures -->)", re.DOTALL)

Topics: TypeAlias = Mapping[str, Any]
"""The figures of one Python, by topic."""

NONE = ""
"""What a table says where nothing was measured."""


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Make a table of Markdown: the first column is text, the others are figures."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n".replace("|  ", "| ") for line in lines)


def digits(value: float) -> str:
    """Say a number with three digits, or more."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def time_of(nanoseconds: float | None) -> str:
    """Say a time in microseconds."""
    return NONE if nanoseconds is None else f"{digits(nanoseconds / 1e3)} µs"


def found(topics: Topics, *path: str) -> Any:
    """Find a figure; ``None`` where it was not measured."""
    value: Any = topics
    for name in path:
        value = None if value is None else value.get(name)
    return value


def per_second(value: float | None) -> str:
    """Say how many there were in a second, in thousands."""
    return NONE if value is None else f"{round(value, -3):,.0f} /s"


def milliseconds(value: float | None) -> str:
    """Say a time that is measured in milliseconds."""
    return NONE if value is None else f"{value:.1f} ms" if value < 10 else f"{value:,.0f} ms"


def share(value: float | None) -> str:
    """Say a number between 0 and 1."""
    return NONE if value is None else f"{value:.2f}"


def percent(part: float) -> str:
    """Say a part of something."""
    return f"{part:.0%}".replace("%", " %")


def all_served(topics: Topics, *path: str) -> float | None:
    """Find out how long it took until all were served, in milliseconds."""
    times = found(topics, *path, "total_ms")
    return None if times is None else median(times)


# --- threads -----------------------------------------------------------------------------------------------

POOLS = {
    "ProxyPatternPool": ("ours", "ours"),
    "a lock and a list": ("lock + list", "semaphore + list"),
    "`queue.LifoQueue`": ("queue.LifoQueue", "queue.LifoQueue"),
    "psycopg_pool": ("psycopg_pool", "psycopg_pool"),
    "SQLAlchemy QueuePool": ("SQLAlchemy QueuePool", "SQLAlchemy QueuePool"),
    "DBUtils PooledDB": ("DBUtils PooledDB", "DBUtils PooledDB"),
    "generic-connection-pool": ("generic-connection-pool", "generic-connection-pool"),
}


def pools(figures: Mapping[str, Topics]) -> str:
    """Compare pools for threads."""
    topics = figures[FIRST]
    rows: list[list[str]] = []
    for name, (alone, among_threads) in POOLS.items():
        marks = "" if alone == among_threads else "³"
        held = found(topics, "contention", "8 threads, held 1 ms", among_threads)
        cells = [
            per_second(found(topics, "contention", "8 threads, held 0 ms", among_threads, "throughput")),
            share(held["fairness"]),
            milliseconds(held["max_ms"]),
            milliseconds(all_served(topics, "burst", among_threads)),
        ]
        cycle = time_of(found(topics, "cycle", alone, "ns"))
        rows.append([name, cycle, *(cell and cell + marks for cell in cells)])
    columns = [
        "pool",
        "`get` + `ret`, one thread",
        "8 threads on 4 objects",
        "the same, each held 1 ms: fairness¹",
        "longest wait",
        "16 on an empty pool²",
    ]
    return table(columns, rows)


def pythons(figures: Mapping[str, Topics]) -> str:
    """Compare what is measured in one thread, or task, on all Pythons."""
    rows: list[list[str]] = []
    for name, topics in figures.items():
        times = found(topics, "async-cycle", "asyncio")
        attribute = found(topics, "proxies", "ns", "attribute")
        rows.append(
            [
                name.replace("t", ", without the GIL"),
                time_of(found(topics, "cycle", "ours", "ns")),
                percent(found(topics, "cycle", "ours", "over_psycopg_pool")),
                time_of(found(times, "ours", "async_with", "ns")),
                percent(found(times, "ours", "async_with_over_psycopg_pool")),
                f"{attribute['ours, THREAD']:.0f} ns",
                percent(attribute["ours, THREAD"] / attribute["werkzeug, variable"]),
            ]
        )
    peer = "of psycopg_pool's"
    columns = [
        "CPython",
        "`get` + `ret`",
        peer,
        "`async with`",
        peer,
        "attribute through `THREAD`",
        "of `LocalProxy`'s",
    ]
    return table(columns, rows)


FEATURES = {
    "nothing": ("ours", "psycopg_pool", "SQLAlchemy"),
    "a lifetime, 1 h": ("ours, max_lifetime", "psycopg_pool", "SQLAlchemy, pool_recycle"),
    "health checks of what was idle for 30 s, none due": ("ours, health_before_get, not due", NONE, NONE),
    "a health check each time": (
        "ours, health_before_get, each time",
        "psycopg_pool, check",
        "SQLAlchemy, pool_pre_ping",
    ),
    "a reset at each return": ("ours, retter", "psycopg_pool, reset", "SQLAlchemy"),
    "all of these, no check due": ("ours, all of these", NONE, NONE),
    "an observer, or listeners": ("ours, observer that does nothing", NONE, "SQLAlchemy, listeners that do nothing"),
    "metrics for Prometheus": ("ours, observer for Prometheus", NONE, NONE),
    "metrics for OpenTelemetry": ("ours, observer for OpenTelemetry", NONE, NONE),
}
NOTES = {(0, 1): "¹", (1, 1): "¹", (0, 2): "²", (4, 2): "²", (4, 1): "³"}


def features(figures: Mapping[str, Topics]) -> str:
    """Compare what features cost."""
    times = figures[FIRST]["production"]
    rows = [
        [feature]
        + [time_of(found(times, name, "ns")) + NOTES.get((row, column), "") for column, name in enumerate(names)]
        for row, (feature, names) in enumerate(FEATURES.items())
    ]
    columns = ["`get` + `ret`, one thread, with", "ProxyPatternPool", "psycopg_pool", "SQLAlchemy QueuePool"]
    return table(columns, rows)


PROXIES = {
    "the object itself": "direct",
    "ProxyPatternPool, `SHARED`": "ours, SHARED",
    "ProxyPatternPool, `THREAD`": "ours, THREAD",
    "ProxyPatternPool, `CONTEXT`": "ours, CONTEXT",
    "werkzeug `LocalProxy` of a variable": "werkzeug, variable",
    "werkzeug `Local`": "werkzeug, Local",
    "wrapt `ObjectProxy`, in C": "wrapt",
    "lazy-object-proxy, in C": "lazy-object-proxy",
    "Django `SimpleLazyObject`": "django",
}
USES = {"attribute": "attribute", "`len`": "len", "`==`": "==", "`with`": "with"}


def proxies(figures: Mapping[str, Topics]) -> str:
    """Compare proxies."""
    times = figures[FIRST]["proxies"]["ns"]
    rows = [
        [name, *(f"{times[use][key]:,.0f}" if key in times[use] else NONE for use in USES.values())]
        for name, key in PROXIES.items()
    ]
    return table(["nanoseconds through a proxy", *USES], rows)


# --- tasks -------------------------------------------------------------------------------------------------

TASK_POOLS = {
    "ProxyPatternPool": "ours",
    "psycopg_pool": "psycopg_pool",
    "asyncpg": "asyncpg",
    "SQLAlchemy": "SQLAlchemy",
    "aiosqlitepool": "aiosqlitepool",
    "asyncio-connection-pool": "asyncio-connection-pool",
    "generic-connection-pool": "generic-connection-pool",
    "connpool": "connpool",
}
LOSSES = ("lost_objects", "lost_cancellations", "errors", "hung", "lost_places")


def tasks(figures: Mapping[str, Topics]) -> str:
    """Compare pools for tasks, on asyncio's own event loop."""
    topics = figures[FIRST]
    rows: list[list[str]] = []
    for name, key in TASK_POOLS.items():
        held = found(topics, "async-contention", "8 asyncio tasks, held 1 ms", key)
        damage = found(topics, "async-storm", "asyncio", key)
        if found(topics, "async-cycle", "asyncio", key) is None:
            continue
        rows.append(
            [
                name,
                time_of(found(topics, "async-cycle", "asyncio", key, "async_with", "ns")),
                per_second(found(topics, "async-contention", "8 asyncio tasks, held 0 ms", key, "throughput")),
                share(found(held, "fairness")) or "hangs",
                milliseconds(found(held, "max_ms")),
                milliseconds(all_served(topics, "async-burst", "asyncio", key)),
                str(found(topics, "async-burst", "served_beside_a_hanging_creation", "asyncio", key)),
                "hangs" if damage is None else f"{sum(damage[loss] for loss in LOSSES):,}",
            ]
        )
    columns = [
        "pool",
        "`async with`, one task",
        "8 tasks on 4 objects",
        "the same, each held 1 ms: fairness¹",
        "longest wait",
        "16 on an empty pool²",
        "served of 15 beside a creation that hangs",
        "lost when tasks are cancelled³",
    ]
    return table(columns, rows)


PARTS: Mapping[str, Callable[[Mapping[str, Topics]], str]] = {
    "pools": pools,
    "pythons": pythons,
    "features": features,
    "proxies": proxies,
    "tasks": tasks,
}


def loan(figures: Mapping[str, Topics]) -> str:
    """Say in a sentence how long a loan takes."""
    ours, peer = (time_of(figures[FIRST]["cycle"][name]["ns"]) for name in ("ours", "psycopg_pool"))
    return f"a loan takes {ours}, one of the next best fair pool {peer}."


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or check that they are as they would be written; give the exit status."""
    figures = {
        each.name: json.loads((each / "results.json").read_text(encoding="utf-8"))["topics"] for each in folders()
    }
    status = 0
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        written = PART.sub(lambda match: f"{match[1]}{match[2]}{PARTS[match[1]](figures)}", text)
        written = re.sub(r"a loan takes .* µs\.", lambda _: loan(figures), written)
        if written == text:
            continue
        status = int("--check" in arguments)
        if status:
            print(f"{page.name} has not the figures of record: python -m benchmarks.pages writes them")
        else:
            page.write_text(written, encoding="utf-8")
            print(f"wrote {page.name}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
