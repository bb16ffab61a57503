"""Contexts of ``contextvars``: which one is current, and which ones are entered."""

import gc
import importlib
from collections.abc import Callable, Iterator
from contextvars import Context, ContextVar, Token
from typing import Any, cast

from .native import GIL

_probe: ContextVar[None] = ContextVar("ProxyPatternPool")

# There is no call for the current context itself, but a token refers to the context that it was made in, in the first
# place. To set a variable to what it is changes nothing, and costs nearly nothing.
mark: Callable[[None], Token[None]] = _probe.set
referents: Callable[[object], list[Any]] = gc.get_referents


def ask_collector() -> Context:
    """The current context; without a GIL this stops all threads for a moment."""
    context: Context = referents(mark(None))[0]
    return context


def memory_reader() -> Callable[[], Context]:
    """Make what reads the current context in the token's memory, as CPython lays it out, and stops nobody.

    With a GIL it would take longer than to ask the collector, which is also what is left where nobody can read memory.
    """
    try:
        ctypes: Any = importlib.import_module("ctypes")
    except ImportError:  # an interpreter built without it
        return ask_collector
    header = object.__basicsize__
    token = _probe.set(None)
    # The number is compared before it is taken for the address of an object.
    if [ctypes.c_void_p.from_address(id(token) + header).value] != [id(context) for context in _contexts_of(token)]:
        return ask_collector
    object_at: Callable[[int], Any] = ctypes.py_object.from_address

    def read_memory() -> Context:
        token = _probe.set(None)  # in a variable: it lives until the context is read
        return cast(Context, object_at(id(token) + header).value)

    return read_memory


def _contexts_of(thing: Token[None] | Context) -> list[Context]:
    """The contexts that a token, or a context, refers to."""
    return [other for other in gc.get_referents(thing) if type(other) is Context]


current_context: Callable[[], Context] = ask_collector if GIL else memory_reader()
"""The current context itself, where ``copy_context`` would give a copy."""


def entered_contexts() -> Iterator[Context]:
    """The contexts that the current thread or greenlet runs in, from the current one outwards.

    ``Context.run`` does not say so: it refuses a context that is entered, but not the one in which a thread began.
    """
    context: Context | None = current_context()
    while context is not None:
        yield context
        # A context refers to the one that it was entered from, until it is left.
        context = next(iter(_contexts_of(context)), None)
