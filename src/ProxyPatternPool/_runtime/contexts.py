"""Contexts of ``contextvars``: which one is current, and which ones are entered."""

import gc
from collections.abc import Iterator
from contextvars import Context, ContextVar

_probe: ContextVar[None] = ContextVar("ProxyPatternPool")


def current_context() -> Context:
    """The current context itself, where ``copy_context`` would give a copy."""
    # There is no call for it, but a token refers to the context that it was made in, in the first place.
    # To set a variable to what it is changes nothing, and costs nearly nothing.
    context: Context = gc.get_referents(_probe.set(None))[0]
    return context


def entered_contexts() -> Iterator[Context]:
    """The contexts that the current thread or greenlet runs in, from the current one outwards.

    ``Context.run`` does not say so: it refuses a context that is entered, but not the one in which a thread began.
    """
    context: Context | None = current_context()
    while context is not None:
        yield context
        # A context refers to the one that it was entered from, until it is left.
        context = next((other for other in gc.get_referents(context) if type(other) is Context), None)
