"""The page. Every value goes into it through ``Markup.format``, which escapes it."""

import base64
import hashlib
from importlib.resources import files

from markupsafe import Markup, escape

from .data import PoolData, StatusData
from .figures import charts, figures
from .overview import alarms, links, processes, times
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
<main id="pools" data-every="{every}"{pinned}>{main}</main>
<script>{script}</script>
</body>
</html>
""")

_ICON = (
    "%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='4' "
    "fill='%230072b2'/%3E%3Cpath d='M2 11l3-4 3 2 3-5 3 3' fill='none' stroke='%23fff' stroke-width='2'/%3E%3C/svg%3E"
)


_RELOAD = Markup('<noscript><meta http-equiv="refresh" content="{}"></noscript>\n')


def page(data: StatusData, *, reload: bool = True, pinned: bool = False) -> str:
    """Make the whole page, which shows the same process from then on.

    Args:
        data: What it shows.
        reload: Whether a browser without scripts loads it again now and then. For such a browser all is opened.
        pinned: Whether its address says already which process is shown.
    """
    rarity = min(RAREST, _thinning(data))
    seconds, process = RELOAD * rarity, f"process={data['id']}" if data["id"] else ""
    # Without an address the place in the page stays as well.
    again = str(seconds) if pinned or not process else f"{seconds}; url=?{process}"
    return _PAGE.format(
        icon=Markup(_ICON),
        reload=_RELOAD.format(again) if reload else "",
        link=_link("&".join(filter(None, [process, "refresh=0"])), "Pause") if reload else _link(process, "Go on"),
        every=REFRESH * rarity,
        pinned=Markup(' data-process="{}"').format(data["id"]) if process else "",
        style=Markup(_STYLE),
        script=Markup(_SCRIPT),
        main=Markup(fragment(data, opened=True)),
    )


def _link(query: str, text: str) -> Markup:
    return Markup('<noscript><a href="?{}">{}</a></noscript>').format(query, text)


def fragment(data: StatusData, *, opened: bool = False) -> str:
    """Make the part of it that changes."""
    step = _thinning(data)
    return Markup('<p class="when">Process {}{}, <time datetime="{}">{} UTC</time></p>{}{}{}').format(
        data["process"],
        "" if data["answered_by"] == data["process"] else f", asked by process {data['answered_by']}",
        data["now"],
        data["now"][:19].replace("T", " "),
        processes(data),
        _problem(data) if data["problem"] else links(data["pools"]),
        Markup("").join(_pool(number, pool, step, opened=opened) for number, pool in enumerate(data["pools"])),
    )


def _problem(data: StatusData) -> Markup:
    return Markup('<section class="absent"><p>Process {} {}.</p></section>').format(data["process"], data["problem"])


def _thinning(data: StatusData) -> int:
    """Of how many samples in a row one is drawn: how many times as many pools there are as are shown in full."""
    return 1 + (len(data["pools"]) - 1) // MANY if data["pools"] else 1


def _pool(number: int, pool: PoolData, step: int, *, opened: bool) -> Markup:
    if not pool["exists"]:
        return Markup(
            '<section class="absent" aria-labelledby="pool-{n}"><h2 id="pool-{n}">{name}</h2><p>{state}</p></section>'
        ).format(n=number, name=pool["name"], state=pool["state"][:1].upper() + pool["state"][1:])
    about = [Markup('<strong class="alarm">{}</strong>').format(alarm) for _, alarm in alarms(pool)]
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
        return f"{times(least, 'object')} or more"
    return f"{least:,} to {times(most, 'object')}" if least < most else times(most, "object")
