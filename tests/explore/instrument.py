"""Rewrites a module so that each access to what threads share calls the explorer first, and then does what it did.

The statements, their order and their results stay. What is rewritten, in the bodies of functions:

- reads and writes of attributes that are written after the constructors,
- calls of the methods of collections, also by those to whom they are handed, their items, and each step of a loop,
- tests whether a collection is empty, and looks how long it is, and what is in it.

What is local to one thread is rewritten as well: the explorer finds out which locations threads share.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

_OF_COLLECTIONS = """
add append appendleft clear copy discard extend extendleft get index insert items keys pop popitem popleft remove rotate
setdefault update values
"""
METHODS = frozenset(_OF_COLLECTIONS.split())
"""Of collections."""
LOOKS = frozenset({"iter", "list", "next", "set", "sorted", "tuple"})
"""Functions that look into a collection that is their argument."""
BEFORE_SHARED = frozenset({"__init__", "start_empty", "new"})
"""Functions in which an object is not shared yet."""
CONSTANT = frozenset({"mailbox"})
"""Attributes that are written once, and then never."""

_HOOKS = ("load", "store", "call", "method", "item", "set_item", "steps", "look", "length", "test")
LOAD, STORE, CALL, METHOD, ITEM, SET_ITEM, STEPS, LOOK, LENGTH, TEST = (f"__explorer_{name}__" for name in _HOOKS)


def written_later(trees: Iterable[ast.Module]) -> frozenset[str]:
    """The names of all attributes that are written after the constructors."""
    names: set[str] = set()
    for tree in trees:
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef) and function.name not in BEFORE_SHARED:
                names.update(
                    node.attr
                    for node in ast.walk(function)
                    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
                )
    return frozenset(names - CONSTANT)


def instrumented(tree: ast.Module, fields: frozenset[str]) -> ast.Module:
    """Rewrite a module; ``fields`` are the attributes whose reads and writes are accesses."""
    rewritten: ast.Module = _Rewriter(fields).visit(tree)
    return ast.fix_missing_locations(rewritten)


def _name_of(node: ast.expr) -> str:
    """What the source calls something: the last name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Name):
        return node.id
    return _name_of(node.func) if isinstance(node, ast.Call) else "?"


