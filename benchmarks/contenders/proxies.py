"""Proxies: ours, and four libraries'. Those without types of their own are imported by name."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from importlib import import_module
from types import ModuleType
from typing import Any, Protocol, TypeAlias

from werkzeug.local import Local, LocalProxy

from benchmarks.contenders.base import is_installed
from ProxyPatternPool import Proxy

BuildProxy: TypeAlias = Callable[["Target"], Any]
"""Makes a proxy that has found its object already."""


class Target:
    """What the proxies stand for: all it does costs next to nothing."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 1

    def method(self) -> int:
        """Do nothing."""
        return 1

    def __len__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        return other == 1

    def __hash__(self) -> int:
        return 1

    def __getitem__(self, key: object) -> object:
        return key

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, *error: object) -> None:
        """Do nothing."""


class CallableTarget(Target):
    """One that can be called, too: ours then finds attributes in Python, since it has to compute one of them."""

    __slots__ = ()

    def __call__(self) -> None:
        """Do nothing."""


def direct(target: Target) -> Any:
    """No proxy at all."""
    return target


def ours_shared(target: Target) -> Any:
    """One object for all."""
    return Proxy(target)


def ours_thread(target: Target) -> Any:
    """One object per thread."""
    return Proxy(fun=lambda number: target)


def ours_context(target: Target) -> Any:
    """One object per context."""
    return Proxy(fun=lambda number: target, scope=Proxy.Scope.CONTEXT)


def werkzeug_variable(target: Target) -> Any:
    """What Flask uses: a proxy for what a context variable says."""
    variable: ContextVar[Target] = ContextVar("target")
    variable.set(target)
    return LocalProxy(variable)


def werkzeug_local(target: Target) -> Any:
    """A proxy for an attribute of a Local, one per context."""
    local = Local()
    local.target = target
    return local("target")


class Wrapper(Protocol):
    """The class of somebody's proxies."""

    def __call__(self, wrapped: object, /) -> Any:
        """Make a proxy."""
        ...


def found(module: str, name: str) -> Wrapper:
    """Import a class by name."""
    imported: ModuleType = import_module(module)
    wrapper: Wrapper = getattr(imported, name)
    return wrapper


def wrapt(target: Target) -> Any:
    """Ask wrapt, written in C: it stands for one object for good."""
    return found("wrapt._wrappers", "ObjectProxy")(target)


def lazy_object_proxy(target: Target) -> Any:
    """A proxy for what a function returns, once and for all, written in C."""
    return found("lazy_object_proxy.cext", "Proxy")(lambda: target)


def django(target: Target) -> Any:
    """The same, written in Python."""
    return found("django.utils.functional", "SimpleLazyObject")(lambda: target)


PROXIES: dict[str, BuildProxy] = {
    "direct": direct,
    "ours, SHARED": ours_shared,
    "ours, THREAD": ours_thread,
    "ours, CONTEXT": ours_context,
    "werkzeug, variable": werkzeug_variable,
    "werkzeug, Local": werkzeug_local,
    "django": django,
}
if is_installed("wrapt._wrappers"):
    PROXIES["wrapt"] = wrapt
if is_installed("lazy_object_proxy.cext"):
    PROXIES["lazy-object-proxy"] = lazy_object_proxy
