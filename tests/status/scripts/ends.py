"""A process with a page forks another; both come to their ends, and leave nothing behind."""

from __future__ import annotations

import os
import sys
import warnings

from ProxyPatternPool import Pool
from ProxyPatternPool.status import status_app

from ...unit.helpers import Thing, eventually

# From 3.12 on a fork among threads is warned about; a scheduler has one.
warnings.simplefilter("ignore", DeprecationWarning)

directory = sys.argv[1]
pool = Pool(Thing, 3, 0, name="db")
app = status_app(pool, directory=directory)


def use() -> None:
    """Use the pool, and wait until others can see it."""
    with pool.obj():
        pass
    eventually(
        lambda: any(name.startswith(f"{os.getpid()}-") and name.endswith(".sock") for name in os.listdir(directory))
    )


use()
child = os.fork()
if child == 0:
    use()
    print(f"child: {len(os.listdir(directory))}", flush=True)
    sys.exit()
_, status = os.waitpid(child, 0)
assert status == 0, status
print(f"parent: {len(os.listdir(directory))}")
