"""What the sources say of themselves: the import contracts, the docstrings, the imports, the sizes."""

import ast
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PACKAGE = "ProxyPatternPool"

Floors = Sequence[Sequence[str]]
"""Names from above to below; those of one floor do not import each other."""


class SourceError(Exception):
    """The sources do not say what they have to."""


@dataclass(frozen=True)
class Module:
    """One file."""

    name: str
    path: Path
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.text, self.path.name)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All nodes of the tree."""
        return list(ast.walk(self.tree))

    @property
    def lines(self) -> int:
        """How many lines it has."""
        return self.text.count("\n")

    @property
    def purpose(self) -> str:
        """The first paragraph of its docstring, without what marks up code."""
        said = ast.get_docstring(self.tree)
        if not said:
            raise SourceError(f"{self.path}: no docstring")
        return " ".join(said.split("\n\n")[0].split()).replace("``", "").removesuffix(" ::")

    def classes(self) -> Iterator[tuple[str, int]]:
        """Each class, and how many methods it has."""
        for node in self.nodes:
            if isinstance(node, ast.ClassDef):
                yield node.name, sum(isinstance(each, ast.FunctionDef) for each in node.body)

    @property
    def functions(self) -> int:
        """How many functions there are, methods included."""
        return sum(isinstance(node, ast.FunctionDef) for node in self.nodes)

    def defines(self, name: str) -> bool:
        """Whether there is a function of that name, or a method ``Class.name``."""
        owner, _, method = name.rpartition(".")
        if not owner:
            return any(isinstance(node, ast.FunctionDef) and node.name == method for node in self.tree.body)
        return any(
            isinstance(node, ast.ClassDef)
            and node.name == owner
            and any(isinstance(each, ast.FunctionDef) and each.name == method for each in node.body)
            for node in self.tree.body
        )

    def imported_rooms(self, depth: int) -> Iterator[str]:
        """The rooms that it imports; it is so many packages below the top."""
        for node in self.nodes:
            if isinstance(node, ast.ImportFrom) and node.level == depth + 1:
                yield from [node.module.split(".")[0]] if node.module else [each.name for each in node.names]


@dataclass
class Room:
    """A package, or a module at the top."""

    name: str
    purpose: str
    modules: list[Module]
    imports: set[str]
    """The other rooms that it imports."""
    floors: Floors
    """Its modules; none if it is one module."""


class House:
    """All rooms, by floors."""

    def __init__(self, root: Path) -> None:
        self.package = root / "src" / PACKAGE
        settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
        self._contracts: list[dict[str, Any]] = settings["tool"]["importlinter"]["contracts"]
        self.floors = self._floors(PACKAGE)
        self.rooms = {name: self._room(name) for floor in self.floors for name in floor}

    def _floors(self, container: str) -> Floors:
        """What the contract says of the inside of a package."""
        for contract in self._contracts:
            if contract["type"] == "layers" and container in contract["containers"]:
                return [[name.strip() for name in layer.split("|")] for layer in contract["layers"]]
        return []

    def _room(self, name: str) -> Room:
        path = self.package / name
        floors: Floors = []
        if path.is_dir():
            floors = self._floors(f"{PACKAGE}.{name}")
            modules = [self._module(each, path / f"{each}.py") for floor in floors for each in floor]
            first, depth = self._module(name, path / "__init__.py"), 1
        else:
            depth = 0
            first = self._module(name, path.with_suffix(".py"))
            modules = [first]
        imports = {room for module in (first, *modules) for room in module.imported_rooms(depth)}
        return Room(name, first.purpose, modules, imports - {name}, floors)

    def _module(self, name: str, path: Path) -> Module:
        if not path.exists():
            raise SourceError(f"pyproject.toml: an import contract names {name}, and there is no {path}")
        return Module(name, path, path.read_text(encoding="utf-8"))
