"""The tables of the status page: waiting callers, objects and who holds them, errors, counters."""

from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup

from .._inspect.types import ENDS
from .._observer import DiscardReason
from .data import CallerData, ErrorData, ObjectData, PoolData


def _table(kind: str, title: str, columns: Mapping[str, str], rows: Iterable[Markup]) -> Markup:
    """Make a table under its title; each column has a class, or none."""
    caption = Markup("<caption><h3>{}</h3></caption>").format(title)
    return Markup('<table class="{}">{}{}</table>').format(kind, caption, _cells(columns, rows))


def _cells(columns: Mapping[str, str], rows: Iterable[Markup]) -> Markup:
    return Markup("<thead><tr>{}</tr></thead><tbody>{}</tbody>").format(
        Markup("").join(
            Markup('<th scope="col"{}>{}</th>').format(Markup(' class="{}"').format(style) if style else "", name)
            for name, style in columns.items()
        ),
        Markup("").join(rows),
    )


AT_ONCE = 3
"""Waiting callers that are seen without scrolling, if each name fits into a line."""


def callers(number: int, pool: PoolData) -> Markup:
    """Who has waited longest, in a box of constant height; nothing where no caller can wait."""
    if pool["max_waiting"] == 0 or pool["state"] == "closed":
        return Markup("")
    longest = pool["callers"]
    what = Markup('<p class="none">Nobody waits.</p>')
    if longest:
        what = Markup('<table class="callers" aria-labelledby="longest-{}">{}</table>{}').format(
            number,
            _cells({"Caller": "", "For": "number"}, map(_caller, longest)),
            _more(pool["waiting"] - len(longest)),
        )
    scrolls = Markup("")
    if len(longest) > AT_ONCE:  # then it scrolls, and must be reachable by keyboard
        scrolls = Markup(' tabindex="0" role="group" aria-labelledby="longest-{}"').format(number)
    return Markup(
        '<div><h3 id="longest-{0}">Longest in the queue</h3><div class="longest" id="queue-{0}"{1}>{2}</div></div>'
    ).format(number, scrolls, what)


def _caller(each: CallerData) -> Markup:
    return Markup('<tr><td>{}</td><td class="number">{}</td></tr>').format(each["owner"], duration(each["seconds"]))


def _more(left_out: int) -> Markup:
    return Markup('<p class="none">And {:,} more.</p>').format(left_out) if left_out > 0 else Markup("")


def objects(pool: PoolData) -> Markup:
    """The objects, and who holds them."""
    shown = pool["objects"]
    if not shown:
        return Markup('<h3>Objects</h3><p class="none">None in use or idle.</p>')
    columns = {"Object": "", "Held by": "", "For": "number", "Uses": "number"}
    rows = (_object(each, pool) for each in shown)
    return _table("objects", "Objects", columns, rows) + _more(pool["in_use"] + pool["idle"] - len(shown))


def _object(each: ObjectData, pool: PoolData) -> Markup:
    holder = each["owner"] or "nobody"
    if not each["in_use"]:
        holder = "idle, never lent" if each["owner"] is None else f"idle, last {holder}"
    late = _past_limit(each, pool)
    return Markup(
        '<tr class="{}"><td>{}</td><td>{}{}</td><td class="number">{}</td><td class="number">{:,}</td></tr>'
    ).format(
        "late" if late else "lent" if each["in_use"] else "free",
        each["object"],
        holder,
        Markup("<small>{}</small>").format(late) if late else "",
        duration(each["seconds"]),
        each["uses"],
    )


def _past_limit(each: ObjectData, pool: PoolData) -> str:
    """What to say of an object that is in use for longer than a limit."""
    match each["past"]:
        case None:
            return ""
        case "max_using_delay":
            return f"longer than {duration(pool['max_using_delay'] or 0.0)}"
        case "max_using_delay_kill":  # pragma: no branch  # the last there is
            return f"longer than {duration(pool['max_using_delay_kill'] or 0.0)}: it is to be closed"


def errors(known: Sequence[ErrorData]) -> Markup:
    """The last errors."""
    if not known:
        return Markup('<div><h3>Last errors</h3><p class="none">None.</p></div>')
    table = _table("errors", "Last errors", {"Where": "", "Error": ""}, map(_error, known))
    return Markup("<div>{}</div>").format(table)


def _error(each: ErrorData) -> Markup:
    what = ": ".join(part for part in (each["error"] or "it said no", each["text"]) if part)
    return Markup("<tr><td>{}</td><td>{}<small>{}</small></td></tr>").format(each["where"], what, _when(each))


def _when(error: ErrorData) -> str:
    last = f"{duration(error['seconds'])} ago"
    if error["count"] == 1:
        return last
    return f"{error['count']:,} times, first {duration(error['first_seconds'])} ago, last {last}"


_NAMES = {
    "nuses": "loans",
    "ntimeouts": "timeouts",
    "ncreated": "objects created",
    "nerrors": "creations failed",
    "ndestroys": "objects closed",
    "nhealth": "health checks",
    "bad_health": "health checks failed",
    "nrefused": "callers refused",
    "hook_errors": "hooks failed",
    "observer_errors": "observers failed",
    "hk_errors": "maintenance failed",
}


_REASONS: dict[DiscardReason, str] = {
    "broken": "discarded by callers",
    "cleared": "cleared",
    "drained": "drained",
    "health": "health check failed",
    "hook": "getter failed",
    "idle": "idle too long",
    "interrupted": "interrupted",
    "killed": "in use too long",
    "max_lifetime": "max_lifetime reached",
    "max_use": "max_use reached",
    "retter": "retter failed",
    "shutdown": "pool closed",
    "surplus": "more than the new max_size",
}


def counters(number: int, pool: PoolData, *, opened: bool) -> Markup:
    """What has happened since the start, and why objects left the pool."""
    events = ((_NAMES.get(key, key), value) for key, value in pool["counters"].items() if key not in ENDS)
    reasons = ((_REASONS.get(reason, reason), value) for reason, value in pool["discarded"].items())
    return Markup(
        '<details id="counters-{}"{}><summary>Since the start</summary><dl class="counters">{}</dl>'
        '<h3>Why objects left</h3><dl class="counters">{}</dl></details>'
    ).format(number, " open" if opened else "", _list(events), _list(reasons))


def _list(rows: Iterable[tuple[str, int]]) -> Markup:
    return Markup("").join(Markup("<div><dt>{}</dt><dd>{:,}</dd></div>").format(*row) for row in rows)


def duration(seconds: float) -> str:
    """Put a duration into few characters."""
    if seconds < 0.0005:
        return "0 ms" if seconds < 0.0000005 else f"{seconds * 1000:.2g} ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.{1 if seconds < 0.00995 else 0}f} ms"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"
