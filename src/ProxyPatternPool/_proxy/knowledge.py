"""What is known of the objects of a proxy, for those who use it, and for those who only look."""

from collections.abc import Callable, Sequence
from types import CodeType, GeneratorType
from typing import Generic, TypeVar

from .._runtime.caller import calling_module, is_looking, is_patcher
from .._runtime.process import notice
from .blocks import Keeping
from .claims import UNKNOWN, Abilities, Claims, abilities_of, abilities_of_class, changing
from .content import Content, Nothing
from .lookups import match_as
from .probing import Lacking, Unhashable

T = TypeVar("T")


class Knowledge(Generic[T]):
    """Finds the object, learns what objects have, and says what can be said without one."""

    def __init__(
        self,
        contents: Sequence[Content[T]],
        keeping: Keeping[T],
        claims: Claims,
        take: Callable[[float | None, None, CodeType | None], tuple[object, object, T]],
        name: Callable[[], str | None],
        setters: tuple[str, ...],
    ) -> None:
        self._contents = contents
        self._keeping = keeping
        self._claims = claims
        self._take = take
        self._name = name
        self._setters = setters

    # What objects have. ------------------------------------------------------------------------------

    def learn(self, content: Content[T], obj: T) -> None:
        """Have the proxy's class claim what an object has that an owner gets."""
        if type(obj) not in content.kinds:
            self.note(content, obj)
        if content.abilities is not self._claims.now:
            self.claim()

    def note(self, content: Content[T], obj: T) -> None:
        """Note what an object has, for a content that is perhaps not in force yet."""
        kind = type(obj)
        if kind not in content.kinds:
            self._add(content, self._first() or abilities_of(obj))
            match_as(self._claims.proxy_class, kind)
            if kind is not GeneratorType:  # some can be awaited
                content.kinds.add(kind)

    def foresee(self, content: Content[T]) -> None:
        """The same before there is an owner, if the objects exist already, or their class is known."""
        kind, objects = content.foreseen()
        if kind is not None:
            content.kind = kind
            self._add(content, self._first() or abilities_of_class(kind))
        for obj in objects:
            content.kind = type(obj)
            self._add(content, abilities_of(obj))

    def _first(self) -> Abilities | None:
        """What the class was made for, once: that need not be looked at again."""
        first, self._claims.first = self._claims.first, None
        return first

    def _add(self, content: Content[T], abilities: Abilities) -> None:
        with changing():
            known = content.abilities
            content.abilities = abilities if known is UNKNOWN else known.united(abilities)

    def claim(self) -> None:
        # Whoever changes what is to be claimed has it claimed afterwards, and then what is right at that moment: of
        # several at once the last finds all that the others have noted.
        with changing():
            content = self._contents[-1]
            self._claims.become(content.abilities)

    # What is done to the proxy. ----------------------------------------------------------------------

    def find(self) -> T:
        """Get the object that somebody forwards something to.

        Not for gevent and eventlet, who look for locks in everything alive while they patch: an object made in the
        middle of that would be of no use to greenlets. Nor for others who only look.

        Raises:
            AttributeError: it is they who ask.
        """
        code, module = calling_module()
        if is_patcher(module):
            raise AttributeError("this proxy has no object for those who patch locks")
        if is_looking(module) and not self.peek():
            raise Lacking(self._no_object())
        return self._take(None, None, code)[-1]

    def find_hashable(self) -> T:
        if self._is_unset() or self._is_looked_at():
            raise Unhashable(self._no_object())
        return self.find()

    def equals_only_itself(self, other: object) -> bool:
        """Whether the proxy is not set, or asked by who only looks: to compare things is not to use them.

        Who compares it with ``None`` wants to know whether there is anything: no object is made to answer that.
        """
        return self._is_unset() or (other is None and not self.peek()) or self._is_looked_at()

    def _is_unset(self) -> bool:
        return isinstance(self._contents[-1], Nothing)

    def _is_looked_at(self) -> bool:
        """Whether somebody only looks, and there is nothing to be seen."""
        return is_looking(calling_module()[1]) and not self.peek()

    def peek(self) -> tuple[()] | tuple[T]:
        """Get the object if it is at hand: none is taken, or made."""
        notice()  # what is kept here may be a parent's
        if self._contents[-1].ready:
            return self._take(None, None, None)[-1:]
        kept = self._keeping.kept()
        try:
            return () if kept is None else (kept.obj,)
        except AttributeError:  # replaced, or inherited in a fork
            return ()

    def kind(self) -> type[object] | None:
        """Say of which class the objects are, if it is known: that of the last that any owner got.

        It is asked by many who do not want to use one, such as debuggers: it raises nothing, and takes none.
        """
        content = self._contents[-1]
        if content.kind is None:
            self.foresee(content)
        return content.kind

    def lacking(self, name: str) -> Lacking:
        """What to raise for an attribute that nobody asks for who needs the object."""
        return Lacking(f"{name}: {self._no_object()}")

    def state(self) -> str:
        """What a proxy says of itself where it has no object to show."""
        name = self._name()
        state = "not set" if self._is_unset() else "no object yet"
        return f": {state}" if name is None else f" {name}: {state}"

    def _no_object(self) -> str:
        return self.unset() if self._is_unset() else "there is no object yet"

    def unset(self) -> str:
        """Say how to set the proxy."""
        name = self._name()
        which = "this proxy" if name is None else f"proxy {name!r}"
        variable = name if name is not None and name.isidentifier() else None
        if self._setters:
            calls = [each if variable is None else f"{variable}.{each}" for each in self._setters[1:]]
        else:
            calls = [f"control({variable or '…'}).{each}" for each in ("set_obj", "set_fun")]
        return f"{which} is not set: call {' or '.join(f'{call}(…)' for call in calls)} first"
