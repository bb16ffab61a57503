"""One place in a pool, and the object in it."""

import enum
import math
from collections import deque
from collections.abc import Callable
from sys import is_finalizing
from traceback import StackSummary
from typing import Generic, Protocol, TypeAlias, TypeVar

from .._observer import DiscardReason
from .._runtime.owner import Owner

T = TypeVar("T")


class Stage(enum.Enum):
    """The state of an entry. The order is that of its life, and no entry ever goes back."""

    CREATING = "creating"  # a permit to create: the place is taken, the object does not exist yet
    LIVE = "live"  # idle, in use, or on the way from one to the other in some caller's local variable
    RETIRED = "retired"  # never lent again; the closer is still to be called
    CLOSED = "closed"  # the closer was called; the place is still taken
    GONE = "gone"  # the place is free


# By name: on 3.11 the look-up in the class costs a tenth of a microsecond each time.
CREATING, LIVE, RETIRED, CLOSED, GONE = Stage


Notified: TypeAlias = dict[str | int, float]
"""What observers have been told of an object, by these keys:

- ``created`` and ``discarded``: 1 if they were told.
- ``took``: the seconds of the creation, to be told with ``created``.
- ``loan``: the number of the last use they were told of; negative once they were told that it has ended.
- the number of a use: 1 while they are being told of it, 0 if they never will be.
"""


class Receipt(Protocol[T]):
    """What keeps a record of a loan for its borrower: a lease."""

    def note(self, entry: "Entry[T]", use: int) -> None:
        """Record a loan before it begins, so that it is known whatever is thrown into the borrower afterwards."""
        ...


class Heir(Protocol[T]):
    """A caller who gets the place of an entry when it is free: a ``Waiter``."""

    handed: "Entry[T] | None"


class Mailbox(Generic[T]):
    """What finalizers leave for the next caller or maintenance round: they must neither wait nor call user code.

    A finalizer can run anywhere, even while its own thread holds the pool's lock. It appends to a deque, which is
    atomic, and asks the scheduler to look at the pool: the scheduler's queue is reentrant.
    """

    __slots__ = ("abandoned", "dropped", "orphans", "request_look")

    def __init__(self, request_look: Callable[[], None]) -> None:
        self.request_look: Callable[[], None] = request_look
        self.orphans: deque[Entry[T]] = deque()  # entries that nothing referred to any more
        self.dropped: deque[tuple[Entry[T], int, bool]] = deque()  # of dropped leases: entry, use, whether not to log
        self.abandoned: bool = False  # the pool is to be closed by maintenance

    def __bool__(self) -> bool:
        return bool(self.orphans or self.dropped)


class Entry(Generic[T]):
    """One object, its serial, times and uses; compared by identity.

    An entry *is* a place. Whoever takes one out of the ledger, and the receipt of the loan, hold the only references to
    it until it is put back. So if an exception is thrown into a thread at the worst moment and the entry is lost, it
    dies there, as soon as the traceback does. Its finalizer puts it into the mailbox, and maintenance closes its object
    and frees its place.
    """

    __slots__ = (
        "__weakref__",
        "attempt",
        "cut_short",
        "expires",
        "heir",
        "key",
        "last_check",
        "last_get",
        "last_ret",
        "mailbox",
        "name",
        "notified",
        "obj",
        "owner",
        "reason",
        "serial",
        "slow_return_at_use",
        "stack",
        "stack_use",
        "stage",
        "uses",
        "warned_use",
    )

    obj: T

    def __init__(self, serial: int, mailbox: Mailbox[T]) -> None:
        self.mailbox: Mailbox[T] = mailbox
        self.stage: Stage = CREATING
        self.serial: int = serial
        self.key: int = 0  # the id of the object, or a negative number where objects may repeat
        self.name: str | None = None  # what the tracer called the object when it was new
        self.uses: int = 0
        self.slow_return_at_use: int = 0  # from this number of uses on, returns take the slow path
        self.warned_use: int = 0  # the use about which a long-use warning was logged
        self.attempt: int = 0  # the mark of its creation, see Backoff.begin
        self.cut_short: bool = False  # the caller who was creating the object was cancelled
        self.expires: float = math.inf  # when its lifetime ends
        self.heir: Heir[T] | None = None  # who gets its place: he has turned its object down, and closes it
        self.last_check: float = 0.0
        self.last_get: float = 0.0
        self.last_ret: float = 0.0
        self.owner: Owner | None = None
        self.stack: StackSummary | None = None
        self.stack_use: int = 0  # the use to which the stack belongs
        self.reason: DiscardReason = "interrupted"  # why it was retired
        self.notified: Notified | None = None  # None where there is no observer

    @property
    def has_object(self) -> bool:
        """Whether the object exists."""
        return hasattr(self, "obj")

    def __del__(self, interpreter_ends: Callable[[], bool] = is_finalizing) -> None:
        # When the interpreter ends, nobody looks any more, and this very module is empty.
        if not interpreter_ends() and getattr(self, "stage", GONE) is not GONE:  # __init__ may have been interrupted
            self.mailbox.orphans.append(self)
            self.mailbox.request_look()
