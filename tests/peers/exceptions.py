"""The tests of SQLAlchemy's that do not apply to our pools, and why. One that passes again is an error."""

from __future__ import annotations

from typing import NamedTuple


class Test(NamedTuple):
    """One test, whatever its parameters and the database."""

    file: str
    group: str
    name: str


EXCEPTIONS = {
    Test("test/engine/test_pool.py", "QueuePoolTest", "test_dispose_closes_pooled"): (
        "it wants a connection that comes back after dispose() to be lent again; ours is closed, as all from before"
    ),
    Test("test/engine/test_pool.py", "QueuePoolTest", "test_connect_handler_not_called_for_recycled"): (
        "it replaces the private queue of a QueuePool, to take records out that have no connection"
    ),
    Test("test/engine/test_pool.py", "QueuePoolTest", "test_connect_checkout_handler_always_gets_info"): (
        "it replaces the private queue of a QueuePool, to take records out that have no connection"
    ),
}
