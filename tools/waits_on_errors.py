#!/usr/bin/env python3
"""Check that no step of the engine waits on the way of an exception.

Where a task is cancelled for good, as trio and anyio do it, whatever it waits for next is cancelled, too: an object
that is to be closed on the way out would never be. There the engine hands over what is left to do: ``Driver.finish``.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ENGINE = Path(__file__).parents[1] / "src" / "ProxyPatternPool" / "_engine"
WAITS = ast.Yield, ast.YieldFrom, ast.Await, ast.AsyncFor, ast.AsyncWith
TRIES: tuple[type[ast.Try], ...] = (ast.Try, getattr(ast, "TryStar", ast.Try))
FUNCTIONS = ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda


def waits(node: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """All that waits in a part of a function, but for the functions that it makes."""
    if isinstance(node, WAITS):
        yield node
    if not isinstance(node, FUNCTIONS):
        for child in ast.iter_child_nodes(node):
            yield from waits(child)


def on_the_way_of_an_exception(tree: ast.AST) -> Iterator[ast.AST]:
    """All that is done when an exception is on its way: in handlers, in ``finally``, and at the end of ``with``."""
    for node in ast.walk(tree):
        if isinstance(node, TRIES):
            yield from node.handlers
            yield from node.finalbody
        elif isinstance(node, ast.AsyncWith):
            yield node


def found(path: Path) -> list[str]:
    """The places of a file that break the rule."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lines = {wait.lineno for part in on_the_way_of_an_exception(tree) for wait in waits(part)}
    return [f"{path}:{line}: waits on the way of an exception" for line in sorted(lines)]


def main(paths: list[str]) -> int:
    """Look at these files, or at the engine; say what breaks the rule, and whether anything does."""
    files = [Path(path) for path in paths] or sorted(ENGINE.glob("*.py"))
    lines = [line for path in files for line in found(path)]
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return bool(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
