"""Proxies in every scope, each made to stand for one object after the other."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

from ProxyPatternPool._proxy.operators import Operators
from ProxyPatternPool._proxy.proxy import Proxy
from ProxyPatternPool._proxy.special import SPECIAL, Forwarding
from ProxyPatternPool._scope.base import Kept, ScopeStrategy
from ProxyPatternPool._scope.select import Scope

from .compare import ByFunction, Cover

T = TypeVar("T")

tenant: ContextVar[str] = ContextVar("tenant", default="nobody")


class PerTenant(Generic[T]):
    """The example of the documentation."""

    def __init__(self) -> None:
        self._kept: dict[str, Kept[T]] = {}

    def get(self) -> Kept[T] | None:
        return self._kept.get(tenant.get())

    def set(self, kept: Kept[T]) -> None:
        self._kept[tenant.get()] = kept

    def delete(self) -> None:
        self._kept.pop(tenant.get(), None)


def front_of(obj: object) -> Any:
    """A proxy that no checker has an opinion of."""
    return Proxy(obj)


def shared() -> Cover:
    """One object for all: each is set."""
    made: Proxy[Any] = Proxy(set_name="")
    return lambda obj: made._set_obj(obj)


def made_once() -> Cover:
    """One object for all, that a function makes."""
    made: Proxy[Any] = Proxy(set_name="", scope=Scope.SHARED)

    def cover(obj: Any) -> Any:
        made._set_fun(lambda number: obj)
        made._get_obj()
        return made

    return ByFunction(cover)


def unknown() -> Cover:
    """An object for each owner, of which there is none yet."""
    made: Proxy[Any] = Proxy(set_name="")
    return ByFunction(lambda obj: made._set_fun(lambda number: obj))


def each(scope: Scope | type[ScopeStrategy[Any]]) -> Cover:
    """An object for each owner, given back and made anew by a function."""
    following: list[Any] = []
    made: Proxy[Any] = Proxy(
        set_name="", fun=lambda number: following[-1], scope=scope, max_size=0, min_size=0, max_use=1
    )

    def cover(obj: Any) -> Any:
        made._ret_obj()
        following[:] = [obj]
        made._get_obj()
        return made

    return ByFunction(cover)


def twice() -> Cover:
    """A proxy of a proxy."""
    inner: Proxy[Any] = Proxy(set_name="")

    def cover(obj: Any) -> Any:
        inner._set_obj(obj)
        inner._get_obj()
        return Proxy(inner, set_name="")

    return cover


class Through(Proxy[Any]):
    """Overrides all special methods, and gets to the object with super()."""


def _through(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(super(Through, self), name)(*args, **kwargs)

    return method


_forwarded = {**vars(Operators), **vars(Forwarding), **SPECIAL}
for _name in _forwarded:
    # A subclass that can be called says itself what its signature is; one that has a hash, that there is one.
    if callable(_forwarded[_name]) and _name not in ("__call__", "__hash__"):
        setattr(Through, _name, _through(_name))


def through() -> Cover:
    """A subclass."""
    made = Through(set_name="")
    return lambda obj: made._set_obj(obj)
