"""What is given to the properties: texts, errors that misbehave, JSON; and how many examples are tried.

PPP_EXAMPLES sets how many; ``make fuzz`` tries many more than a test run does.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NoReturn

from hypothesis import settings
from hypothesis import strategies as st

from .corpus import NASTY

EXAMPLES = int(os.environ.get("PPP_EXAMPLES", "25"))
some_examples = settings(max_examples=EXAMPLES, report_multiple_bugs=False)
few_examples = settings(some_examples, max_examples=max(1, EXAMPLES // 3))
"""For properties that do a lot."""

characters = st.characters(exclude_categories=())  # half surrogates included
texts = st.one_of(
    st.sampled_from(NASTY),
    st.text(characters, max_size=20),
    st.lists(st.one_of(st.sampled_from(NASTY), st.text(characters, max_size=3)), max_size=4).map("".join),
)
"""Of any kind."""

numbers = st.one_of(st.integers(), st.floats(), st.sampled_from([10**400, -1, 1 << 64]))
json_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
"""Whatever JSON can say, and NaN and the infinities, which Python's reads and writes as well."""


class Text(str):
    """A text of a class of its own, whose methods are not to be relied on."""

    __slots__ = ()

    def _refuse(self, *_: object) -> NoReturn:
        raise RuntimeError("asked")

    # Typed as Any, which each of them is allowed to be.
    refuse: Any = _refuse
    __str__ = __repr__ = __format__ = __len__ = __iter__ = __getitem__ = __hash__ = __eq__ = refuse
    encode = split = translate = replace = startswith = partition = refuse


def _raise() -> NoReturn:
    raise ValueError("no text")


def _recurse() -> str:
    return _recurse()


answers: st.SearchStrategy[Callable[[], Any]] = st.one_of(
    texts.map(lambda text: lambda: text),
    texts.map(lambda text: lambda: Text(text)),
    st.sampled_from([_raise, _recurse, lambda: None, lambda: 7, lambda: b"x"]),
)
"""What a ``__str__``, a ``__repr__`` or a tracer may do when it is asked for a text."""


def _itself(error: BaseException) -> BaseException:
    return error


def _fails(error: BaseException, *_: object) -> NoReturn:
    raise ValueError("not to be copied")


def _another(error: BaseException) -> BaseException:
    return ValueError("another")


def _none(error: BaseException) -> None:
    return None


copies: st.SearchStrategy[Any] = st.sampled_from([None, _itself, _fails, _another, _none])


@st.composite
def errors(draw: st.DrawFn) -> Exception:
    """An error of a class of the user's, with methods that may fail, or answer what they should not."""
    name = draw(texts.filter(lambda text: "\0" not in text)).encode("utf-8", "replace").decode()
    as_text, as_repr, copied = draw(answers), draw(answers), draw(copies)

    def say(_: object) -> Any:
        return as_text()

    def represent(_: object) -> Any:
        return as_repr()

    methods: dict[str, Any] = {"__str__": say, "__repr__": represent}
    if copied is not None:
        methods["__copy__"] = copied
    if draw(st.booleans()):
        methods["__hash__"] = methods["__eq__"] = methods["__bool__"] = methods["__reduce_ex__"] = _fails
    if draw(st.booleans()):
        methods["__notes__"] = draw(st.one_of(st.just(property(_fails)), json_values))
    if draw(st.booleans()):
        methods["__setattr__"] = _fails  # as of a frozen data class
    kind: type[Exception] = type(name, (Exception,), methods)
    error = kind(*draw(st.lists(texts, max_size=2)))
    if draw(st.booleans()):
        BaseException.__setattr__(error, "__cause__", ValueError(draw(texts)))
    return error
