"""Which event loop of tasks runs in the current thread.

The modules of the kinds of loop are below this one and know nothing of it. Each is imported only once its library is.
"""

import sys

from .waiting import TaskLoop


def running_task_loop() -> TaskLoop | None:
    """What is asked of the loop whose task, or callback, is the caller; ``None`` if no loop runs here."""
    # First trio, of which there is an answer only in its tasks: in guest mode it runs in the loop of another library.
    if "trio.lowlevel" in sys.modules:
        from . import trio_hub

        run = trio_hub.running_loop()
        if run is not None:
            return run
    if "asyncio.tasks" in sys.modules:
        from . import asyncio_hub

        return asyncio_hub.running_loop()
    return None
