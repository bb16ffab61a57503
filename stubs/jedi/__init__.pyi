# What this project uses of jedi, which says nothing of its types.
from collections.abc import Sequence
from os import PathLike
from typing import type_check_only

@type_check_only
class _Environment: ...

@type_check_only
class _Name:
    @property
    def name(self) -> str: ...

@type_check_only
class _Signature:
    @property
    def params(self) -> list[_Name]: ...
    def docstring(self, raw: bool = False, fast: bool = True) -> str: ...

def create_environment(
    path: str | PathLike[str], *, safe: bool = True, env_vars: dict[str, str] | None = None
) -> _Environment: ...

class Script:
    def __init__(
        self,
        code: str | None = None,
        *,
        path: str | PathLike[str] | None = None,
        environment: _Environment | None = None,
        project: None = None,
    ) -> None: ...
    def complete(self, line: int | None = None, column: int | None = None, *, fuzzy: bool = False) -> list[_Name]: ...
    def get_signatures(self, line: int | None = None, column: int | None = None) -> list[_Signature]: ...

class Interpreter(Script):
    def __init__(self, code: str, namespaces: Sequence[dict[str, object]], *, project: None = None) -> None: ...
