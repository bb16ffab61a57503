"""The changes that can be made in a source: each is a mutant."""

import difflib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from types import CodeType
from typing import Any

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators, operator_arg_removal, operator_assignment, operator_string

Operator = tuple[type, Callable[[Any], Iterable[cst.CSTNode]]]

_NOT_CHANGED = (cst.Annotation, cst.Decorator, cst.Parameters)
"""Of no effect when a program runs; or done once, when the module is imported."""
_NOT_CHANGED_CALLS = {"cast", "isinstance", "len"}
"""Nothing can be changed in them that would not fail at once, or be without effect."""
_NOT_REPLACED = {"None", "False"}
"""What is not replaced by another value that means no."""


@dataclass(frozen=True)
class Mutant:
    """One change of one source."""

    room: str
    file: str
    """Beginning with the room."""
    function: str
    line: int
    lines: frozenset[int]
    """By one of these a test is known to reach it."""
    beside: frozenset[int]
    """Where it may show: the lines of its function, or those with the attribute to which it assigns."""
    difference: str
    code: CodeType
    """Of the whole module."""

    @property
    def key(self) -> str:
        """What the list of survivors has of it: no number of a line, which others would change."""
        return f"{self.file} {self.function}\n{self.difference}"


def _parenthesised(value: cst.BaseExpression) -> cst.BaseExpression:
    return value.with_changes(lpar=[cst.LeftParen(), *value.lpar], rpar=[*value.rpar, cst.RightParen()])


def _strings(node: cst.BaseString) -> Iterable[cst.CSTNode]:
    """One change of a text is enough."""
    return islice(operator_string(node), 1)


def _not_assigned(node: cst.Assign | cst.AnnAssign) -> Iterable[cst.CSTNode]:
    """``None`` becomes no text, and ``False`` not ``None``: type checkers refuse that."""
    return () if isinstance(node.value, cst.Name) and node.value.value in _NOT_REPLACED else operator_assignment(node)


def _other_arguments(node: cst.Call) -> Iterator[cst.CSTNode]:
    """``False`` does not become ``None``: the same."""
    for changed in operator_arg_removal(node):
        if len(changed.args) < len(node.args) or not any(
            before.value is not after.value and isinstance(before.value, cst.Name) and before.value.value == "False"
            for before, after in zip(node.args, changed.args, strict=True)
        ):
            yield changed


def _left_out(node: cst.Expr) -> Iterator[cst.CSTNode]:
    """Nothing is called, or yielded. What is left makes the same function a generator, and has the same variables."""
    if not isinstance(node.value, cst.Ellipsis | cst.BaseString):
        never = cst.BooleanOperation(cst.Name("False"), cst.And(), _parenthesised(node.value))
        yield node.with_changes(value=never)


def _the_other_way(node: cst.If) -> Iterator[cst.CSTNode]:
    yield node.with_changes(test=cst.UnaryOperation(cst.Not(cst.SimpleWhitespace(" ")), _parenthesised(node.test)))


def _nothing_returned(node: cst.Return) -> Iterator[cst.CSTNode]:
    if node.value is not None and not (isinstance(node.value, cst.Name) and node.value.value in _NOT_REPLACED):
        yield node.with_changes(value=cst.Name("None"))


_REPLACED = {operator_string, operator_assignment, operator_arg_removal}
OPERATORS: tuple[Operator, ...] = (
    *(pair for pair in mutation_operators if pair[1] not in _REPLACED),
    (cst.Call, _other_arguments),
    (cst.BaseString, _strings),
    (cst.Assign, _not_assigned),
    (cst.AnnAssign, _not_assigned),
    (cst.Expr, _left_out),
    (cst.If, _the_other_way),
    (cst.Return, _nothing_returned),
)


