"""A private copy of the package, whose modules of the hand-off are rewritten for the explorer, and may have a fault."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

import ProxyPatternPool

from .instrument import instrumented, written_later
from .machine import Machine

NAME = ProxyPatternPool.__name__
ROOT = Path(ProxyPatternPool.__path__[0])
_ROOMS = {
    "_ledger": ("shelves", "queue", "ledger", "places", "permits", "validity", "backoff", "sweeps", "entry"),
    "_engine": ("loans", "checks", "waits", "returns", "objects", "operations", "maintenance", "chores", "core"),
    "_pool": ("pool", "lease", "loan"),
    "_runtime": ("races",),
}
REWRITTEN = frozenset(f"{NAME}.{room}.{module}" for room, modules in _ROOMS.items() for module in modules)
"""The modules that have the steps of the hand-off, and all that runs beside them."""


@dataclass(frozen=True)
class Mutation:
    """A fault: in one module some text is replaced, which must be there once."""

    name: str
    module: str
    before: str
    after: str

    def apply(self, source: str) -> str:
        found = source.count(self.before)
        assert found == 1, f"{self.name}: the text to replace is {found} times in {self.module}, and not once"
        return source.replace(self.before, self.after)


def _path(module: str) -> Path:
    return ROOT.joinpath(*module.split(".")[1:]).with_suffix(".py")


class _Loader(SourceFileLoader):
    """Loads a module that is rewritten."""

    def __init__(self, name: str, path: str, library: Library) -> None:
        super().__init__(name, path)
        self._library = library

    def get_code(self, fullname: str) -> CodeType:
        return self._library.code_of(fullname)

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(self._library.machine.accesses.hooks)
        super().exec_module(module)


@cache
def _source(name: str) -> str:
    return _path(name).read_text(encoding="utf-8")


def _text(name: str, mutation: Mutation | None) -> str:
    return _source(name) if mutation is None else mutation.apply(_source(name))


@cache
def _fields() -> frozenset[str]:
    return written_later(ast.parse(_source(name)) for name in REWRITTEN)


@cache
def _code(name: str, mutation: Mutation | None) -> CodeType:
    """The rewritten code of a module, which may have a fault."""
    tree = ast.parse(_text(name, mutation))
    return compile(instrumented(tree, _fields()), str(_path(name)), "exec", dont_inherit=True)


class Library:
    """One copy of the package, and the machine that runs what uses it."""

    def __init__(self, mutation: Mutation | None = None) -> None:
        self.mutation = mutation
        self.machine = Machine()
        self.modules = self._import()
        self.join: Callable[..., None] = self["_ledger.queue"].WaitQueue.join
        """How a waiter joins the queue: a world notes that."""

    def _mutation_of(self, name: str) -> Mutation | None:
        mutation = self.mutation
        return mutation if mutation is not None and name == f"{NAME}.{mutation.module}" else None

    def code_of(self, name: str) -> CodeType:
        return _code(name, self._mutation_of(name))

    def line(self, frame: FrameType | None) -> str:
        """The line of a rewritten module from which a frame was called, and where it is; empty: there is none."""
        names = {str(_path(name)): name for name in REWRITTEN}
        while frame is not None and frame.f_code.co_filename not in names:
            frame = frame.f_back
        if frame is None:
            return ""
        file, number = frame.f_code.co_filename, frame.f_lineno
        text = _text(names[file], self._mutation_of(names[file])).splitlines()[number - 1]
        return f"{Path(file).relative_to(ROOT)}:{number}: {text.strip()}"

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find the modules of the copy, as a finder of ``sys.meta_path``."""
        if name not in REWRITTEN:
            return None
        spec = PathFinder.find_spec(name, path)
        assert spec is not None
        assert spec.origin is not None
        spec.loader = _Loader(name, spec.origin, self)
        return spec

    def _import(self) -> dict[str, ModuleType]:
        before = _take_modules()
        sys.meta_path.insert(0, self)
        try:
            for name in (NAME, f"{NAME}._scheduler.process"):
                importlib.import_module(name)
        finally:
            sys.meta_path.remove(self)
            copy = _take_modules()
            sys.modules.update(before)
        return copy

    def __getitem__(self, module: str) -> Any:
        """A module of the copy, by its name within the package."""
        return self.modules[f"{NAME}.{module}" if module else NAME]


def _take_modules() -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name == NAME or name.startswith(f"{NAME}.")]
    return {name: sys.modules.pop(name) for name in names}
