"""Where a ``with`` block began."""

import weakref

from .._runtime.caller import Place
from .._runtime.contexts import current_context, entered_contexts
from .._runtime.current import current_id, loop_is_running
from .._runtime.owner import here


class Origin(Place):
    """Where a block began, and by whom; kept with what the block uses as long as it is open."""

    __slots__ = ("_context", "_flow", "owner", "who")

    def __init__(self) -> None:
        super().__init__()
        self.who = here().owner
        self.owner: object = None
        """Who the slot says is the owner."""
        self._flow = current_id()
        self._context = weakref.ref(current_context())  # weak: it lives as long as somebody can come back to it

    def left(self) -> bool:
        """Whether the owner now does something else, though the block is open: a generator has it, and is elsewhere.

        Executors run each step of such a generator in a context of its own, and in any of their threads. Code that is
        called within the block, or within the code that has begun it, runs in that context, or in one entered from
        there. Of the tasks of an event loop, and of greenlets, this is not to be known: each is in its context only
        while it runs.
        """
        context = self._context()
        if self.owner is None or context is current_context():
            return False
        if self._flow != current_id() or loop_is_running():
            return False
        return context is None or all(context is not entered for entered in entered_contexts())

    def __str__(self) -> str:
        return f"{self.who} at {super().__str__()}"