class _Rewriter(ast.NodeTransformer):
    def __init__(self, fields: frozenset[str]) -> None:
        self._fields = fields
        self._depth = 0
        self._temporaries = 0

    # Only what is in the body of a function: annotations and decorators stay as they are.

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self._depth += 1
        self._visit_all(node.body)
        self._depth -= 1
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AnnAssign:
        if self._depth and node.value is not None:
            node.value = self.visit(node.value)
        return node

    # Accesses. -------------------------------------------------------------------------------------

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """A field, or a method that is handed to whoever calls it."""
        hint = self._hint(node.value)
        self.generic_visit(node)
        if self._depth and isinstance(node.ctx, ast.Load) and node.attr in self._fields:
            return self._hook(LOAD, node, node.value, ast.Constant(node.attr))
        if self._depth and isinstance(node.ctx, ast.Load) and node.attr in METHODS:
            return self._hook(METHOD, node, node.value, hint, ast.Constant(node.attr))
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        self.generic_visit(node)
        if self._depth and isinstance(node.ctx, ast.Load) and not isinstance(node.slice, ast.Slice):
            return self._hook(ITEM, node, node.value, self._hint(node.value), node.slice)
        return node

    def visit_Call(self, node: ast.Call) -> ast.Call:
        function = node.func
        if not self._depth:
            return node
        if isinstance(function, ast.Attribute) and function.attr in METHODS:
            hint = self._hint(function.value)
            node.func = function.value
            self.generic_visit(node)
            node.args = [node.func, hint, ast.Constant(function.attr), *node.args]
            node.func = ast.copy_location(ast.Name(CALL, ast.Load()), node)
            return node
        name = function.id if isinstance(function, ast.Name) else ""
        hints = [self._hint(argument) for argument in node.args]
        self.generic_visit(node)
        if name in LOOKS or name in ("len", "bool"):
            hook = {"len": LENGTH, "bool": TEST}.get(name, LOOK)
            node.args = [
                argument if isinstance(argument, ast.Starred) else self._hook(hook, argument, argument, hint)
                for argument, hint in zip(node.args, hints, strict=True)
            ]
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.Compare:
        hints = [self._hint(each) for each in node.comparators]
        self.generic_visit(node)
        if self._depth:
            node.comparators = [
                self._hook(LOOK, each, each, hint) if isinstance(operator, (ast.In, ast.NotIn)) else each
                for operator, each, hint in zip(node.ops, node.comparators, hints, strict=True)
            ]
        return node

    # Tests whether something is empty. ---------------------------------------------------------------

    def _tested(self, node: ast.expr) -> ast.expr:
        hint = self._hint(node)
        done: ast.expr = self.visit(node)
        nothing_new = isinstance(node, (ast.BoolOp, ast.Compare, ast.Constant)) or (
            isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
        )
        return done if nothing_new or not self._depth else self._hook(TEST, done, done, hint)

    def visit_If(self, node: ast.If) -> ast.If:
        node.test = self._tested(node.test)
        self._visit_all(node.body)
        self._visit_all(node.orelse)
        return node

    def visit_While(self, node: ast.While) -> ast.While:
        node.test = self._tested(node.test)
        self._visit_all(node.body)
        self._visit_all(node.orelse)
        return node

    def _visit_all(self, block: list[ast.stmt]) -> None:
        """Rewrite statements, of which one may become several."""
        done: list[ast.stmt] = []
        for statement in block:
            one: ast.stmt | list[ast.stmt] = self.visit(statement)
            done += one if isinstance(one, list) else [one]
        block[:] = done

    def visit_IfExp(self, node: ast.IfExp) -> ast.IfExp:
        node.test = self._tested(node.test)
        node.body, node.orelse = self.visit(node.body), self.visit(node.orelse)
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.BoolOp:
        node.values = [self._tested(value) for value in node.values]
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.UnaryOp:
        node.operand = self._tested(node.operand) if isinstance(node.op, ast.Not) else self.visit(node.operand)
        return node

    # Loops. ------------------------------------------------------------------------------------------

    def visit_For(self, node: ast.For) -> ast.For:
        hint = self._hint(node.iter)
        self.generic_visit(node)
        if self._depth:
            node.iter = self._hook(STEPS, node.iter, node.iter, hint)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.comprehension:
        hint = self._hint(node.iter)
        self.generic_visit(node)
        if self._depth:
            node.iter = self._hook(STEPS, node.iter, node.iter, hint)
        return node

    # Writes. -----------------------------------------------------------------------------------------

    def visit_Assign(self, node: ast.Assign) -> ast.stmt | list[ast.stmt]:
        if not self._depth:
            return node
        node.value = self.visit(node.value)
        if not any(self._is_access(part) for target in node.targets for part in ast.walk(target)):
            return node
        value = self._temporary(node)
        done: list[ast.stmt] = [self._assign(value, node.value, node)]
        for target in node.targets:
            done += self._write(target, value, node)
        return done

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        """What is to the left of the last dot is a variable, or a path that nothing changes: it may be read twice."""
        node.value = self.visit(node.value)
        target = node.target
        if not self._depth or not isinstance(target, ast.Attribute) or target.attr not in self._fields:
            return node
        owner: ast.expr = self.visit(target.value)
        old = self._hook(LOAD, target, owner, ast.Constant(target.attr))
        new = ast.copy_location(ast.BinOp(old, node.op, node.value), node)
        return self._statement(self._hook(STORE, node, new, owner, ast.Constant(target.attr)))

    def _write(self, target: ast.expr, value: ast.Name, node: ast.Assign) -> list[ast.stmt]:
        """The statements that write a value, which is in a variable, as one target of an assignment does."""
        if isinstance(target, (ast.Tuple, ast.List)):
            parts = [self._temporary(node) for _ in target.elts]
            stored: list[ast.expr] = [ast.Name(part.id, ast.Store()) for part in parts]
            unpack = ast.Assign([ast.Tuple(stored, ast.Store())], value)
            done: list[ast.stmt] = [ast.copy_location(unpack, node)]
            for element, part in zip(target.elts, parts, strict=True):
                done += self._write(element, part, node)
            return done
        if isinstance(target, ast.Attribute) and self._is_access(target):
            owner: ast.expr = self.visit(target.value)
            return [self._statement(self._hook(STORE, node, value, owner, ast.Constant(target.attr)))]
        if isinstance(target, ast.Subscript) and self._is_access(target):
            hint = self._hint(target.value)
            owner, key = self.visit(target.value), self.visit(target.slice)
            return [self._statement(self._hook(SET_ITEM, node, value, owner, hint, key))]
        return [ast.copy_location(ast.Assign([target], value), node)]

    def _is_access(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Subscript):
            return isinstance(node.ctx, ast.Store) and not isinstance(node.slice, ast.Slice)
        return isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and node.attr in self._fields

    # Nodes. ------------------------------------------------------------------------------------------

    def _hook(self, name: str, at: ast.AST, *arguments: ast.expr) -> ast.Call:
        call = ast.Call(ast.Name(name, ast.Load()), list(arguments), [])
        return ast.fix_missing_locations(ast.copy_location(call, at))

    def _hint(self, node: ast.expr) -> ast.Constant:
        return ast.Constant(_name_of(node))

    def _temporary(self, at: ast.AST) -> ast.Name:
        self._temporaries += 1
        return ast.copy_location(ast.Name(f"_explorer_{self._temporaries}", ast.Load()), at)

    def _assign(self, name: ast.Name, value: ast.expr, at: ast.AST) -> ast.stmt:
        return ast.fix_missing_locations(ast.copy_location(ast.Assign([ast.Name(name.id, ast.Store())], value), at))

    def _statement(self, value: ast.expr) -> ast.stmt:
        return ast.copy_location(ast.Expr(value), value)