class _Finder(cst.CSTVisitor):
    """Finds what can be changed in functions."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[cst.CSTNode, cst.CSTNode, str, tuple[int, ...], cst.CSTNode | str]] = []
        self.places: dict[cst.CSTNode, CodeRange] = {}
        self.attributes: defaultdict[str, set[int]] = defaultdict(set)
        """The lines of each."""
        self._names: list[str] = []
        self._functions: list[cst.CSTNode] = []
        self._assigned = ""
        self._messages: list[cst.CSTNode] = []
        self._statements: list[int] = []

    def _line(self, node: cst.CSTNode) -> int:
        place = self.get_metadata(PositionProvider, node, None)
        return place.start.line if isinstance(place, CodeRange) else 0

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, _NOT_CHANGED) or _is_docstring(node) or node in self._messages:
            return False
        if isinstance(node, cst.Call) and isinstance(node.func, cst.Name) and node.func.value in _NOT_CHANGED_CALLS:
            return False
        place = self.get_metadata(PositionProvider, node, None)
        line = self._line(node.test if isinstance(node, cst.If | cst.While) else node)
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            self._names.append(node.name.value)
        if isinstance(node, cst.FunctionDef):
            self._functions.append(node)
            if isinstance(place, CodeRange):
                self.places[node] = place
        if isinstance(node, cst.Assert) and node.msg is not None:
            self._messages.append(node.msg)  # nobody ever reads them
        if isinstance(node, cst.Attribute):
            self.attributes[node.attr.value].add(line)
        if isinstance(node, cst.BaseSmallStatement):
            self._assigned = _assigned(node)
        if isinstance(node, cst.BaseSmallStatement | cst.BaseCompoundStatement):
            self._statements.append(line)
        if self._functions and not isinstance(node, cst.FunctionDef | cst.ClassDef):
            lines = tuple({at for at in (line, *self._statements[-1:]) if at})
            for kind, operator in OPERATORS:
                if isinstance(node, kind):
                    if isinstance(place, CodeRange):
                        self.places[node] = place
                    name, beside = ".".join(self._names), self._assigned or self._functions[-1]
                    self.found += [(node, changed, name, lines, beside) for changed in operator(node)]
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        node = original_node
        if isinstance(node, _NOT_CHANGED):
            return
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            self._names.pop()
        if isinstance(node, cst.FunctionDef):
            self._functions.pop()
        if isinstance(node, cst.BaseSmallStatement):
            self._assigned = ""
        if isinstance(node, cst.BaseSmallStatement | cst.BaseCompoundStatement) and not _is_docstring(node):
            self._statements.pop()


def _assigned(node: cst.BaseSmallStatement) -> str:
    """The attribute to which a statement assigns; none: an empty text."""
    target: cst.CSTNode | None = None
    if isinstance(node, cst.Assign):
        target = node.targets[0].target
    elif isinstance(node, cst.AnnAssign):
        target = node.target
    return target.attr.value if isinstance(target, cst.Attribute) else ""


def _is_docstring(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Expr) and isinstance(node.value, cst.BaseString)


def mutants(room: str, file: str, path: str, text: str) -> Iterator[Mutant]:
    """All mutants of a source.

    Args:
        room: The room that it belongs to.
        file: Its name, beginning with the room.
        path: Its name as the import system has it.
        text: What is in it.
    """
    wrapper = MetadataWrapper(cst.parse_module(text))
    finder = _Finder()
    wrapper.visit(finder)
    lines = text.splitlines(keepends=True)
    for node, changed, function, near, where in finder.found:
        place = None if isinstance(node, cst.BaseCompoundStatement) else finder.places.get(node)
        if place is None:
            whole = wrapper.module.deep_replace(node, changed)
            assert isinstance(whole, cst.Module)
            changed_text = whole.code
        else:  # the same in a hundredth of the time
            start, end = place.start, place.end
            before, after = lines[start.line - 1][: start.column], lines[end.line - 1][end.column :]
            new = wrapper.module.code_for_node(_without_parentheses(changed, node))
            changed_text = "".join([*lines[: start.line - 1], before, new, after, *lines[end.line :]])
        try:
            code = compile(changed_text, path, "exec", dont_inherit=True)
        except SyntaxError:
            continue
        difference = list(difflib.unified_diff(text.splitlines(), changed_text.splitlines(), lineterm="", n=0))
        short = "\n".join(f"{line[0]} {line[1:].strip()}" for line in difference[3:] if line[0] in "-+")
        if short:
            beside = finder.attributes[where] if isinstance(where, str) else _lines(finder.places[where])
            yield Mutant(room, file, function, max(near), frozenset(near), frozenset(beside), short, code)


def _lines(place: CodeRange) -> range:
    return range(place.start.line, place.end.line + 1)


def _without_parentheses(changed: cst.CSTNode, node: cst.CSTNode) -> cst.CSTNode:
    """Without those that the node had: they do not belong to its place."""
    if isinstance(changed, cst.BaseExpression) and isinstance(node, cst.BaseExpression) and changed.lpar is node.lpar:
        return changed.with_changes(lpar=[], rpar=[])
    return changed
