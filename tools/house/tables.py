"""The tables of ``docs/house.md``."""

from collections.abc import Iterator

from .sources import House, Module, Room


def sizes(house: House) -> Iterator[str]:
    """How large the rooms are."""
    yield "| room | files | lines | functions | largest file (lines) | largest class (methods) |"
    yield "| --- | --: | --: | --: | --- | --- |"
    for room in house.rooms.values():
        yield _size(f"`{room.name}`", room.modules)
    yield _size("all", [module for room in house.rooms.values() for module in room.modules])


def _size(name: str, modules: list[Module]) -> str:
    lines = sum(module.lines for module in modules)
    functions = sum(module.functions for module in modules)
    largest = max(modules, key=lambda module: module.lines)
    most = max((each for module in modules for each in module.classes()), key=lambda each: each[1], default=None)
    largest_class = "" if most is None else f"`{most[0]}` ({most[1]})"
    return (
        f"| {name} | {len(modules)} | {lines:,} | {functions:,} "
        f"| `{largest.name}` ({largest.lines}) | {largest_class} |"
    )


def modules(house: House) -> Iterator[str]:
    """What each module is for, as its docstring says."""
    for room in house.rooms.values():
        yield from _room(room)


def _room(room: Room) -> Iterator[str]:
    yield f"- `{room.name}`: {room.purpose}"
    for floor in room.floors:
        for name in floor:
            module = next(each for each in room.modules if each.name == name)
            yield f"  - `{name}`: {module.purpose}"
