"""What docstrings say of parameters."""

from __future__ import annotations

import inspect
import re
from typing import Any

_SECTION = re.compile(r"^Args:\n((?: {4}.*(?:\n|\Z))+)", re.MULTILINE)
_PARAMETER = re.compile(r" {4}\**(\w+): (.*)")


def texts(called: Any) -> dict[str, list[str]]:
    """The text of each parameter of which a function, or the constructor of a class, says something, line by line."""
    section = _SECTION.search(inspect.getdoc(called.__init__ if inspect.isclass(called) else called) or "")
    found: dict[str, list[str]] = {}
    name = ""
    for line in section[1].splitlines() if section is not None else ():
        begin = _PARAMETER.fullmatch(line)
        if begin is not None:
            name = begin[1]
            found[name] = []
        found[name].append(line.strip() if begin is None else begin[2])
    return found
