"""The types of ``Pool.stats()``."""

from typing_extensions import NotRequired, TypedDict

from .._observer import DiscardReason


class ObjectStats(TypedDict):
    """One object of a pool. Times are in seconds, relative to ``PoolStats["now"]``, and so 0 or less."""

    name: NotRequired[str]
    """What the ``tracer`` hook said when the object was created, if there is one and it did not fail."""
    stats: NotRequired[object]
    """What the ``stats`` hook says now, if there is one."""
    trace: NotRequired[str]
    """Without a ``stats`` hook: what the ``tracer`` says now, or without one the object's own text."""
    uses: int
    """How many times it was lent."""
    last_get: float
    """When it was last lent; when it was created, if never."""
    last_ret: float
    """When it was last returned; when it was created, if never."""
    owner: str | None
    """Who holds it (in ``using``), or held it last (in ``avail``): a thread or greenlet by name."""


class SemStats(TypedDict):
    """The bound of a pool with a ``max_size``."""

    value: int
    """Places for callers: those that are free, and those with an idle object."""
    init: int
    """Places in all."""


class PoolStats(TypedDict):
    """A snapshot of a pool, JSON-compatible. Times are in seconds, to the microsecond."""

    id: int
    """Number of this pool in its process, from 1."""
    name: str
    """The name given, or one made of the id."""
    started: str
    """When the pool was made, local time, ISO 8601."""
    min_size: int
    """Fewest objects to keep."""
    max_size: int
    """Most objects at a time; 0: unlimited."""
    max_use: int
    """Uses after which an object is closed; 0: unlimited."""
    timeout: float | None
    """Longest wait of a caller who names none; ``None``: for ever."""
    max_waiting: int | None
    """Most callers that may wait; ``None``: unlimited."""
    delay: float
    """Time between maintenance rounds; 0.0: there are none."""
    max_lifetime: float
    """Age at which an object is closed; 0.0: never."""
    max_avail_delay: float
    """Time after which an idle object is closed; 0.0: never."""
    max_using_delay_warn: float
    """Time of use after which the log names an object; 0.0: never."""
    max_using_delay_kill: float
    """Time of use after which an object is closed; 0.0: never."""
    health_freq: int
    """Idle objects are checked in every so many maintenance rounds."""
    health_before_get: float | None
    """Time without a use or a check after which an object is checked before it is lent; ``None``: never."""
    backoff: list[float] | None
    """The first and the longest time between attempts to create while they fail; ``None``: no caller is held back."""
    now: float
    """When this snapshot was taken, seconds since the epoch."""
    taken: str
    """The same as ``now``, local time, ISO 8601."""
    running: float
    """How long the pool has existed."""
    rel_hk_last: float
    """When the last maintenance round began, relative to now; minus ``running`` if there was none."""
    time_per_hk: float
    """Time spent on maintenance, with its hooks, in the rounds and between them, divided by the number of rounds."""
    shutdown: bool
    """Whether the pool was shut down."""
    sem: SemStats | None
    """How many callers could be served now, and the bound; ``None`` if unlimited."""
    nobjs: int
    """Places taken, by objects that are idle, in use, or being created, reset, checked or closed."""
    navail: int
    """Idle objects."""
    nusing: int
    """Objects in use."""
    ntodel: int
    """Objects being closed."""
    nstale: int
    """Objects from before the last ``drain`` that are still in use, being created or being closed; 0: it is over."""
    nwaiting: int
    """Callers in the queue."""
    retry_in: float
    """Time until something may be created for a caller again after a failure; 0.0: now."""
    last_error: str | None
    """The error of the last creation; ``None`` if it did not fail."""
    ncreated: int
    """Objects created."""
    ncreating: int
    """Creations begun: those that succeeded, those that failed, and those that have not ended yet."""
    nerrors: int
    """Creations that failed: the factory did, or, with ``hook_errors="discard"``, the opener."""
    nuses: int
    """Loans to callers, also of objects that the getter, or a check before the loan, then found unfit."""
    nborrows: int
    """Times an object was taken out, for a loan or for a health check in a round."""
    nreturns: int
    """Times an object was put back, or its loan ended otherwise: ``nborrows`` less what is out now."""
    ndestroys: int
    """Objects closed, for whatever reason."""
    nkilled: int
    """Objects closed because they were in use too long."""
    nrecycled: int
    """Objects closed because they were idle too long."""
    nwornout: int
    """Objects closed after ``max_use`` uses."""
    nexpired: int
    """Objects closed at the end of their ``max_lifetime``."""
    ndrained: int
    """Objects closed because of a ``drain``."""
    nshed: int
    """Objects closed because there were too many: after a ``resize``, or idle, in a pool that bounds these."""
    ncleared: int
    """Objects closed by ``clear``."""
    nhealth: int
    """Health checks of objects, in rounds and before loans."""
    bad_health: int
    """Objects that failed their health check, or whose check raised."""
    hk_rounds: int
    """Maintenance rounds."""
    hk_errors: int
    """Errors in maintenance."""
    hc_rounds: int
    """Maintenance rounds with health checks."""
    hc_errors: int
    """Health checks that raised."""
    hook_errors: int
    """Hooks that raised, health checks aside."""
    observer_errors: int
    """Calls of an observer that raised."""
    ntimeouts: int
    """Callers who got nothing within their timeout."""
    nrefused: int
    """Callers who were refused, because ``max_waiting`` others were waiting."""
    wait_time: float
    """Time spent in the queue, all callers together."""
    max_wait: float
    """Longest time spent in the queue."""
    avail: list[ObjectStats]
    """Idle objects, coldest first."""
    using: list[ObjectStats]
    """Objects in use."""


ENDS: dict[str, DiscardReason] = {
    "nkilled": "killed",
    "nrecycled": "idle",
    "nwornout": "max_use",
    "nexpired": "max_lifetime",
    "ndrained": "drained",
    "nshed": "surplus",
    "ncleared": "cleared",
}
"""The keys of ``PoolStats`` that count closed objects by the reason."""
