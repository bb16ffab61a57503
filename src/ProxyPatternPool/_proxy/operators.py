"""Arithmetic and comparisons of proxies, done on the objects.

The operators themselves do it, not the object's special methods: the interpreter knows best who is asked first, what
``NotImplemented`` leads to, and which error is due in the end.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

WAY = "_way"
"""The attribute of a proxy's class that leads to the object. Of the proxy itself, it would be the object's."""

power: Callable[..., Any] = pow


class Way(NamedTuple):
    """What the class of one proxy knows, for whatever is not written into that class itself."""

    current: Callable[[], Any]
    is_set: Callable[[], bool]
    get: Callable[[Any, str], Any]
    set: Callable[[Any, str, Any], None]
    delete: Callable[[Any, str], None]
    names: Callable[[Any], Iterable[str]]
    text: Callable[[Any], str]
    finish: Callable[[], None]
    """To be called when all ``__init__`` have run; until then a subclass sets attributes of its own."""


def way(proxy: object) -> Way:
    """Find what the class of a proxy knows."""
    found: Way = getattr(type(proxy), WAY)
    return found


def current(proxy: object) -> Any:
    """Find the object that a proxy stands for at the moment."""
    return way(proxy).current()


class Operators:
    """The operators of a proxy. Where both operands are proxies, it is their objects that meet."""

    __slots__ = ()

    # --- comparisons

    def __lt__(self, other: Any) -> Any:
        return current(self) < bare(other)

    def __le__(self, other: Any) -> Any:
        return current(self) <= bare(other)

    def __eq__(self, other: object) -> Any:
        return current(self) == bare(other)

    def __ne__(self, other: object) -> Any:
        return current(self) != bare(other)

    def __gt__(self, other: Any) -> Any:
        return current(self) > bare(other)

    def __ge__(self, other: Any) -> Any:
        return current(self) >= bare(other)

    def __hash__(self) -> int:
        return hash(current(self))

    # --- one operand

    def __neg__(self) -> Any:
        return -current(self)

    def __pos__(self) -> Any:
        return +current(self)

    def __abs__(self) -> Any:
        return abs(current(self))

    def __invert__(self) -> Any:
        return ~current(self)

    # --- two

    def __add__(self, other: Any) -> Any:
        return current(self) + bare(other)

    def __sub__(self, other: Any) -> Any:
        return current(self) - bare(other)

    def __mul__(self, other: Any) -> Any:
        return current(self) * bare(other)

    def __matmul__(self, other: Any) -> Any:
        return current(self) @ bare(other)

    def __truediv__(self, other: Any) -> Any:
        return current(self) / bare(other)

    def __floordiv__(self, other: Any) -> Any:
        return current(self) // bare(other)

    def __mod__(self, other: Any) -> Any:
        return current(self) % bare(other)

    def __divmod__(self, other: Any) -> Any:
        return divmod(current(self), bare(other))

    def __pow__(self, other: Any, modulus: Any = None) -> Any:
        return power(current(self), bare(other), bare(modulus))

    def __lshift__(self, other: Any) -> Any:
        return current(self) << bare(other)

    def __rshift__(self, other: Any) -> Any:
        return current(self) >> bare(other)

    def __and__(self, other: Any) -> Any:
        return current(self) & bare(other)

    def __xor__(self, other: Any) -> Any:
        return current(self) ^ bare(other)

    def __or__(self, other: Any) -> Any:
        return current(self) | bare(other)

    # --- two, the proxy on the right: the other one has refused it, and may take its object

    def __radd__(self, other: Any) -> Any:
        return other + current(self)

    def __rsub__(self, other: Any) -> Any:
        return other - current(self)

    def __rmul__(self, other: Any) -> Any:
        return other * current(self)

    def __rmatmul__(self, other: Any) -> Any:
        return other @ current(self)

    def __rtruediv__(self, other: Any) -> Any:
        return other / current(self)

    def __rfloordiv__(self, other: Any) -> Any:
        return other // current(self)

    def __rmod__(self, other: Any) -> Any:
        return other % current(self)

    def __rdivmod__(self, other: Any) -> Any:
        return divmod(other, current(self))

    def __rpow__(self, other: Any, modulus: Any = None) -> Any:
        return power(other, current(self), bare(modulus))

    def __rlshift__(self, other: Any) -> Any:
        return other << current(self)

    def __rrshift__(self, other: Any) -> Any:
        return other >> current(self)

    def __rand__(self, other: Any) -> Any:
        return other & current(self)

    def __rxor__(self, other: Any) -> Any:
        return other ^ current(self)

    def __ror__(self, other: Any) -> Any:
        return other | current(self)

    # --- in place: the proxy if that is still the object, else the result, as on the object

    def __iadd__(self, other: Any) -> Any:
        obj = result = current(self)
        result += bare(other)
        return self if result is obj else result

    def __isub__(self, other: Any) -> Any:
        obj = result = current(self)
        result -= bare(other)
        return self if result is obj else result

    def __imul__(self, other: Any) -> Any:
        obj = result = current(self)
        result *= bare(other)
        return self if result is obj else result

    def __imatmul__(self, other: Any) -> Any:
        obj = result = current(self)
        result @= bare(other)
        return self if result is obj else result

    def __itruediv__(self, other: Any) -> Any:
        obj = result = current(self)
        result /= bare(other)
        return self if result is obj else result

    def __ifloordiv__(self, other: Any) -> Any:
        obj = result = current(self)
        result //= bare(other)
        return self if result is obj else result

    def __imod__(self, other: Any) -> Any:
        obj = result = current(self)
        result %= bare(other)
        return self if result is obj else result

    def __ipow__(self, other: Any, modulus: Any = None) -> Any:
        obj = result = current(self)
        result **= bare(other)
        return self if result is obj else result

    def __ilshift__(self, other: Any) -> Any:
        obj = result = current(self)
        result <<= bare(other)
        return self if result is obj else result

    def __irshift__(self, other: Any) -> Any:
        obj = result = current(self)
        result >>= bare(other)
        return self if result is obj else result

    def __iand__(self, other: Any) -> Any:
        obj = result = current(self)
        result &= bare(other)
        return self if result is obj else result

    def __ixor__(self, other: Any) -> Any:
        obj = result = current(self)
        result ^= bare(other)
        return self if result is obj else result

    def __ior__(self, other: Any) -> Any:
        obj = result = current(self)
        result |= bare(other)
        return self if result is obj else result


def bare(operand: Any) -> Any:
    """Take the object of an operand that is a proxy itself: much of what is written in C looks at the exact type."""
    while issubclass(type(operand), Operators):
        operand = current(operand)
    return operand


def comparable(operand: Any) -> Any:
    """The same for ``==``: what has no object yet is itself."""
    while issubclass(type(operand), Operators) and way(operand).is_set():
        operand = current(operand)
    return operand
