"""Give functions that exist already the code of a changed source."""

import gc
from collections import defaultdict
from collections.abc import Iterator
from types import CodeType, FunctionType

Place = tuple[str, int]
"""The name of a function, and its first line."""


class Unfit(Exception):
    """A function cannot have this code: it has other variables of the functions around it, or does not exist."""


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A code, and all of those that are in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _by_place(module: CodeType) -> dict[Place, CodeType]:
    return {(code.co_name, code.co_firstlineno): code for code in _codes(module)}


class Functions:
    """All functions that there are, by the files of their codes."""

    def __init__(self) -> None:
        gc.unfreeze()  # what is frozen is not found
        self._found: defaultdict[str, list[FunctionType]] = defaultdict(list)
        for function in gc.get_objects():
            if type(function) is FunctionType:
                self._found[function.__code__.co_filename].append(function)
        gc.freeze()

    def swap(self, original: CodeType, changed: CodeType) -> None:
        """Have the functions of a module do what the changed code of the module says.

        Raises:
            Unfit: They cannot.
        """
        before, after = _by_place(original), _by_place(changed)
        new = {place: code for place, code in after.items() if place in before and _differs(code, before[place])}
        done = 0
        for function in self._found[changed.co_filename]:
            old = function.__code__
            code = new.get((old.co_name, old.co_firstlineno))
            if code is None:
                continue
            try:
                function.__code__ = code
            except ValueError as error:
                raise Unfit(str(error)) from None
            done += 1
            # A module may have noted by what code its own calls are found.
            names = function.__globals__
            names.update({name: code for name, value in names.items() if value is old})
        if not done:
            raise Unfit("no function has this code")


def _differs(one: CodeType, other: CodeType) -> bool:
    """Whether two codes do different things; that of a class or a module itself is not run again."""
    return one != other and bool(one.co_flags & 0x2)  # CO_NEWLOCALS: a function's, or a class body's
