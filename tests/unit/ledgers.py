"""Parameters for what is tested without a pool."""

from __future__ import annotations

from dataclasses import replace

from ProxyPatternPool._config import PoolConfig

_UNLIMITED = PoolConfig(
    max_size=None,
    min_size=0,
    timeout=None,
    max_use=None,
    max_waiting=None,
    max_lifetime=None,
    max_avail_delay=None,
    warn_delay=None,
    kill_delay=None,
    health_freq=1,
    health_before_get=None,
    backoff=(1.0, 8.0),
    delay=None,
    exact=False,
    hook_errors="log",
    trace_owner=False,
    name=None,
)


def bounds(min_size: int = 0, max_size: int | None = None) -> PoolConfig:
    """Only these bounds, and no other limit."""
    return replace(_UNLIMITED, min_size=min_size, max_size=max_size)
