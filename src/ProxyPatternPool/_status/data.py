"""The data of a status page, for the HTML and the JSON."""

import os
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Any, Literal

from typing_extensions import TypedDict

from .._awaitables import refuse_awaitable
from .._engine.core import Core
from .._inspect.stats import counters
from .._inspect.status import Brief, Details, Limit, ObjectDetails, WaitingCaller, brief, details
from .._ledger.counters import Fault
from .._observer import DiscardReason
from .._runtime.owner import in_words
from .._text import visible
from .sampler import History, Sample, Sampler

MOST = 100
"""Objects of a pool that are shown."""
MOST_CALLERS = 10
"""Waiting callers that are shown."""
LONGEST = 300
"""Characters of a text that are shown."""


class ObjectData(TypedDict):
    """An object of a pool."""

    object: str
    """What the pool's ``tracer`` said when it was created; "object" and its number without one, or if that failed."""
    number: int
    """Its creation number."""
    in_use: bool
    owner: str | None
    """Who holds it, or, of an idle one, held it last."""
    seconds: float
    """How long it has been in use, or idle."""
    uses: int
    """How many times it was lent."""
    past: Limit | None
    """The limit that it has been in use for longer than, ``max_using_delay`` or ``max_using_delay_kill``, if any."""


class CallerData(TypedDict):
    """A caller that waits for an object."""

    owner: str
    """Who it is."""
    seconds: float
    """How long it has waited."""


class ErrorData(TypedDict):
    """An error that a pool met, once or again and again."""

    count: int
    """How often."""
    seconds: float
    """How long ago that was, the last time."""
    first_seconds: float
    """How long ago it was the first time."""
    where: str
    """``creation``, or the hook that failed."""
    error: str
    """Its class; empty for a health check that said no."""
    text: str | None
    """What it says, if status_app was told how to show that."""


class SampleData(TypedDict):
    """The last five minutes, once a second; lists of the same length, oldest first."""

    seconds: list[float]
    """How long ago that was."""
    in_use: list[int]
    idle: list[int]
    creating: list[int]
    in_upkeep: list[int]
    waiting: list[int]
    p50: list[float | None]
    """The median of the callers' seconds in the queue, in the second before; ``None``: there were no callers."""
    p99: list[float | None]
    """The 99th percentile of the same."""


class PoolSummary(TypedDict):
    """A pool, in a line."""

    name: str
    state: str
    """``open``, ``closed``, or why there is none."""
    exists: bool
    """Whether there is a pool; if not, all that follows is empty."""
    in_use: int
    idle: int
    waiting: int
    max_size: int | None
    """``None``: unlimited."""
    stale: int
    """Objects from before the last ``drain`` that are still in use, being created or being closed; 0: it is over."""
    overdue: int
    """Objects that have been in use for longer than ``max_using_delay`` or ``max_using_delay_kill``."""
    retry_in: float
    """Seconds until something may be created again after a failure; 0.0: now."""


class PoolData(PoolSummary):
    """A pool."""

    creating: int
    """Objects being created, the opener included."""
    in_upkeep: int
    """Objects that are neither idle, in use nor being created: those being reset, checked or closed."""
    min_size: int
    timeout: float | None
    """The longest wait, in seconds; ``None``: for ever."""
    max_waiting: int | None
    """Callers that may wait; ``None``: unlimited."""
    max_using_delay: float | None
    """Seconds of use after which the log names an object; ``None``: never."""
    max_using_delay_kill: float | None
    """Seconds of use after which an object is closed; ``None``: never."""
    counters: dict[str, int]
    """What has happened so far, by the keys of ``PoolStats``."""
    discarded: dict[DiscardReason, int]
    """How many objects left the pool so far, and why."""
    objects: list[ObjectData]
    """Those in use, longest first, then those idle; at most 100."""
    callers: list[CallerData]
    """Those who wait, longest first; at most 10."""
    errors: list[ErrorData]
    """The last ones, each once, newest first; at most 16."""
    samples: SampleData


ProcessState = Literal["answers", "does not answer", "another version"]
"""Whether a process answers in time, and in a way that this version of the package understands."""


class ProcessData(TypedDict):
    """A process, in a line."""

    process: int
    """Its number."""
    id: str
    """What ``?process=`` takes."""
    state: ProcessState
    pools: list[PoolSummary]
    """Empty if it does not answer."""


class StatusData(TypedDict):
    """All data of a status page."""

    now: str
    """ISO 8601, UTC."""
    process: int
    """The number of the process that is shown: each process of a server has pools of its own."""
    id: str
    """What ``?process=`` takes to show this process again; empty if ``status_app`` has no ``directory``."""
    answered_by: int
    """The number of the process that has answered the request."""
    problem: str | None
    """Why there is nothing to show of the process that was asked for."""
    pools: list[PoolData]
    processes: list[ProcessData]
    """All processes of the ``directory``, at most 100; empty if there is none."""


def collect(sampler: Sampler, error_text: Callable[[str], str] | None, name: str = "") -> StatusData:
    """Read all pools of this process. No object is touched, and no code of the user's called but ``error_text``."""
    data = empty(os.getpid(), name)
    data["pools"] = [_pool(history, error_text) for history in sampler.histories]
    return data


def empty(process: int, name: str, problem: str | None = None) -> StatusData:
    """What is known of a process of which nothing is known."""
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    return {
        "now": now,
        "process": process,
        "id": name,
        "answered_by": os.getpid(),
        "problem": problem,
        "pools": [],
        "processes": [],
    }


