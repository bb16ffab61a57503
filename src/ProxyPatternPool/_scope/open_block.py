"""One ``with`` block that is open: where it began, and for whom."""

import weakref

from .._runtime.caller import Place
from .._runtime.contexts import current_context, entered_contexts
from .._runtime.current import current_id, loop_is_running
from .._runtime.owner import here


class OpenBlock(Place):
    """Kept with the object that the block uses, as long as the block is open."""

    __slots__ = ("_context", "_opened_in", "opened_by", "owner")

    def __init__(self) -> None:
        Place.__init__(self)  # super() takes longer, for each block
        self.opened_by = here().owner
        self.owner: object = None
        """The owner as its slot tells it."""
        self._opened_in = current_id()
        self._context = weakref.ref(current_context())  # weak: no block keeps a context alive

    def owner_is_elsewhere(self) -> bool:
        """Whether the block's owner does something else by now: a generator has the block, and is suspended.

        Executors run each step of such a generator in a context of its own, in any of their threads. Code that the
        block calls, or that has begun the block, runs in the block's context, or in one entered from there.

        Tasks of an event loop and greenlets are never said to be elsewhere: each enters its context only to run.
        """
        context = self._context()
        if self.owner is None or context is current_context():
            return False
        if self._opened_in != current_id() or loop_is_running():
            return False
        return context is None or all(context is not entered for entered in entered_contexts())

    def __str__(self) -> str:
        return f"{self.opened_by} at {super().__str__()}"
