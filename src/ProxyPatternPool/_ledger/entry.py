"""One place in a pool, and the object in it."""

import enum
import math
from collections import deque
from collections.abc import Callable
from traceback import StackSummary
from typing import Generic, Protocol, TypeAlias, TypeVar

from .._observer import DiscardReason
from .._runtime.owner import Owner

T = TypeVar("T")


class Stage(enum.Enum):
    """How far an entry has come; it never goes back."""

    CREATING = "creating"  # a permit to create: the place is taken, the object does not exist yet
    LIVE = "live"  # idle, lent, or between the two in somebody's hands
    RETIRED = "retired"  # never lent again; its closer is still to be called
    CLOSED = "closed"  # its closer was called; its place is still taken
    GONE = "gone"  # its place is free


# By name: on 3.11 the look-up in the class costs a tenth of a microsecond each time.
CREATING, LIVE, RETIRED, CLOSED, GONE = Stage


Notified: TypeAlias = dict[str | int, float]
"""What observers were told of an object: ``created`` and ``discarded``, 1 if they were; ``loan``, the use of which they
were told as the last, negative once they were told that it is over; ``took``, for ``created``; and by the number of a
use, as long as it matters, whether they are being told of it, or never will be."""


class Receipt(Protocol[T]):
    """Who borrows an entry, if it is somebody who can tell that the loan has ended: a lease."""

    def note(self, entry: "Entry[T]", use: int) -> None:
        """Note a loan, before it is entered: whatever is thrown into the borrower afterwards, it is known."""
        ...


class Mailbox(Generic[T]):
    """What finalizers leave for whoever holds the pool's lock next: they must neither wait nor call anything.

    A finalizer can run anywhere, even inside its own thread's locked section. It appends to a deque,
    which is atomic, and knocks at the house keeper, whose queue is reentrant.
    """

    __slots__ = ("abandoned", "dropped", "orphans", "request_look")

    def __init__(self, request_look: Callable[[], None]) -> None:
        self.request_look: Callable[[], None] = request_look
        self.orphans: deque[Entry[T]] = deque()
        self.dropped: deque[tuple[Entry[T], int, bool]] = deque()  # entry, use, whether nothing is to be said
        self.abandoned: bool = False

    def __bool__(self) -> bool:
        return bool(self.orphans or self.dropped)


class Entry(Generic[T]):
    """One object, its serial, times and uses; compared by identity.

    An entry *is* a place. Whoever takes one from the ledger, and the receipt of the loan, hold its only
    references until it is put back, so that an entry lost on the way, to an exception thrown into a thread at
    the worst moment, dies there (as soon as the traceback does); its finalizer mails it to the house keeper, who
    closes it and frees its place.
    """

    __slots__ = (
        "__weakref__",
        "attempt",
        "expires",
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
        "stage",
        "traced",
        "uses",
        "warned",
    )

    obj: T

    def __init__(self, serial: int, mailbox: Mailbox[T]) -> None:
        self.mailbox: Mailbox[T] = mailbox
        self.stage: Stage = CREATING
        self.serial: int = serial
        self.key: int = 0  # the id of the object, or a negative number where it says nothing
        self.name: str | None = None  # what the tracer said of it when it was new
        self.uses: int = 0
        self.slow_return_at_use: int = 0  # a return at this many uses or more is looked at closely
        self.warned: int = 0  # the use about which a long-use warning was logged
        self.attempt: int = 0  # the mark of its creation, see Backoff
        self.expires: float = math.inf  # when its lifetime ends
        self.last_check: float = 0.0
        self.last_get: float = 0.0
        self.last_ret: float = 0.0
        self.owner: Owner | None = None
        self.stack: StackSummary | None = None
        self.traced: int = 0  # the use to which the stack belongs
        self.reason: DiscardReason = "interrupted"  # why it was retired
        self.notified: Notified | None = None  # None where there is no observer

    @property
    def made(self) -> bool:
        """Whether the object exists."""
        return hasattr(self, "obj")

    def __del__(self) -> None:
        if getattr(self, "stage", GONE) is not GONE:  # __init__ may have been interrupted
            self.mailbox.orphans.append(self)
            self.mailbox.request_look()