def summaries(sampler: Sampler) -> list[PoolSummary]:
    """Read all pools of this process in short."""
    cores = ((history, history.source.core()) for history in sampler.histories)
    return [_absent(history) if core is None else _summary(core, brief(core)) for history, core in cores]


def shortened(pool: PoolSummary) -> PoolSummary:
    """Leave out of a pool's data what is not in a line."""
    return {
        "name": pool["name"],
        "state": pool["state"],
        "exists": pool["exists"],
        "in_use": pool["in_use"],
        "idle": pool["idle"],
        "waiting": pool["waiting"],
        "max_size": pool["max_size"],
        "stale": pool["stale"],
        "overdue": pool["overdue"],
        "retry_in": pool["retry_in"],
    }


def _summary(core: Core[Any], found: Brief) -> PoolSummary:
    counts = found.counts
    return {
        "name": fit(core.name),
        "state": "closed" if counts.closed else "open",
        "exists": True,
        "in_use": counts.in_use,
        "idle": counts.idle,
        "waiting": counts.waiting,
        "max_size": counts.max_size,
        "stale": counts.stale,
        "overdue": found.overdue,
        "retry_in": round(counts.retry_in, 3),
    }


def _absent(history: History) -> PoolSummary:
    return {
        "name": fit(history.source.name),
        "state": history.source.absent,
        "exists": False,
        "in_use": 0,
        "idle": 0,
        "waiting": 0,
        "max_size": None,
        "stale": 0,
        "overdue": 0,
        "retry_in": 0.0,
    }


def _pool(history: History, error_text: Callable[[str], str] | None) -> PoolData:
    core = history.source.core()
    if core is None:
        return {
            **_absent(history),
            "creating": 0,
            "in_upkeep": 0,
            "min_size": 0,
            "timeout": None,
            "max_waiting": None,
            "max_using_delay": None,
            "max_using_delay_kill": None,
            "counters": {},
            "discarded": {},
            "objects": [],
            "callers": [],
            "errors": [],
            "samples": _samples([], 0.0),
        }
    found, config = details(core, MOST, MOST_CALLERS), core.config
    counts = found.counts
    return {
        **_summary(core, found),
        "creating": counts.creating,
        "in_upkeep": counts.in_upkeep,
        "min_size": counts.min_size,
        "timeout": config.timeout,
        "max_waiting": config.max_waiting,
        "max_using_delay": config.warn_delay,
        "max_using_delay_kill": config.kill_delay,
        "counters": counters(found.totals),
        "discarded": found.totals.discarded,
        "objects": [_object(each, found.now) for each in found.objects],
        "callers": [_caller(caller) for caller in found.callers],
        "errors": _errors(found, error_text),
        "samples": _samples(history.samples(), found.now),
    }


def _object(each: ObjectDetails, now: float) -> ObjectData:
    return {
        "object": f"object {each.serial}" if each.name is None else fit(each.name),
        "number": each.serial,
        "in_use": each.lent,
        "owner": None if each.owner is None else fit(in_words(each.owner)),
        "seconds": _ago(each.since, now),
        "uses": each.uses,
        "past": each.past,
    }


def _caller(caller: WaitingCaller) -> CallerData:
    return {"owner": fit(in_words(caller.owner)), "seconds": _ago(0.0, caller.seconds)}


def _errors(found: Details, error_text: Callable[[str], str] | None) -> list[ErrorData]:
    """Newest first; those whose text is the same after ``error_text`` are one."""
    errors: dict[tuple[str, str, str | None], ErrorData] = {}
    for fault in reversed(found.errors):
        each = _error(fault, found, error_text)
        same = errors.setdefault((each["where"], each["error"], each["text"]), each)
        if same is not each:
            same["count"] += each["count"]
            same["first_seconds"] = max(same["first_seconds"], each["first_seconds"])
    return list(errors.values())


def _error(fault: Fault, found: Details, error_text: Callable[[str], str] | None) -> ErrorData:
    return {
        "count": fault.times,
        "seconds": _ago(fault.last, found.now),
        "first_seconds": _ago(fault.first, found.now),
        "where": fault.what,
        "error": fit(fault.kind),
        "text": None if error_text is None else _shown_text(error_text, fault.text),
    }


def _shown_text(error_text: Callable[[str], object], text: str) -> str | None:
    """What ``error_text`` makes of a text; ``None``, and so nothing is shown, if it fails."""
    try:
        made = error_text(text)
        refuse_awaitable("error_text", made)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:
        return None
    return fit(made) if isinstance(made, str) else None


def _samples(samples: Sequence[Sample], now: float) -> SampleData:
    return {
        "seconds": [_ago(sample.at, now) for sample in samples],
        "in_use": [sample.in_use for sample in samples],
        "idle": [sample.idle for sample in samples],
        "creating": [sample.creating for sample in samples],
        "in_upkeep": [sample.in_upkeep for sample in samples],
        "waiting": [sample.waiting for sample in samples],
        "p50": [sample.p50 for sample in samples],
        "p99": [sample.p99 for sample in samples],
    }


def _ago(when: float, now: float) -> float:
    return round(max(0.0, now - when), 3)


def fit(text: str) -> str:
    """Cut a text, and write out what a page cannot show. What is fit stays as it is."""
    text = visible(str.__str__(text)[: LONGEST + 1])
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
