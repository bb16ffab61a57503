"""Arithmetic and comparisons of proxies, done on the objects.

They apply the operators, and call no special methods of the object: so the interpreter decides which operand is asked
first, what follows ``NotImplemented``, and which error is raised.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

ACCESS = "_access"
"""The attribute of a proxy's class that leads to the object. Read from the proxy it would be the object's own."""

power: Callable[..., Any] = pow


class Access(NamedTuple):
    """The functions of one proxy, for the methods that all proxies share."""

    current: Callable[[], Any]
    is_set: Callable[[], bool]
    get: Callable[[Any, str], Any]
    set: Callable[[Any, str, Any], None]
    delete: Callable[[Any, str], None]
    names: Callable[[Any], Iterable[str]]
    text: Callable[[Any], str]
    finish: Callable[[], None]
    """Called when all ``__init__`` have run; until then a subclass sets attributes of its own."""


def access(proxy: object) -> Access:
    """Find the functions of a proxy."""
    found: Access = getattr(type(proxy), ACCESS)
    return found


def current(proxy: object) -> Any:
    """Find or take the object of a proxy's current owner."""
    return access(proxy).current()


class Operators:
    """The operators of a proxy. If both operands are proxies, their objects are the operands."""

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

    # --- two, the proxy on the right: the other operand has refused the proxy, and may accept its object

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
    """Take the object of an operand that is a proxy as well: code in C often looks at the exact type."""
    while issubclass(type(operand), Operators):
        operand = current(operand)
    return operand


def comparable(operand: Any) -> Any:
    """The same for ``==``: a proxy that is not set stands for itself."""
    while issubclass(type(operand), Operators) and access(operand).is_set():
        operand = current(operand)
    return operand
