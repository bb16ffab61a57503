"""The shared module: one name for all others to import, in any order, and behind it a connection for each thread.

`db` is a proxy. To read it, to check it and to complete it in an editor, it is a `Connection`; what one does to it is
done to the connection of the current thread, which comes out of a pool when the thread first needs one, and goes back
when its request has been answered: the middleware in app.py sees to it.
"""

from __future__ import annotations

from collections.abc import Callable

from ProxyPatternPool import control, proxy
from storage.database import Connection

db: Connection = proxy(
    name="website",
    timeout=30.0,  # an error is better than a page that never comes
    retter=lambda connection: connection.rollback(),  # the next user finds a clean session
    health=lambda connection: connection.is_healthy(),
    hk_delay=1.0,  # check the idle ones every second
    tracer=lambda connection: str(connection),
    max_using_delay=10.0,  # a warning in the log says who keeps a connection that long
)


def init_db(connect: Callable[[int], Connection], close: Callable[[Connection], object], connections: int) -> None:
    """Set what `db` stands for, and how many connections there may be."""
    control(db).set_pool(max_size=connections, min_size=connections, closer=close)
    control(db).set_fun(connect)


def discard() -> None:
    """Close this thread's connection: the pool makes another in its place."""
    control(db).discard()
