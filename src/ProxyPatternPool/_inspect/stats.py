"""``Pool.stats()``: the numbers are read with the lock held, and the user's hooks are called afterwards."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar, cast

from .._engine.core import Core, catch_up
from .._ledger.counts import Counts
from .._ledger.entry import Entry
from .._runtime.owner import Owner, in_words
from .._runtime.races import snapshot
from .._text import error_text
from .totals import Totals, total
from .types import ENDS, ObjectStats, PoolStats

T = TypeVar("T")


@dataclass(frozen=True)
class _Copy(Generic[T]):
    """The fields of an entry at the moment of the snapshot: the entry itself goes on changing."""

    obj: T
    uses: int
    last_get: float
    last_ret: float
    owner: Owner | None
    name: str | None


def _copy(entry: Entry[T], now: float) -> _Copy[T]:
    return _Copy(entry.obj, entry.uses, entry.last_get - now, entry.last_ret - now, entry.owner, entry.name)


def _seconds(time: float) -> float:
    """Round to the microsecond, and make 0.0 of -0.0."""
    return round(time, 6) + 0.0


def _object_stats(core: Core[T], copy: _Copy[T]) -> ObjectStats:
    return cast(
        ObjectStats,
        {
            **({} if copy.name is None else {"name": copy.name}),
            **core.descriptions.details(copy.obj),
            "uses": copy.uses,
            "last_get": _seconds(copy.last_get),
            "last_ret": _seconds(copy.last_ret),
            # Not with the lock held: a patched thread that is asked whether it lives switches to another greenlet.
            "owner": None if copy.owner is None else in_words(copy.owner),
        },
    )


@dataclass(frozen=True)
class _Snapshot(Generic[T]):
    """What is read in one step, with the lock held."""

    now: float
    idle: list[Entry[T]]
    lent: list[Entry[T]]
    counts: Counts
    totals: Totals
    nreturns: int
    last_error: BaseException | None


def _take_snapshot(core: Core[T]) -> _Snapshot[T]:
    lent = snapshot(core.shelves.using.values())
    totals = total(core)
    idle = core.shelves.idle_entries()
    # The numbers are those of the lists, though loans begin and end without the lock, between these lines too.
    counts = core.count()._replace(idle=len(idle), in_use=len(lent))
    # For the same reason the difference may be less than in an earlier snapshot, in which case that one still holds.
    core.nreturns = max(core.nreturns, totals.loans + totals.round_checks - counts.in_use - counts.checking)
    return _Snapshot(core.clock(), idle, lent, counts, totals, core.nreturns, core.objects.last_error)


def counters(totals: Totals) -> dict[str, int]:
    """What has happened so far, by the keys of ``PoolStats``: of these, what the status page shows, too."""
    return {
        "nuses": totals.loans,
        "ntimeouts": totals.timeouts,
        "nrefused": totals.refusals,
        "ncreated": totals.created,
        "nerrors": totals.creation_errors,
        "ndestroys": totals.closed,
        **{key: totals.discarded[reason] for key, reason in ENDS.items()},
        "nhealth": totals.round_checks + totals.loan_checks,
        "bad_health": totals.failed_checks,
        "hook_errors": totals.hook_errors,
        "observer_errors": totals.observer_errors,
        "hk_errors": totals.maintenance_errors,
    }


def report(core: Core[T]) -> PoolStats:
    """Take a snapshot of a pool."""
    catch_up(core)
    last_round = core.maintenance.last_round  # before the snapshot, so that it is not after it
    found = core.guard.locked(_take_snapshot, core)
    now, counts, totals, config = found.now, found.counts, found.totals, core.config
    # All of them before the first hook is called, which may take its time.
    idle = [_copy(entry, now) for entry in found.idle]
    lent = [_copy(entry, now) for entry in found.lent]
    bound, wall = counts.max_size, core.environment.wall_clock()
    values: dict[str, object] = {
        "id": core.id,
        "name": core.name,
        "started": core.started.isoformat(timespec="microseconds"),
        "min_size": counts.min_size,
        "max_size": bound or 0,
        "max_use": config.max_use or 0,
        "timeout": config.timeout,
        "max_waiting": config.max_waiting,
        "delay": config.delay or 0.0,
        "max_lifetime": config.max_lifetime or 0.0,
        "max_avail_delay": config.max_avail_delay or 0.0,
        "max_using_delay_warn": config.warn_delay or 0.0,
        "max_using_delay_kill": config.kill_delay or 0.0,
        "health_freq": config.health_freq,
        "health_before_get": config.health_before_get,
        "backoff": config.backoff and list(config.backoff),
        "now": _seconds(wall),
        "taken": datetime.fromtimestamp(wall).isoformat(timespec="microseconds"),
        "running": _seconds(now - core.started_at),
        "rel_hk_last": _seconds((core.started_at if last_round is None else last_round) - now),
        "time_per_hk": _seconds(totals.maintenance_time / max(totals.rounds, 1)),
        "shutdown": counts.closed,
        # After a resize there may be more places taken than there are.
        "sem": bound and {"value": max(0, bound - counts.places + counts.idle), "init": bound},
        "nobjs": counts.places,
        "navail": counts.idle,
        "nusing": counts.in_use,
        "ntodel": counts.closing,
        "nstale": counts.stale,
        "nwaiting": counts.waiting,
        "retry_in": _seconds(counts.retry_in),
        "last_error": None if found.last_error is None else error_text(found.last_error),
        **counters(totals),
        "ncreating": totals.attempts,
        "nborrows": totals.loans + totals.round_checks,
        "nreturns": found.nreturns,
        "hk_rounds": totals.rounds,
        "hc_rounds": totals.check_rounds,
        "hc_errors": totals.check_errors,
        "wait_time": _seconds(totals.wait_time),
        "max_wait": _seconds(totals.max_wait),
        "avail": [_object_stats(core, copy) for copy in idle],
        "using": [_object_stats(core, copy) for copy in lent],
    }
    return cast(PoolStats, {key: values[key] for key in PoolStats.__annotations__})


def as_json(stats: PoolStats) -> str:
    """Write a snapshot as JSON that people can read as well: one line for each key, and one for each object."""
    objects = {"avail": stats["avail"], "using": stats["using"]}
    lines = [f'  "{key}": {_in_json(value)}' for key, value in stats.items() if key not in objects]
    lines += [f'  "{key}": {_in_lines(each)}' for key, each in objects.items()]
    return "{\n" + ",\n".join(lines) + "\n}"


def _in_json(value: object) -> str:
    return json.dumps(value, allow_nan=False)


def _in_lines(objects: list[ObjectStats]) -> str:
    return "[\n" + ",\n".join(f"    {_in_json(each)}" for each in objects) + "\n  ]" if objects else "[]"
