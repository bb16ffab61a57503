"""The snapshot of a pool: numbers taken with the lock held, the user's hooks asked afterwards."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar, cast

from .._engine.upkeep import Upkeep
from .._ledger.entry import Entry
from .._runtime.native import wall_clock
from .._runtime.owner import Owner
from .._runtime.races import snapshot
from .._text import error_text
from .types import ENDS, ObjectStats, PoolStats

T = TypeVar("T")


@dataclass(frozen=True)
class _Seen(Generic[T]):
    """An entry as it was: it goes on changing."""

    obj: T
    uses: int
    last_get: float
    last_ret: float
    owner: Owner | None
    name: str | None


def _look(entry: Entry[T], now: float) -> _Seen[T]:
    return _Seen(entry.obj, entry.uses, entry.last_get - now, entry.last_ret - now, entry.owner, entry.name)


def _seconds(time: float) -> float:
    """To the microsecond: what is behind is noise, and -0.0 is nothing that one reads."""
    return round(time, 6) + 0.0


def _shown(core: Upkeep[T], seen: _Seen[T]) -> ObjectStats:
    return cast(
        ObjectStats,
        {
            **({} if seen.name is None else {"name": seen.name}),
            **core.lifecycle.shown(seen.obj),
            "uses": seen.uses,
            "last_get": _seconds(seen.last_get),
            "last_ret": _seconds(seen.last_ret),
            # Put into words without the lock: a patched thread that is asked whether it lives switches.
            "owner": None if seen.owner is None else str(seen.owner),
        },
    )


@dataclass(frozen=True)
class _Books(Generic[T]):
    """What is read together, with the lock held."""

    now: float
    idle: list[Entry[T]]
    lent: list[Entry[T]]
    error: BaseException | None
    numbers: dict[str, object]


def _read(core: Upkeep[T]) -> _Books[T]:
    ledger, places, rounds = core.ledger, core.ledger.places, core.rounds
    lent = snapshot(ledger.using.values())
    nuses = places.nuses
    nborrows = nuses + rounds.nhealth
    # Loans begin and end without the lock, between these lines too: a counter that is read must never step back.
    core.nreturns = max(core.nreturns, nborrows - len(lent) - rounds.nchecking)
    bound = core.config.max_size
    idle = ledger.shelves()
    numbers: dict[str, object] = {
        # After a resize there may be more places taken than there are.
        "sem": bound and {"value": max(0, bound - len(places) + len(idle)), "init": bound},
        "ntodel": places.nretired,
        "nobjs": len(places),
        "nuses": nuses,
        "nborrows": nborrows,
        "nreturns": core.nreturns,
        "nhealth": rounds.nhealth + core.tally["checks_before_get"],
        "nwaiting": len(ledger.waiters),
        "ncreated": places.ncreated,
        "ncreating": core.attempts,
        "nerrors": core.nerrors,
        **{key: places.nretired_for[reason] for key, reason in ENDS.items()},
        "nstale": places.nstale,
        "ndestroys": places.ndestroys,
        "ntimeouts": ledger.ntimeouts,
        "nrefused": ledger.nrefused,
        "wait_time": _seconds(ledger.wait_time),
        "max_wait": _seconds(ledger.max_wait),
        "shutdown": ledger.closed,
        "retry_in": _seconds(ledger.backoff.left(core.clock())),
    }
    return _Books(core.clock(), idle, lent, core.last_error, numbers)


def report(core: Upkeep[T]) -> PoolStats:
    """Take a snapshot of a pool."""
    if core.sweep() or core.ledger.unmaintained:
        core.schedule()
    config, tally = core.config, core.tally
    books = core.locked(_read, core)
    now, error = books.now, books.error
    idle = [_look(entry, now) for entry in books.idle]
    lent = [_look(entry, now) for entry in books.lent]
    wall = wall_clock()
    values: dict[str, object] = {
        "id": core.id,
        "name": core.name,
        "started": core.started.isoformat(timespec="microseconds"),
        "min_size": config.min_size,
        "max_size": config.max_size or 0,
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
        "navail": len(idle),
        "nusing": len(lent),
        "running": _seconds(now - core.started_at),
        "rel_hk_last": _seconds((core.started_at if core.hk_last is None else core.hk_last) - now),
        "time_per_hk": _seconds(tally["hk_time"] / max(tally["hk_rounds"], 1)),
        "avail": [_shown(core, seen) for seen in idle],
        "using": [_shown(core, seen) for seen in lent],
        "last_error": None if error is None else error_text(error),
        "bad_health": tally["bad_health"],
        "hc_errors": tally["hc_errors"],
        "hook_errors": tally["hook_errors"],
        "observer_errors": tally["observer_errors"],
        "hk_rounds": tally["hk_rounds"],
        "hk_errors": tally["hk_errors"],
        "hc_rounds": tally["hc_rounds"],
        **books.numbers,
    }
    return cast(PoolStats, {key: values[key] for key in PoolStats.__annotations__})


def as_json(stats: PoolStats) -> str:
    """Write a snapshot as JSON that people can read, too: a line for each key, and one for each object."""
    objects = {"avail": stats["avail"], "using": stats["using"]}
    lines = [f'  "{key}": {_in_json(value)}' for key, value in stats.items() if key not in objects]
    lines += [f'  "{key}": {_in_lines(each)}' for key, each in objects.items()]
    return "{\n" + ",\n".join(lines) + "\n}"


def _in_json(value: object) -> str:
    return json.dumps(value, allow_nan=False)


def _in_lines(objects: list[ObjectStats]) -> str:
    return "[\n" + ",\n".join(f"    {_in_json(each)}" for each in objects) + "\n  ]" if objects else "[]"
