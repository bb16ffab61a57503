"""Operations by which tools look at an object, rather than use it."""

from __future__ import annotations

BY_CLASS = (
    "__class__",
    "isfunction",
    "isclass",
    "iscoroutinefunction",
    "isinstance of",
    "isinstance of a protocol",
    "match on classes",
    "singledispatch",
)
"""What asks for the class alone, as debuggers do, and gevent of all objects there are: it gets an answer."""
LOOKING = ("dir", "__doc__", "getdoc", "__module__", "__hash__")
"""What every object has, so that tools ask for it."""
PROBING = ("__dict__", "__annotations__", "__name__", "__self__")
"""What some objects have, so that tools ask for it, and go on if it is not there."""
PROBING_IN_C = ("vars", "issubclass of", "signature")
"""Functions that say in their own way that it is not there."""
CLAIMED = (
    *("next", "next with a default", "next to the end"),
    *("index", "as an index", "in a slice", "hex", "chr", "range", "fspath", "join paths"),
    *("async with", "async with an error", "async with a stack", "await", "async for", "anext", "aiter"),
)
"""What a proxy cannot do before its object is known: tools would take it for an iterator, an awaitable, a path."""
IN_C = ("'ab' mod", "match on sequences", "match on mappings")
"""What does not ask the proxy at all."""
OTHER_ERRORS = ("buffer to write", "joined bytes", "buffer", "buffer, then resize")
"""Functions in C that raise an error of their own in place of whatever they get, or find no buffer."""
FOR_LOOKERS = (*BY_CLASS, *LOOKING, *PROBING, *PROBING_IN_C, *CLAIMED, *OTHER_ERRORS)
