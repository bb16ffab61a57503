"""The page. Every value goes into it through ``Markup.format``, which escapes it."""

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files

from markupsafe import Markup, escape

from .data import PoolData, StatusData
from .figures import bound, charts, figures
from .tables import callers, counters, duration, errors, objects

REFRESH = 2
"""Seconds between two requests of the page's script."""
RELOAD = 5
"""Seconds between two requests of a browser without scripts."""
MANY = 20
"""Pools that are shown in full. Of twice as many the lines have half as many points, and requests are half as often."""
RAREST = 5
"""How many times rarer requests become at most."""

_STYLE = (files("ProxyPatternPool._status") / "page.css").read_text(encoding="utf-8")
_SCRIPT = (files("ProxyPatternPool._status") / "page.js").read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


POLICY = "; ".join(
    [
        "default-src 'none'",
        f"script-src {_hash(_SCRIPT)}",
        f"style-src {_hash(_STYLE)}",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
"""The Content-Security-Policy of the page: it loads nothing, and runs and obeys nothing but what is written here."""

_PAGE = Markup("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Pools</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<link rel="icon" href="data:image/svg+xml,{icon}">
{reload}<style>{style}</style>
</head>
<body>
<header><h1>Pools</h1><p id="note" role="status"></p><button id="pause" type="button" hidden>Pause</button>
{link}</header>
<main id="pools" data-every="{every}">{main}</main>
<script>{script}</script>
</body>
</html>
""")

_ICON = (
    "%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='4' "
    "fill='%230072b2'/%3E%3Cpath d='M2 11l3-4 3 2 3-5 3 3' fill='none' stroke='%23fff' stroke-width='2'/%3E%3C/svg%3E"
)


_RELOAD = Markup('<noscript><meta http-equiv="refresh" content="{}"></noscript>\n')
_LINK = Markup('<noscript><a href="{}">{}</a></noscript>')


def page(data: StatusData, *, reload: bool = True) -> str:
    """Make the whole page, with all opened for a browser without scripts, which loads it again now and then, or not."""
    rarity = min(RAREST, _thinning(data))
    return _PAGE.format(
        icon=Markup(_ICON),
        reload=_RELOAD.format(RELOAD * rarity) if reload else "",
        link=_LINK.format("?refresh=0", "Pause") if reload else _LINK.format("?", "Go on"),
        every=REFRESH * rarity,
        style=Markup(_STYLE),
        script=Markup(_SCRIPT),
        main=Markup(fragment(data, opened=True)),
    )


def fragment(data: StatusData, *, opened: bool = False) -> str:
    """Make the part of it that changes."""
    step = _thinning(data)
    return Markup('<p class="when">Process {}, <time datetime="{}">{} UTC</time></p>{}{}').format(
        data["process"],
        data["now"],
        data["now"][:19].replace("T", " "),
        _overview(data["pools"]),
        Markup("").join(_pool(number, pool, step, opened=opened) for number, pool in enumerate(data["pools"])),
    )


def _thinning(data: StatusData) -> int:
    """Of how many samples in a row one is drawn: how many times as many pools there are as are shown in full."""
    return 1 + (len(data["pools"]) - 1) // MANY if data["pools"] else 1


# Links to the pools, and what is shown of each. -------------------------------------------------------


def _overview(pools: Sequence[PoolData]) -> Markup:
    """Link to each pool where there are several, with how full it is and what is wrong."""
    if not any(pool["exists"] for pool in pools):
        return Markup('<p class="none">No pools.</p>')
    if len(pools) == 1:
        return Markup("")
    return Markup('<nav aria-label="Pools"><ul>{}</ul></nav>').format(
        Markup("").join(map(_link, range(len(pools)), pools))
    )


def _link(number: int, pool: PoolData) -> Markup:
    return Markup('<li><a id="to-{n}" href="#pool-{n}"><bdi>{name}</bdi> {notes}</a></li>').format(
        n=number, name=pool["name"], notes=Markup(" ").join(_notes(pool))
    )


def _notes(pool: PoolData) -> list[Markup]:
    if not pool["exists"]:
        return [Markup("<span>{}</span>").format(pool["state"].split(":")[0])]
    notes = [Markup("<span>{:,}{}</span>").format(pool["in_use"], bound(pool["max_size"]) or " in use")]
    if pool["waiting"]:
        notes.append(Markup('<span class="queue">{:,} waiting</span>').format(pool["waiting"]))
    return notes + [Markup('<strong class="alarm">{}</strong>').format(short) for short, _ in _alarms(pool)]


def _alarms(pool: PoolData) -> list[tuple[str, str]]:
    """What is wrong with a pool, each in few words and in full."""
    if pool["state"] == "closed":
        return [("closed", "closed")]
    alarms: list[tuple[str, str]] = []
    if pool["retry_in"] > 0:
        alarms.append(("creation failed", f"creation failed, next attempt in {duration(pool['retry_in'])}"))
    if pool["overdue"]:
        alarms.append(("in use too long", f"{_times(pool['overdue'], 'object')} in use for too long"))
    if pool["stale"]:
        alarms.append(("draining", f"draining, {_times(pool['stale'], 'object')} left"))
    return alarms


def _pool(number: int, pool: PoolData, step: int, *, opened: bool) -> Markup:
    if not pool["exists"]:
        return Markup(
            '<section class="absent" aria-labelledby="pool-{n}"><h2 id="pool-{n}">{name}</h2><p>{state}</p></section>'
        ).format(n=number, name=pool["name"], state=pool["state"][:1].upper() + pool["state"][1:])
    about = [Markup('<strong class="alarm">{}</strong>').format(alarm) for _, alarm in _alarms(pool)]
    about.append(escape(_size(pool["min_size"], pool["max_size"])))
    if pool["state"] != "closed":
        about.append(escape(_patience(pool["timeout"])))
    return Markup(
        '<section aria-labelledby="pool-{n}"><h2 id="pool-{n}">{name}</h2><p class="about">{about}</p>'
        '{figures}<div class="pair">{charts}</div><div class="pair lists">{callers}{errors}</div>{objects}{counters}'
        "</section>"
    ).format(
        n=number,
        name=pool["name"],
        about=Markup("; ").join(about),
        figures=figures(pool),
        charts=charts(number, pool, step),
        callers=callers(number, pool),
        errors=errors(pool["errors"]),
        objects=objects(pool),
        counters=counters(number, pool, opened=opened),
    )


def _patience(timeout: float | None) -> str:
    return "callers wait for ever" if timeout is None else f"callers wait {duration(timeout)} at most"


def _size(least: int, most: int | None) -> str:
    if most is None:
        return f"{_times(least, 'object')} or more"
    return f"{least:,} to {_times(most, 'object')}" if least < most else _times(most, "object")


def _times(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
