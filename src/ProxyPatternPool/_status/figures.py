"""The numbers of this moment, and the charts of the last five minutes."""

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from .chart import GAP, Line, chart, swatch, time_axis, whole_axis
from .data import PoolData, SampleData
from .tables import duration


def bound(most: int | None) -> str:
    """Put a bound behind a figure, if there is one."""
    return "" if most is None else f" / {most:,}"


def figures(pool: PoolData) -> Markup:
    """The numbers of this moment."""
    samples = pool["samples"]
    rows = [
        ("using", "In use", f"{pool['in_use']:,}", bound(pool["max_size"])),
        ("idle", "Idle", f"{pool['idle']:,}", ""),
        ("waiting", "Waiting", f"{pool['waiting']:,}", bound(pool["max_waiting"])),
        ("transit", "Creating", f"{pool['creating']:,}", ""),
        ("transit", "In upkeep", f"{pool['in_upkeep']:,}", ""),
        ("p50", "Queue p50", _last(samples["p50"]), ""),
        ("p99", "Queue p99", _last(samples["p99"]), ""),
    ]
    return Markup('<dl class="figures">{}</dl>').format(
        Markup("").join(
            Markup('<div class="{0}"><dt>{1}{2}</dt><dd>{3}<small>{4}</small></dd></div>').format(
                kind, swatch(kind, area=kind in _AREAS), name, value, rest
            )
            for kind, name, value, rest in rows
        )
    )


_AREAS = ("using", "transit", "idle", "p50")
"""What is drawn as an area."""


def _last(values: Sequence[float | None]) -> str:
    return "none" if not values or values[-1] is None else duration(values[-1])


def charts(number: int, pool: PoolData, step: int) -> Markup:
    """The last five minutes: of each ``step`` samples in a row one is drawn."""
    samples = _thinned(pool["samples"], step)
    gap = GAP if step == 1 else 2 * step + 1
    parts = zip(samples["in_use"], samples["creating"], samples["in_upkeep"], strict=True)
    not_idle = [sum(part) for part in parts]
    objects = [others + idle for others, idle in zip(not_idle, samples["idle"], strict=True)]
    zeros = [0.0] * len(objects)
    most = max([0, *objects, *samples["waiting"]])
    most_objects = pool["max_size"]
    if most_objects is not None and most_objects <= 5 * most:
        most = max(most, most_objects)
    longest = max([0.0, *_known(samples["p99"])])
    return chart(
        f"count-{number}",
        "Objects and callers",
        f"Now {pool['in_use']} objects in use, {pool['idle']} idle, {pool['creating']} being created, "
        f"{pool['in_upkeep']} in upkeep, {pool['waiting']} callers waiting. Within five minutes at most "
        f"{max(samples['in_use'], default=0)} in use, {max(samples['waiting'], default=0)} waiting.",
        samples["seconds"],
        [
            Line("using", "in use", samples["in_use"], zeros),
            Line("transit", "creating or upkeep", not_idle, samples["in_use"]),
            Line("idle", "idle on top", objects, not_idle),
            Line("waiting", "waiting", samples["waiting"]),
        ],
        whole_axis(most),
        most_objects,
        gap,
    ) + chart(
        f"wait-{number}",
        "Time in the queue",
        _in_words(pool["samples"], longest),
        samples["seconds"],
        [Line("p50", "p50", samples["p50"], zeros), Line("p99", "p99", samples["p99"])],
        time_axis(longest),
        gap=gap,
    )


def _in_words(samples: SampleData, longest: float) -> str:
    known = _known(samples["p99"])
    if not known:
        return "No callers within five minutes."
    now = "No callers in the last second. "
    if samples["p99"][-1] is not None:
        now = (
            f"In the last second half of the callers were in the queue for {_last(samples['p50'])} at most, and 99 in "
            f"100 for {_last(samples['p99'])}. "
        )
    return f"{now}Within five minutes the 99th percentile was at most {duration(longest)}."


def _thinned(samples: SampleData, step: int) -> SampleData:
    """Of each ``step`` samples in a row keep the one that was worst for callers."""
    if step == 1:
        return samples
    worst = list(zip(samples["waiting"], (each or 0.0 for each in samples["p99"]), samples["in_use"], strict=True))
    ends = range(len(worst), 0, -step)
    kept = [max(range(max(0, end - step), end), key=worst.__getitem__) for end in ends][::-1]
    return {
        "seconds": [samples["seconds"][at] for at in kept],
        "in_use": [samples["in_use"][at] for at in kept],
        "idle": [samples["idle"][at] for at in kept],
        "creating": [samples["creating"][at] for at in kept],
        "in_upkeep": [samples["in_upkeep"][at] for at in kept],
        "waiting": [samples["waiting"][at] for at in kept],
        "p50": [samples["p50"][at] for at in kept],
        "p99": [samples["p99"][at] for at in kept],
    }


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]
