"""What is seen at the top: all processes, and links to the pools of the one that is shown."""

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from .data import PoolSummary, ProcessData, StatusData
from .figures import bound
from .tables import duration

MOST_IN_LINE = 10
"""Pools of a process that are in its line."""


def links(pools: Sequence[PoolSummary]) -> Markup:
    """Link to each pool where there are several, with how full it is and what is wrong."""
    if not any(pool["exists"] for pool in pools):
        return Markup('<p class="none">No pools.</p>')
    if len(pools) == 1:
        return Markup("")
    return Markup('<nav aria-label="Pools"><ul>{}</ul></nav>').format(
        Markup("").join(map(_link, range(len(pools)), pools))
    )


def _link(number: int, pool: PoolSummary) -> Markup:
    return Markup('<li><a id="to-{n}" href="#pool-{n}"><bdi>{name}</bdi> {notes}</a></li>').format(
        n=number, name=pool["name"], notes=Markup(" ").join(_notes(pool))
    )


def _notes(pool: PoolSummary) -> list[Markup]:
    if not pool["exists"]:
        return [Markup("<span>{}</span>").format(pool["state"].split(":")[0])]
    notes = [Markup("<span>{:,}{}</span>").format(pool["in_use"], bound(pool["max_size"]) or " in use")]
    if pool["waiting"]:
        notes.append(Markup('<span class="queue">{:,} waiting</span>').format(pool["waiting"]))
    return notes + [Markup('<strong class="alarm">{}</strong>').format(short) for short, _ in alarms(pool)]


def alarms(pool: PoolSummary) -> list[tuple[str, str]]:
    """What is wrong with a pool, each in few words and in full."""
    if pool["state"] == "closed":
        return [("closed", "closed")]
    found: list[tuple[str, str]] = []
    if pool["retry_in"] > 0:
        found.append(("creation failed", f"creation failed, next attempt in {duration(pool['retry_in'])}"))
    if pool["overdue"]:
        found.append(("in use too long", f"{times(pool['overdue'], 'object')} in use for too long"))
    if pool["stale"]:
        found.append(("draining", f"draining, {times(pool['stale'], 'object')} left"))
    return found


def times(number: int, what: str) -> str:
    """So many of something."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


# All processes. --------------------------------------------------------------------------------------------


def processes(data: StatusData) -> Markup:
    """Link to each process, with the main numbers of its pools, and say what all have together."""
    if not data["id"]:
        return Markup("")
    everybody = data["processes"]
    return Markup(
        '<table class="processes" aria-label="Processes"><thead><tr><th scope="col">Process</th>'
        '<th scope="col">Objects in use</th></tr></thead><tbody>{}{}</tbody></table>'
    ).format(
        _row(Markup("all {}").format(len(everybody)), _pools(_together(everybody))) if len(everybody) > 1 else "",
        Markup("").join(_process(each, shown=each["id"] == data["id"]) for each in everybody),
    )


def _row(name: Markup, what: Markup) -> Markup:
    return Markup('<tr><th scope="row">{}</th><td>{}</td></tr>').format(name, what)


def _process(each: ProcessData, *, shown: bool) -> Markup:
    link = Markup('<a id="process-{0}" href="?process={0}"{1}>{2}</a>').format(
        each["id"], Markup(' aria-current="page"') if shown else "", each["process"]
    )
    if each["state"] != "answers":
        return _row(link, Markup('<strong class="alarm">{}</strong>').format(each["state"]))
    return _row(link, _pools(each["pools"]))


def _pools(pools: Sequence[PoolSummary]) -> Markup:
    """Some pools in a line."""
    if not pools:
        return Markup('<span class="none">No pools.</span>')
    line = Markup("").join(
        Markup("<li><bdi>{}</bdi> {}</li>").format(pool["name"], Markup(" ").join(_notes(pool)))
        for pool in pools[:MOST_IN_LINE]
    )
    left_out = len(pools) - MOST_IN_LINE
    return Markup("<ul>{}{}</ul>").format(
        line, Markup("<li>and {:,} more</li>").format(left_out) if left_out > 0 else ""
    )


def _together(everybody: Iterable[ProcessData]) -> list[PoolSummary]:
    """The open pools of all processes; those of one name are one."""
    found: dict[str, PoolSummary] = {}
    for pool in (pool for process in everybody for pool in process["pools"]):
        if pool["state"] != "open":
            continue
        one = found.get(pool["name"])
        found[pool["name"]] = pool if one is None else _sum(one, pool)
    return list(found.values())


def _sum(one: PoolSummary, other: PoolSummary) -> PoolSummary:
    sizes = one["max_size"], other["max_size"]
    return {
        "name": one["name"],
        "state": "open",
        "exists": True,
        "in_use": one["in_use"] + other["in_use"],
        "idle": one["idle"] + other["idle"],
        "waiting": one["waiting"] + other["waiting"],
        "max_size": None if None in sizes else sum(size or 0 for size in sizes),
        "stale": one["stale"] + other["stale"],
        "overdue": one["overdue"] + other["overdue"],
        "retry_in": max(one["retry_in"], other["retry_in"]),
    }
