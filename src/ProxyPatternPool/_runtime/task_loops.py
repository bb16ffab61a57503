"""Which event loop of tasks runs in the current thread.

The modules of the kinds of loop are below this one and know nothing of it. Each is imported only once its library is.
"""

import sys
from collections.abc import Callable

from .waiting import TaskLoop

_trio: Callable[[], TaskLoop | None] | None = None
_asyncio: Callable[[], TaskLoop | None] | None = None


def running_task_loop() -> TaskLoop | None:
    """What is asked of the loop whose task, or callback, is the caller; ``None`` if no loop runs here."""
    global _trio, _asyncio
    # First trio, of which there is an answer only in its tasks: in guest mode it runs in the loop of another library.
    if _trio is None and "trio.lowlevel" in sys.modules:
        from .trio_hub import running_loop as _trio
    run = None if _trio is None else _trio()
    if run is not None:
        return run
    if _asyncio is None and "asyncio.tasks" in sys.modules:
        from .asyncio_hub import running_loop as _asyncio
    return None if _asyncio is None else _asyncio()
