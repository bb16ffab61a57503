"""The picture of the rooms, from above to below: what each is for, what is in it, which rooms it imports."""

from .sources import House, Room
from .svg import MONO, Picture, wrapped

WIDTH = 1020
CARDS = 640
"""The right end of the cards; the lines of the imports are beside them."""
NAME, TEXT, RIGHT = 30, 168, 626
LANE = 19
"""From one line to the next."""
TOP = 66

ABOVE = "\N{NO-BREAK SPACE}> "
"""Between the floors in a room."""
BESIDE = "\N{NO-BREAK SPACE}| "
"""Between those of one floor."""


def draw(house: House) -> str:
    """Draw it."""
    picture = Picture(
        "The rooms of ProxyPatternPool",
        "Each room with its purpose, its modules, and the rooms below that it imports. "
        "The table of docs/house.md has the same in words.",
    )
    picture.text("title", 20, 30, "The rooms: each imports only what is below")
    explained = "Rooms in one box do not import each other. Inside a room, a > b: a may import b; a | b: neither may."
    picture.text("note", 20, 50, explained)
    picture.dot("dot", CARDS + 20, 26)
    picture.text("note", CARDS + 32, 30, "imports the room at the end of the line")
    imported = {name for room in house.rooms.values() for name in room.imports}
    lanes: dict[str, float] = {
        name: CARDS + 30 + LANE * number for number, name in enumerate(filter(imported.__contains__, house.rooms))
    }
    y: float = TOP
    begins: dict[str, float] = {}
    dots: list[tuple[float, float]] = []
    ends: dict[str, float] = {}
    texts: list[tuple[Room, float]] = []
    for floor in house.floors:
        heights = [_height(house.rooms[name]) for name in floor]
        picture.rect("floor", 12, y, CARDS - 12, sum(heights) + 6)
        top = y + 3
        for name, height in zip(floor, heights, strict=True):
            room = house.rooms[name]
            texts.append((room, top))
            ends[name] = top + 11
            out = top + min(height - 6, 22)
            targets = [lanes[other] for other in room.imports]
            if targets:
                picture.path("guide", (CARDS, out), (max(targets), out))
            for other in sorted(room.imports):
                begins.setdefault(other, out)
                dots.append((lanes[other], out))
            top += height
        y = top + 3 + 5
    for name, x in lanes.items():
        picture.arrow("lane", (x, begins[name]), (x, ends[name]), (CARDS + 1, ends[name]), head="lanehead")
    for x, out in dots:
        picture.dot("dot", x, out)
    for room, top in texts:
        _write(picture, room, top)
    return picture.svg(WIDTH, y + 8)


def _modules(room: Room) -> list[str]:
    inside = ABOVE.join(BESIDE.join(floor) for floor in room.floors)
    return wrapped(inside, RIGHT - TEXT, 11.5, mono=True)


def _height(room: Room) -> float:
    return 14 + 17 * len(wrapped(room.purpose, RIGHT - TEXT)) + 15 * len(_modules(room))


def _write(picture: Picture, room: Room, top: float) -> None:
    purpose = wrapped(room.purpose, RIGHT - TEXT)
    picture.text("name", NAME - 8, top + 19, room.name)
    picture.column("", TEXT, top + 19, purpose)
    picture.column("code", TEXT, top + 19 + 17 * len(purpose), _modules(room), 15)


assert NAME + len("opentelemetry") * 14 * MONO < TEXT
