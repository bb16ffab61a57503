"""Write what follows from ``tools/parameters.py`` into sources and pages, or check that it is there.

    python -m tools.generate            write it
    python -m tools.generate --check    write nothing; show what would change, and fail if anything would

It is written between two comments that say so. Where there is only the first, right above a function, the parameters of
that function are written, and the ``Args`` of its docstring if it has one.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import wrap

from .command import write_or_check
from .parameters import (
    ASYNC_POOL,
    ASYNC_POSITIONAL,
    MAY_RETURN_AWAITABLES,
    PASSED_ON,
    PASSED_TO_ASYNC_POOL,
    POOL,
    POSITIONAL,
    PROXY,
    PROXY_POSITIONAL,
    Parameter,
)

ROOT = Path(__file__).parents[1]
WIDTH = 120
BEGIN = "written by tools/generate.py: "
END = "end of what tools/generate.py has written"


# --- what is written


def signature(parameters: Sequence[Parameter], positional: Sequence[str]) -> Iterator[str]:
    """The parameters of a function, a line for each."""
    ordered = list(map(_declared, in_order(parameters, positional)))
    yield from [*ordered[: len(positional)], "*,", *ordered[len(positional) :]]


def in_order(parameters: Sequence[Parameter], positional: Sequence[str]) -> list[Parameter]:
    """Put those that may be given by position first, in their order."""
    by_name = {each.name: each for each in parameters}
    return [*(by_name.pop(name) for name in positional), *by_name.values()]


def _declared(parameter: Parameter) -> str:
    default = "" if parameter.default is None else f" = {parameter.default}"
    comment = f"  # {parameter.comment}" if parameter.comment else ""
    return f"{parameter.name}: {parameter.annotation}{default},{comment}"


def args(parameters: Sequence[Parameter], width: int) -> Iterator[str]:
    """The texts of a function's parameters, as its docstring has them."""
    for each in _explained(parameters):
        yield f"{each.name}: {each.text}"
        yield from (f"    {line}" for line in _wrapped(each.more, width - 4))


def _explained(parameters: Sequence[Parameter]) -> Iterable[Parameter]:
    """In order, but ``delay`` before ``hk_delay``: pyright shows the first line that has the name and a colon in it."""
    found: dict[str, Parameter] = {}
    for each in parameters:
        found |= {other.name: other for other in parameters if each.name.endswith(f"_{other.name}")}
        found.setdefault(each.name, each)
    return found.values()


def fields(parameters: Sequence[Parameter], width: int, *, defaults: bool = False) -> Iterator[str]:
    """The fields of a class, each with its text."""
    for each in parameters:
        default = f" = {each.default}" if defaults and each.default is not None else ""
        yield f"{each.name}: {each.annotation}{default}"
        more = _wrapped(each.more, width)
        yield from [f'"""{each.text}', "", *more, '"""'] if more else [f'"""{each.text}"""']


def table(parameters: Sequence[Parameter]) -> Iterator[str]:
    """A table for a page."""
    yield "| parameter | default | meaning |"
    yield "| --- | --- | --- |"
    for each in parameters:
        default = each.default if each.shown_default is None else each.shown_default
        meaning = f"{each.text} {each.more}".rstrip().replace("``", "`")
        yield f"| `{each.name}` | {f'`{default}` ' if default else ''}| {meaning} |"


def names(pattern: str, parameters: Iterable[Parameter]) -> list[str]:
    """A line for each parameter, with its name in the pattern."""
    return [pattern.format(each.name) for each in parameters]


def sentence(parameters: Iterable[Parameter], width: int) -> list[str]:
    """The names of the parameters as one sentence, for a page."""
    *others, last = names("`{}`", parameters)
    return _wrapped(f"{', '.join(others)} and {last}.", width)


def _wrapped(text: str, width: int) -> list[str]:
    return wrap(text, width, break_long_words=False, break_on_hyphens=False)


# --- where it is written


class PlaceError(Exception):
    """The place for generated lines was not found."""


@dataclass(frozen=True)
class Block:
    """The lines between two comments."""

    file: str
    name: str
    lines: Callable[[int], Iterable[str]]
    """Makes the lines, for a number of columns."""

    def fill(self, text: list[str]) -> None:
        """Replace them in the lines of the file."""
        begin = _begin(text, self.name)
        end = _find(text, begin, END, lambda line: END in line or BEGIN in line)
        if END not in text[end]:
            raise PlaceError(f"nothing says {END!r} before {text[end].strip()!r}")
        _replace(text, begin, end, _indent(text[begin - 1]), self.lines)


