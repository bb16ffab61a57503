"""Where a run was made, as far as it matters to its figures: no names of machines, no paths."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

LIBRARIES = (
    "ProxyPatternPool",
    "psycopg-pool",
    "SQLAlchemy",
    "DBUtils",
    "generic-connection-pool",
    "Werkzeug",
    "wrapt",
    "lazy-object-proxy",
    "Django",
    "prometheus-client",
    "opentelemetry-sdk",
    "uvloop",
    "asyncpg",
    "aiosqlitepool",
    "asyncio-connection-pool",
    "connpool",
)


@dataclass(frozen=True)
class Environment:
    """The interpreter, the machine and the libraries compared."""

    python: str
    system: str
    cores: int
    gil: bool
    switch_interval_ms: float
    libraries: Mapping[str, str]
    quick: bool

    def header(self) -> str:
        """Put it in one paragraph, with what a reader of the figures has to know."""
        names = ", ".join(f"{name} {number}" for name, number in self.libraries.items())
        gil = "with" if self.gil else "without"
        lines = [
            f"{self.python}, {self.cores} cores, {self.system}, {gil} the GIL,",
            f"switch interval {self.switch_interval_ms:g} ms. {names}.",
            "Contenders take turns in each round; figures are medians of the rounds, ratios are medians of the",
            "ratios within each round. The garbage collector is off in single-thread timings, on with threads.",
        ]
        if self.quick:
            lines.append("A quick run: it shows that the harness works, its figures mean nothing.")
        return "\n".join(lines)


def cores() -> int:
    """Count the cores this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def gil() -> bool:
    """Tell whether this interpreter runs one thread at a time."""
    ask = getattr(sys, "_is_gil_enabled", None)
    return bool(ask()) if callable(ask) else True


def library_version(library: str) -> str:
    """Find the version of a library; this one may be a source tree, and connpool needs Python 3.11."""
    try:
        return version(library)
    except PackageNotFoundError:
        return "from source" if library == "ProxyPatternPool" else "not installed"


def environment(*, quick: bool) -> Environment:
    """Describe where this run is made."""
    return Environment(
        python=f"{platform.python_implementation()} {platform.python_version()}",
        system=platform.system(),
        cores=cores(),
        gil=gil(),
        switch_interval_ms=sys.getswitchinterval() * 1e3,
        libraries={library: library_version(library) for library in LIBRARIES},
        quick=quick,
    )
