"""One storm of cancellations over one kind of pool: `python -m benchmarks.asynchronous.storm_process LOOP POOL …`.

The same seed gives the same storm, as far as a pool does not go by the clock.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from time import perf_counter

from benchmarks.asynchronous.loops import LOOPS
from benchmarks.contenders.asynchronous import POOLS, RESET, Build, Connect, Contender, opened

TASKS = 64
OBJECTS = 8
PATIENCE = 0.5
"""Seconds without a loan after which tasks hang."""
LOANS_PER_CANCELLATION = 2
"""Beside some at the beginning, while objects are created. Cancellations go by loans, so that they stop with
them: a cancellation might wake whoever hangs."""
BUILDS: Mapping[str, Build] = {**POOLS, **RESET}
HELD_TO_TARGETS = ("ours", *RESET)


@dataclass
class Damage:
    """What a storm did. All but the first two are losses."""

    loans: int = 0
    cancellations: int = 0
    lost_objects: int = 0
    lost_cancellations: int = 0
    errors: int = 0
    hung: int = 0
    lost_places: int = 0

    @property
    def all_lost(self) -> int:
        """The sum of the losses."""
        return self.lost_objects + self.lost_cancellations + self.errors + self.hung + self.lost_places


class Worker:
    """A task that borrows until there have been enough loans, or it is cancelled."""

    def __init__(self, storm: Storm) -> None:
        self._storm = storm
        self._cancelled = False
        self.task = asyncio.create_task(self._work())

    def cancel(self) -> bool:
        """Cancel it, once: the next time it runs, it has to be told. Returns whether that is to be expected."""
        if self._cancelled or self.task.done():
            return False
        self._cancelled = True
        return self.task.cancel()

    async def _work(self) -> None:
        storm = self._storm
        try:
            while storm.begun < storm.loans:
                async with storm.pool.loan():
                    self._go_on()
                    storm.begun += 1
                    for _ in range(storm.random.randrange(4)):
                        await asyncio.sleep(0)
                self._go_on()
        except asyncio.CancelledError:
            if not self._cancelled and not storm.over:
                storm.damage.errors += 1  # nobody has cancelled it
        except Exception:
            storm.damage.errors += 1
            self._go_on()

    def _go_on(self) -> None:
        """Note that it goes on though it was cancelled, if so."""
        if self._cancelled:
            self._storm.damage.lost_cancellations += 1
            self._cancelled = False


class Storm:
    """A storm over one pool."""

    def __init__(self, pool: Contender, connect: Connect, loans: int, chance: random.Random, damage: Damage) -> None:
        self.pool = pool
        self.loans = loans
        self.random = chance
        self.damage = damage
        self.begun = 0
        self.cancelled = 0
        self.over = False
        self._connect = connect

    async def run(self) -> None:
        """Cancel tasks until there have been enough loans, or there are none any more; then see what is left."""
        workers = [Worker(self) for _ in range(TASKS)]
        begun, since = 0, perf_counter()
        while self.begun < self.loans and perf_counter() - since < PATIENCE:
            if self.begun > begun:
                begun, since = self.begun, perf_counter()
            if self.cancelled * LOANS_PER_CANCELLATION <= self.begun + TASKS:
                self.cancelled += self.random.choice(workers).cancel()
                workers = [Worker(self) if worker.task.done() else worker for worker in workers]
            await asyncio.sleep(0)
        _, hung = await asyncio.wait([worker.task for worker in workers], timeout=PATIENCE)
        self.over = True
        for task in hung:
            task.cancel()
        if hung:
            await asyncio.wait(hung, timeout=PATIENCE)
        self.damage.loans += self.begun
        self.damage.cancellations += self.cancelled
        self.damage.hung += len(hung)
        self.damage.lost_objects += await self._lost_objects()
        self.damage.lost_places += OBJECTS - await self._loans_at_once()

    async def _lost_objects(self) -> int:
        """Count the objects that are neither closed nor idle, when all that goes on without tasks has ended."""
        end = perf_counter() + PATIENCE
        while (lost := self._connect.created - self._connect.closed - await self.pool.idle()) and perf_counter() < end:
            await asyncio.sleep(0.001)
        return lost

    async def _loans_at_once(self) -> int:
        """Count the objects that the pool can lend."""
        lent = 0
        everyone = asyncio.Event()

        async def live() -> None:
            nonlocal lent
            async with self.pool.loan():
                lent += 1
                if lent == OBJECTS:
                    everyone.set()
                await everyone.wait()

        tasks = [asyncio.create_task(live()) for _ in range(OBJECTS)]
        _, hung = await asyncio.wait(tasks, timeout=PATIENCE)
        for task in hung:
            task.cancel()
        return lent


async def storms(build: Build, pools: int, loans: int) -> Damage:
    """Storm over some pools, one after the other, each a new one."""
    damage = Damage()
    chance = random.Random(1)
    for _ in range(pools):
        connect = Connect(creation=0.001, answer=0)
        pool = await opened(build, connect, OBJECTS, warm=False)
        await Storm(pool, connect, loans, chance, damage).run()
    return damage


def main(kind: str, name: str, pools: str, loans: str) -> None:
    """Storm, and say what came of it."""
    loop = LOOPS[kind]()
    damage = loop.run_until_complete(storms(BUILDS[name], int(pools), int(loans)))
    print(json.dumps(asdict(damage)), flush=True)
    os._exit(0)  # what hangs does not keep the process


if __name__ == "__main__":
    main(*sys.argv[1:])