@dataclass(frozen=True)
class Function:
    """The parameters of the function below a comment, and their texts in its docstring."""

    file: str
    name: str
    parameters: Sequence[Parameter]
    positional: Sequence[str]
    documented: bool = True
    """Whether it has a docstring."""

    def fill(self, text: list[str]) -> None:
        """Replace them in the lines of the file."""
        begin = _begin(text, self.name)
        indent = _indent(text[begin])
        begin += 2 if text[begin + 1].strip() == "self," else 1
        end = _find(text, begin, ")", lambda line: line.startswith(f"{' ' * indent})"))
        _replace(text, begin, end, indent + 4, lambda _: signature(self.parameters, self.positional))
        if not self.documented:
            return
        begin = _find(text, begin, "Args:", lambda line: line.strip() == "Args:") + 1
        end = _find(text, begin, "", lambda line: line == "")
        _replace(text, begin, end, indent + 8, lambda width: args(self.parameters, width))


def _begin(text: Sequence[str], name: str) -> int:
    """The number of the line after the comment."""
    return _find(text, 0, f"{BEGIN}{name}", lambda line: line.strip("#<!-> ") == f"{BEGIN}{name}") + 1


def _find(text: Sequence[str], begin: int, what: str, is_it: Callable[[str], bool]) -> int:
    """The number of the next line for which ``is_it`` is true."""
    for number in range(begin, len(text)):
        if is_it(text[number]):
            return number
    raise PlaceError(f"no line says {what!r}")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _replace(text: list[str], begin: int, end: int, indent: int, lines: Callable[[int], Iterable[str]]) -> None:
    text[begin:end] = [f"{' ' * indent}{line}".rstrip() for line in lines(WIDTH - indent)]


# --- what is written where

HOOKS = [each for each in POOL if each.protocol is not None]
CHECKED = [each for each in POOL if each not in HOOKS and each.name not in ("log_level", "observer")]
"""The parameters that ``PoolConfig`` checks."""
NEEDS_POOL = [each for each in POOL if each.needs_pool]
OVERRIDES = [each for each in PROXY if each.name in ("max_size", "log_level")]
"""The parameters of ``set_pool`` besides those that a proxy passes on."""


def _in_class(parameter: Parameter) -> Parameter:
    """The parameter as ``Proxy`` has it: ``Scope`` is an attribute there, and the enumeration has another name."""
    if parameter.name == "scope":
        annotation = parameter.annotation.replace('"Scope ', '"_Scope ')
        return replace(parameter, annotation=annotation, default=f"_{parameter.default}")
    return parameter


def _in_function(parameter: Parameter) -> Parameter:
    """The parameter as ``proxy`` has it: ``set_name`` is empty by default, and jedi can infer T."""
    if parameter.name == "set_name":
        return replace(parameter, default='""')
    if parameter in PROXY and parameter.name in ("obj", "fun"):
        annotation = f"Optional[{parameter.annotation.removesuffix(' | None')}]"
        comment = "noqa: UP045  # so that jedi, and IPython with it, finds out what T is"
        return replace(parameter, annotation=annotation, comment=comment)
    return parameter


def _if_awaited(parameter: Parameter) -> Parameter:
    """The parameter as ``AsyncPool`` has it if all that its factory returns is to be awaited."""
    return replace(parameter, annotation="Callable[[int], Awaitable[T]]") if parameter.name == "fun" else parameter


def _in_tasks(parameter: Parameter) -> Parameter:
    """The parameter as a proxy has it whose function returns awaitables: scope and function have to be given."""
    if parameter.name == "obj":
        return replace(parameter, annotation="None")
    if parameter.name == "fun":
        return replace(parameter, annotation="Callable[[int], Awaitable[T]]", default=None)
    if parameter.name == "scope":
        return replace(parameter, annotation="Literal[Scope.CONTEXT, Scope.SHARED]", default=None)
    return replace(parameter, annotation=MAY_RETURN_AWAITABLES.get(parameter.name, parameter.annotation))


def _in_any_case(parameter: Parameter) -> Parameter:
    """The parameter as the implementation of a proxy has it."""
    if parameter.name == "fun":
        return replace(parameter, annotation=f"{MAY_RETURN_AWAITABLES['fun']} | None")
    return replace(parameter, annotation=MAY_RETURN_AWAITABLES.get(parameter.name, parameter.annotation))


def _as_of_pool(parameter: Parameter) -> str:
    """The hook of an ``AsyncPool`` as ``Hooks`` has it."""
    of_pool = next(each for each in POOL if each.name == parameter.name)
    if of_pool.annotation == parameter.annotation:
        return f"{parameter.name},"
    return f'cast("{of_pool.annotation}", {parameter.name}),'


def _passed_on(parameter: Parameter) -> str:
    """The parameter of a proxy as ``PoolParameters`` have it."""
    if parameter.name not in MAY_RETURN_AWAITABLES:
        return f'"{parameter.name}": {parameter.name},'
    return f'"{parameter.name}": cast("{parameter.annotation}", {parameter.name}),'


