"""What one thread does to a pool that others use at the same time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .world import LIFETIME, Thing, World


@dataclass(frozen=True)
class Operation:
    """What one thread does, and what has to be there before."""

    name: str
    job: Callable[[World], object]
    lent: int = 0
    """Objects that it was lent with ``get``."""
    leased: int = 0
    """Objects that it was lent with ``lease``."""
    shared: bool = False
    """Whether it gives back an object that all such operations share."""
    checked: bool = False
    """Whether the pool has a health check."""
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    """What the pool needs to be told for this."""


LONG = 10.0
"""Seconds after which a loan is too long, or an object idle for too long, where that has a limit."""
PATIENCE = 1.0
"""Seconds after which who waits with a timeout gives up."""
PASSES = 1.5
"""Seconds that pass at once, while others are in the middle of something."""


def borrow(world: World) -> None:
    thing = world.lend(world.pool.get)
    if thing is not None:
        world.end_use(thing)
        world.pool.ret(thing)


def borrow_for_a_while(world: World) -> None:
    thing = world.lend(lambda: world.pool.get(PATIENCE), PATIENCE)
    if thing is not None:
        world.end_use(thing)
        world.pool.ret(thing)


def borrow_in_block(world: World) -> None:
    block = world.pool.obj()
    thing = world.lend(block.__enter__)
    if thing is not None:
        world.end_use(thing)
        block.__exit__(None, None, None)


def borrow_with_lease(world: World) -> None:
    leases: list[Any] = []

    def get() -> Thing:
        leases.append(world.pool.lease())
        thing: Thing = leases[0].obj
        return thing

    thing = world.lend(get)
    if thing is not None:
        world.end_use(thing)
        leases[0].release()


def give_back(world: World) -> None:
    thing = world.lent.pop()
    world.end_use(thing)
    world.pool.ret(thing)


def give_back_twice(world: World) -> None:
    """Give back what others give back as well: who comes second is told so in the log."""
    world.shared.users = 0
    world.pool.ret(world.shared)


def discard(world: World) -> None:
    thing = world.lent.pop()
    world.end_use(thing)
    world.pool.discard(thing)


def release(world: World) -> None:
    lease = world.leases.pop()
    world.end_use(lease.obj)
    lease.release()


def drop(world: World) -> None:
    lease = world.leases.pop()
    world.end_use(lease.obj)
    del lease


def close(world: World) -> None:
    world.pool.shutdown()
    world.closed = True


def drain(world: World) -> None:
    before = list(world.alive)
    world.pool.drain()
    for thing in before:
        thing.stale = True


def clear(world: World) -> None:
    world.pool.clear()


def shrink(world: World) -> None:
    world.pool.resize(max_size=1)


def grow(world: World) -> None:
    world.bound += 1
    world.pool.resize(max_size=world.bound)


def maintain(world: World) -> None:
    """What the scheduler's thread does, and a worker."""
    world.core.run_due()
    world.core.run_chores()


def kill(world: World) -> None:
    """The same while a loan has taken too long; nobody gives that object back."""
    maintain(world)


def housekeep(world: World) -> None:
    world.pool.housekeep()


def borrow_in_outage(world: World) -> None:
    """Borrow while the factory fails once, for whoever comes to it."""
    world.failures += 1
    borrow(world)


def let_time_pass(world: World) -> None:
    world.let_time_pass(PASSES)


def end_lifetimes(world: World) -> None:
    """Have the lifetimes of all objects end, and do maintenance."""
    world.let_time_pass(LIFETIME)
    maintain(world)


def borrow_in_bad_health(world: World) -> None:
    """Borrow while a health check says no once, to whoever comes to it."""
    world.illnesses += 1
    borrow(world)


OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation("borrow", borrow),
        Operation("block", borrow_in_block),
        Operation("lease", borrow_with_lease),
        Operation("timeout", borrow_for_a_while),
        Operation("ret", give_back, lent=1),
        Operation("discard", discard, lent=1),
        Operation("release", release, leased=1),
        Operation("drop", drop, leased=1),
        Operation("close", close),
        Operation("drain", drain),
        Operation("clear", clear),
        Operation("shrink", shrink),
        Operation("grow", grow),
        Operation("maintain", maintain),
        Operation("housekeep", housekeep),
        Operation("twice", give_back_twice, shared=True),
        Operation("pass", let_time_pass),
        Operation("outage", borrow_in_outage),
        Operation("wear", give_back, lent=1, parameters={"max_use": 1}),
        Operation("check", housekeep, checked=True),
        Operation("fit", borrow, checked=True, parameters={"health_before_get": 0.0}),
        Operation("unfit", borrow_in_bad_health, checked=True, parameters={"health_before_get": 0.0}),
        Operation("kill", kill, lent=1, parameters={"max_using_delay_kill": LONG}),
        Operation("expire", maintain, parameters={"max_avail_delay": LONG, "min_size": 0}),
        Operation("life", end_lifetimes, parameters={"max_lifetime": LIFETIME}),
    )
}
