"""What is known of the objects of a proxy, and has its class have their special methods."""

from collections.abc import Sequence
from types import GeneratorType
from typing import Generic, TypeVar

from .exposed import UNKNOWN, ExposedMethods, Supported, exposing, supported_by, supported_by_class
from .lookups import match_as
from .sources import Source

T = TypeVar("T")


class Facts(Generic[T]):
    """Records the classes of objects and their special methods."""

    def __init__(self, sources: Sequence[Source[T]], exposed: ExposedMethods) -> None:
        self._sources = sources
        self._exposed = exposed

    def record(self, source: Source[T], obj: T) -> None:
        """Record what an object has that an owner gets, and have the proxy's class expose it."""
        if type(obj) not in source.known_classes:
            self.record_class(source, obj)
        if source.supported is not self._exposed.now:
            self.expose()

    def record_class(self, source: Source[T], obj: T) -> None:
        """Record what an object of another class has, for a source that need not be in force yet."""
        kind = type(obj)
        self._add(source, self._initial() or supported_by(obj))
        match_as(self._exposed.proxy_class, kind)
        if kind is not GeneratorType:  # only some of these can be awaited
            source.known_classes.add(kind)

    def record_expected(self, source: Source[T]) -> None:
        """Record what is known before there is an owner: the objects may exist already, or their class be known."""
        kind, objects = source.expected()
        if kind is not None:
            source.object_class = kind
            self._add(source, self._initial() or supported_by_class(kind))
        for obj in objects:
            source.object_class = type(obj)
            self._add(source, supported_by(obj))

    def _initial(self) -> Supported | None:
        """What the class was made with, once: it need not be looked up again."""
        initial, self._exposed.initial = self._exposed.initial, None
        return initial

    def _add(self, source: Source[T], supported: Supported) -> None:
        with exposing():
            known = source.supported
            source.supported = supported if known is UNKNOWN else known.union(supported)

    def expose(self) -> None:
        """Have the proxy's class expose what is recorded."""
        # Called after each change of what is recorded. If several threads change it at once, the last call exposes what
        # all of them have recorded.
        with exposing():
            self._exposed.expose(self._sources[-1].supported)
