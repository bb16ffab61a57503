"""The typed snapshot of a pool, and the counters that belong to no lock of the ledger's."""

import json
from collections import defaultdict
from typing import TypeAlias, cast

from typing_extensions import NotRequired, TypedDict

from .._sync.native import allocate_lock

Text: TypeAlias = str  # one of the keys below is called str


class ObjectStats(TypedDict):
    """One object of a pool. Times are seconds relative to ``PoolStats["now"]``, so 0 or less."""

    stats: NotRequired[object]
    """What the ``stats`` hook says, if there is one."""
    trace: NotRequired[Text]
    """What the ``tracer`` hook says, if there is one and no ``stats`` hook."""
    str: NotRequired[Text]
    """The object's own text, if there is neither hook."""
    uses: int
    """How many times it was lent."""
    last_get: float
    """When it was last lent; when it was created, if never."""
    last_ret: float
    """When it last came back; when it was created, if never."""
    owner: Text | None
    """Who holds it (in ``using``), or held it last (in ``avail``): a thread or greenlet by name."""


class SemStats(TypedDict):
    """The bound of a pool with a ``max_size``."""

    value: int
    """Places that are free: neither lent nor idle nor being created or closed."""
    init: int
    """Places in all."""


class PoolStats(TypedDict):
    """A snapshot of a pool, JSON-compatible. Times are in seconds."""

    id: int
    """Number of this pool in its process, from 1."""
    name: str
    """The name given, or one made of the id."""
    started: str
    """When the pool was made, local time, ISO 8601."""
    min_size: int
    max_size: int
    """0: unlimited."""
    max_use: int
    """0: unlimited."""
    timeout: float | None
    """Default longest wait; ``None`` for ever."""
    delay: float
    """Between house-keeping rounds; 0.0: none."""
    max_avail_delay: float
    max_using_delay_warn: float
    max_using_delay_kill: float
    health_freq: int
    now: float
    """When this snapshot was taken, seconds since the epoch."""
    sem: SemStats | None
    """Free places and bound; ``None`` if unlimited."""
    navail: int
    """Idle objects."""
    nusing: int
    """Lent objects."""
    ntodel: int
    """Objects being closed."""
    nwaiting: int
    """Callers in the queue."""
    running: float
    """How long the pool has existed."""
    rel_hk_last: float
    """When the last house-keeping round began, relative to now; minus ``running`` if there was none."""
    time_per_hk: float
    """Seconds spent on house keeping, hooks and looks between the rounds included, for each round so far."""
    shutdown: bool
    avail: list[ObjectStats]
    """Idle objects, coldest first."""
    using: list[ObjectStats]
    """Lent objects."""
    nobjs: int
    """Places taken: objects being created, idle, lent, checked or being closed."""
    ncreated: int
    """Objects created."""
    ncreating: int
    """Creations attempted, the seed's meaning: those that came to an object, those that failed, those under way now."""
    nerrors: int
    """Creations that failed, in the factory or (``hook_errors="discard"``) in the opener; those have created, too."""
    last_error: str | None
    """The error of the last creation, if it failed."""
    nuses: int
    """Loans to callers."""
    nborrows: int
    """Times an object was taken out: loans, and health checks."""
    nreturns: int
    """Times an object taken out came back or was taken back: ``nborrows`` less what is out now."""
    nkilled: int
    """Objects closed because they were kept too long."""
    nrecycled: int
    """Objects closed because they were idle too long."""
    nwornout: int
    """Objects closed after ``max_use`` uses."""
    ndestroys: int
    """Objects closed, for whatever reason."""
    nhealth: int
    """Health checks of objects."""
    bad_health: int
    """Objects that failed their health check, or whose check raised."""
    hk_rounds: int
    """House-keeping rounds."""
    hk_errors: int
    """Errors of the house keeper."""
    hc_rounds: int
    """Rounds of health checks."""
    hc_errors: int
    """Health checks that raised."""
    hook_errors: int
    """Hooks that raised, health checks aside."""
    ntimeouts: int
    """Callers who got nothing within their timeout."""
    wait_time: float
    """Seconds spent in the queue, all callers together."""
    max_wait: float
    """Longest time spent in the queue."""


class Tally:
    """Counters of rare events, exact under concurrent use: ``+=`` on an attribute is not."""

    def __init__(self) -> None:
        self._lock = allocate_lock()
        # In C, where no finalizer or signal handler can come in between and wait for the lock for ever.
        self._counts: defaultdict[str, float] = defaultdict(int)

    def add(self, event: str, amount: float = 1) -> None:
        with self._lock:
            self._counts[event] += amount

    def __getitem__(self, event: str) -> float:
        return self._counts.get(event, 0)


def jsonable(data: object) -> object:
    """Give data back as JSON would: what it cannot hold becomes text."""
    try:
        return cast(object, json.loads(json.dumps(data, allow_nan=False, default=str)))
    except (TypeError, ValueError, RecursionError):  # a key that is no string, NaN, a cycle
        return str(data)
