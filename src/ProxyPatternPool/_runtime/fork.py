"""What the child of a fork must not free."""

import contextlib
import importlib
import os
import sys

_inherited: list[object] = []


def never_free(thing: object) -> None:
    """Never free something, not even when the interpreter ends.

    A list in a module is emptied at exit, and the finalizers of what it held would then speak on
    connections that the parent still uses. One reference too many prevents that.
    """
    _inherited.append(thing)
    ctypes = sys.modules.get("ctypes")
    if ctypes is not None:  # else the interpreter was built without it: until exit the list does
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _before_fork() -> None:
    """Import in the parent what the child needs: an import lock that is held stays so in the child for ever."""
    with contextlib.suppress(ImportError):  # an interpreter built without it
        importlib.import_module("ctypes")


if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(before=_before_fork)
