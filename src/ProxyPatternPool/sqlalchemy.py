"""Pools for SQLAlchemy's engines, in which who waits longest is served first. ::

    from ProxyPatternPool.sqlalchemy import FairPool

    engine = create_engine(url, poolclass=FairPool, pool_size=5, max_overflow=10, pool_timeout=30)

``FairPool`` is for ``create_engine``, ``AsyncFairPool`` for ``create_async_engine``. Both take what SQLAlchemy's
``QueuePool`` takes, and are shown by the exporters and the status page: ``observer.watch(engine)``,
``status_app(engine)``.

Needs SQLAlchemy 2.0 or 2.1: ``pip install SQLAlchemy``, or the extra ``sqlalchemy``. docs/sqlalchemy.md has more.
"""

try:
    from ._sqlalchemy.async_fair import AsyncFairPool
    from ._sqlalchemy.fair import FairPool
except ImportError as _error:
    raise ImportError(
        "ProxyPatternPool.sqlalchemy needs SQLAlchemy, which cannot be imported: "
        "pip install SQLAlchemy (this package's extra 'sqlalchemy')"
    ) from _error

__all__ = ["AsyncFairPool", "FairPool"]