AWAITED_HOOKS = [each for each in ASYNC_POOL if each.protocol is not None]
OF_PROXY = [*PROXY, *PASSED_ON]

SOURCES = "src/ProxyPatternPool/"
ASYNC = f"{SOURCES}_pool/async_pool.py"
PLACES = (
    Block(f"{SOURCES}_config.py", "what is checked", lambda _: names("{}: object,", CHECKED)),
    Block(f"{SOURCES}_hooks.py", "the fields of Hooks", lambda width: fields(HOOKS, width, defaults=True)),
    Function(f"{SOURCES}_pool/pool.py", "the parameters of Pool", POOL, POSITIONAL),
    Block(f"{SOURCES}_pool/pool.py", "the hooks", lambda _: names("{},", HOOKS)),
    Block(f"{SOURCES}_pool/pool.py", "what is checked", lambda _: names("{0}={0},", CHECKED)),
    Function(
        ASYNC,
        "the parameters of AsyncPool, if fun is awaited",
        [*map(_if_awaited, ASYNC_POOL)],
        ASYNC_POSITIONAL,
        documented=False,
    ),
    Function(ASYNC, "the parameters of AsyncPool, if fun may be plain", ASYNC_POOL, ASYNC_POSITIONAL, documented=False),
    Function(ASYNC, "the parameters of AsyncPool", ASYNC_POOL, ASYNC_POSITIONAL),
    Block(ASYNC, "the hooks", lambda _: map(_as_of_pool, AWAITED_HOOKS)),
    Block(ASYNC, "what is checked", lambda _: names("{0}={0},", [each for each in CHECKED if each.name != "delay"])),
    Block(f"{SOURCES}_proxy/parameters.py", "what is passed on", lambda width: fields(PASSED_ON, width)),
    Block(
        f"{SOURCES}_pool/parameters.py", "what an AsyncPool takes", lambda width: fields(PASSED_TO_ASYNC_POOL, width)
    ),
    Block(f"{SOURCES}_proxy/parameters.py", "the others", lambda width: fields(OVERRIDES, width)),
    Block(f"{SOURCES}_proxy/parameters.py", "what needs a pool", lambda _: names('"{}",', NEEDS_POOL)),
    Function(
        f"{SOURCES}_proxy/proxy.py",
        "the parameters of Proxy",
        [_in_class(_in_any_case(each)) for each in OF_PROXY],
        PROXY_POSITIONAL,
    ),
    Block(f"{SOURCES}_proxy/proxy.py", "what is passed on", lambda _: map(_passed_on, PASSED_ON)),
    Function(
        f"{SOURCES}_proxy/typed.py",
        "the parameters of proxy, if fun is awaited",
        [_in_function(_in_tasks(each)) for each in OF_PROXY],
        (),
    ),
    Function(
        f"{SOURCES}_proxy/typed.py",
        "the parameters of proxy, if fun is plain",
        [*map(_in_function, OF_PROXY)],
        PROXY_POSITIONAL,
        documented=False,
    ),
    Function(
        f"{SOURCES}_proxy/typed.py",
        "the parameters of proxy",
        [_in_function(_in_any_case(each)) for each in OF_PROXY],
        PROXY_POSITIONAL,
    ),
    Block(f"{SOURCES}_proxy/typed.py", "what is passed on", lambda _: names("{0}={0},", OF_PROXY)),
    Block("docs/parameters.md", "the parameters of Pool", lambda _: table(in_order(POOL, POSITIONAL))),
    Block("docs/parameters.md", "the parameters of Proxy", lambda _: table(PROXY)),
    Block("docs/parameters.md", "what needs a pool", lambda width: sentence(NEEDS_POOL, width)),
    Block("docs/migration.md", "what needs a pool", lambda width: sentence(NEEDS_POOL, width)),
)


def differences(root: Path, *, write: bool = False) -> list[str]:
    """Compare the files with what is generated, and write that, if ``write``: all of it, or nothing.

    Raises:
        PlaceError: A place for generated lines was not found.
    """
    found: list[str] = []
    changed: dict[Path, str] = {}
    for file in dict.fromkeys(place.file for place in PLACES):
        old = (root / file).read_text(encoding="utf-8")
        lines = old.split("\n")
        for place in PLACES:
            if place.file == file:
                try:
                    place.fill(lines)
                except PlaceError as error:
                    raise PlaceError(f"{file}: {place.name}: {error}") from None
        new = "\n".join(lines)
        if new != old:
            changed[root / file] = new
            found += difflib.unified_diff(old.splitlines(True), new.splitlines(True), file, f"{file}, generated")
    for path, new in changed.items() if write else ():
        path.write_text(new, encoding="utf-8")
    return found


if __name__ == "__main__":
    write_or_check(
        __doc__,
        lambda write: differences(ROOT, write=write),
        PlaceError,
        "This is not what tools/parameters.py says: `make generate` writes it.",
    )
