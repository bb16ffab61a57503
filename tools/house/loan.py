"""The picture of a loan's way. Each step names the functions that do it, and these have to exist."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .sources import House, SourceError
from .svg import Picture, wrapped


@dataclass(frozen=True)
class End:
    """What becomes of an object or a caller."""

    look: str
    what: str
    note: str = ""


@dataclass(frozen=True)
class Step:
    """What is done, where, how it may end, and what leads on to the next step."""

    text: str
    functions: Sequence[str]
    ends: Sequence[End] = ()
    onwards: str | None = None
    """What is said beside the arrow to the next step; ``None``: there is no arrow."""
    past_next: str = ""
    """What is said beside an arrow to the step after the next; empty: there is none."""


@dataclass(frozen=True)
class Panel:
    """One way."""

    title: str
    steps: Sequence[Step]


GET = Panel(
    "get",
    (
        Step(
            "Take an idle object: one atomic pop, no lock. The one that was returned last goes first.",
            ["_pool/pool.py: Pool.get"],
            [End("lent", "in use")],
            "none is idle, or there is more to do",
        ),
        Step(
            "With a lifetime, a check or a drain: is it fit? Then observers are told, and the getter is called.",
            ["_engine/loans.py: Loans.borrow", "_engine/checks.py: Checks.why_unfit"],
            [End("lent", "in use"), End("gone", "evicted", "too old, drained, unhealthy")],
            "none is idle, or it was not fit",
        ),
        Step(
            "With the lock: look again, or take a place, if there is room and no back-off.",
            ["_ledger/ledger.py: Ledger.take_or_queue"],
            [End("lent", "in use", "one has come back")],
            "no room",
            "a place",
        ),
        Step(
            "Wait in the queue, first come, first served, until something comes back, or a place is free.",
            ["_engine/waits.py: Waits._wait", "_ledger/ledger.py: Ledger.collect"],
            [End("lent", "in use", "handed over by a return"), End("error", "TimeOut", "TooManyWaiting, PoolClosed")],
            "a place",
        ),
        Step(
            "Create: factory, opener, tracer; without the lock.",
            ["_engine/objects.py: Objects.create"],
            [
                End("lent", "in use"),
                End("error", "failed", "the caller gets the error; if it was a retry he waits again, in front"),
            ],
        ),
    ),
)

RET = Panel(
    "ret, and the end of a lease or block",
    (
        Step(
            "End the loan: one atomic pop, by the object's identity. If nothing else is to do: back, no lock.",
            ["_pool/pool.py: Pool.ret", "_engine/returns.py: Returns.end_loan"],
            [End("idle", "idle"), End("error", "a warning", "it is not lent here")],
            "somebody waits, or there is more to do",
        ),
        Step(
            "Tell observers, and call the retter; without the lock.",
            ["_engine/returns.py: Returns.follow_up"],
            [End("gone", "evicted", "the retter failed")],
            "",
        ),
        Step(
            "Make it idle; or, with the lock, hand it to the oldest waiter, or close it.",
            ["_ledger/shelves.py: Shelves.put_after_retter", "_ledger/ledger.py: Ledger.put_locked"],
            [
                End("lent", "in use", "by the oldest waiter"),
                End("idle", "idle"),
            ],
            "evicted: max_use, lifetime, drain …",
        ),
        Step(
            "Evict: the reason is counted, observers are told, the closer is called without the lock.",
            ["_ledger/places.py: Places.retire", "_engine/objects.py: Objects.close_and_free"],
            [End("gone", "its place is free", "for the oldest waiter, or a refill up to min_size")],
        ),
    ),
)

DROPPED = Panel(
    "a lease that is dropped",
    (
        Step(
            "The finalizer leaves a note, and requests a look: no lock, no call of a hook.",
            ["_pool/loan.py: OneLoan.__del__", "_engine/core.py: Core.end_loan_later"],
            (),
            "",
        ),
        Step(
            "The scheduler's thread, or a caller who finds none idle, reads the notes.",
            ["_engine/returns.py: Returns.read_mailbox"],
            [End("idle", "idle, or in use", "by the oldest waiter")],
            "a retter or an observer: a chore",
        ),
        Step("A worker returns it, as above.", ["_engine/returns.py: Returns.follow_up"]),
    ),
)

MAINTENANCE = Panel(
    "maintenance",
    (
        Step(
            "One thread sleeps until the next deadline of any pool, or until a look is requested.",
            ["_scheduler/scheduler.py: Scheduler.maintain"],
            (),
            "",
        ),
        Step(
            "What is due? Chores are queued; the user's code is not called.",
            ["_engine/maintenance.py: Maintenance.run_due", "_ledger/sweeps.py: Sweeps.sweep"],
            [End("error", "a warning", "in use for too long")],
            "",
        ),
        Step(
            "A worker runs the chores, or a greenlet of the hub where the pool was first used.",
            ["_scheduler/dispatch.py: Dispatcher.dispatch", "_engine/chores.py: Chores.run_for_scheduler"],
            [
                End("gone", "evicted", "idle for too long, too old, killed, unhealthy"),
                End("idle", "idle", "checked, or new: up to min_size"),
            ],
        ),
    ),
)

COLUMNS = ((GET, DROPPED), (RET, MAINTENANCE))

WIDTH, PANEL, GAP = 1000, 482, 12
STEP, SHIFT, END_WIDTH = 264, 26, 152
"""The width of a step, how far it is from the left of its panel, and the width of an end."""
PADDING, LEADING, CODE_LEADING, BETWEEN = 10, 17, 15, 30


def draw(house: House) -> str:
    """Draw it."""
    _check(house)
    picture = Picture(
        "The way of a loan",
        "What happens in get and ret, when a lease is dropped, and in maintenance. docs/house.md says it in words.",
    )
    picture.text("title", 20, 30, "The way of a loan")
    picture.text("note", 20, 50, "Steps from above to below; on the right, what becomes of the object or its caller.")
    bottom: float = 0
    for number, panels in enumerate(COLUMNS):
        x, y = 12 + number * (PANEL + GAP), 64.0
        for panel in panels:
            height = _panel_height(panel)
            picture.rect("floor", x, y, PANEL, height)
            picture.text("title", x + 14, y + 26, panel.title)
            _draw_steps(picture, panel, x, y + 40)
            y += height + GAP
        bottom = max(bottom, y)
    return picture.svg(WIDTH, bottom)


def _check(house: House) -> None:
    for panel in (panel for column in COLUMNS for panel in column):
        for function in (function for step in panel.steps for function in step.functions):
            file, _, name = function.partition(": ")
            room, _, module = file.removesuffix(".py").partition("/")
            modules = [each for each in house.rooms[room].modules if each.name == module]
            if not modules or not modules[0].defines(name):
                raise SourceError(f"tools/house/loan.py: there is no {function}")


def _text(step: Step) -> list[str]:
    return wrapped(step.text, STEP - 2 * PADDING)


def _end_height(end: End) -> float:
    return 28 + 14 * len(_note(end))


def _note(end: End) -> list[str]:
    return wrapped(end.note, END_WIDTH - 16, 12)


def _functions(step: Step) -> list[str]:
    """Without their classes, for which there is no room."""
    return [f"{file}: {name.rpartition('.')[2]}" for file, _, name in (each.partition(": ") for each in step.functions)]


def _content_height(step: Step) -> float:
    return 2 * PADDING + 2 + LEADING * len(_text(step)) + CODE_LEADING * len(step.functions)


def _step_height(step: Step) -> float:
    return max(_content_height(step), sum(_end_height(end) + 8 for end in step.ends) - 8)


def _panel_height(panel: Panel) -> float:
    return 40 + sum(map(_step_height, panel.steps)) + BETWEEN * (len(panel.steps) - 1) + 14


def _tops(panel: Panel, y: float) -> Iterator[float]:
    for step in panel.steps:
        yield y
        y += _step_height(step) + BETWEEN


def _draw_steps(picture: Picture, panel: Panel, x: float, y: float) -> None:
    left, right = x + SHIFT, x + SHIFT + STEP
    tops = list(_tops(panel, y))
    middles = [top + _step_height(step) / 2 for top, step in zip(tops, panel.steps, strict=True)]
    for number, (step, top) in enumerate(zip(panel.steps, tops, strict=True)):
        height = _step_height(step)
        picture.rect("box", left, top, STEP, height)
        text = _text(step)
        begin = top + PADDING + 12 + (height - _content_height(step)) / 2
        picture.column("", left + PADDING, begin, text, LEADING)
        picture.column("code", left + PADDING, begin + LEADING * len(text) + 1, _functions(step), CODE_LEADING)
        end_y = top + (height - sum(_end_height(end) + 8 for end in step.ends) + 8) / 2
        for end in step.ends:
            end_y = _draw_end(picture, end, right, x + PANEL - 12 - END_WIDTH, end_y)
        if step.onwards is not None:
            picture.arrow("line", (left + 60, top + height), (left + 60, top + height + BETWEEN))
            picture.text("note", left + 70, top + height + 19, step.onwards)
        if step.past_next:
            corner = x + 14
            target = middles[number + 2]
            picture.arrow("line", (left, middles[number]), (corner, middles[number]), (corner, target), (left, target))
            picture.text("note", corner + 6, top + height + 19, step.past_next)


def _draw_end(picture: Picture, end: End, right: float, x: float, y: float) -> float:
    height = _end_height(end)
    picture.rect(end.look, x, y, END_WIDTH, height, 14)
    picture.text("mid", x + END_WIDTH / 2, y + 19, end.what)
    for number, line in enumerate(_note(end)):
        picture.text("note mid", x + END_WIDTH / 2, y + 34 + 14 * number, line)
    picture.arrow("line", (right, y + height / 2), (x, y + height / 2))
    return y + height + 8
