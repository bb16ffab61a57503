"""``SECONDS=… SEED=… THREADS=… python -m tests.stress [threads] [asyncio] [trio] [uvloop]``"""

import os
import random
import sys
from importlib.util import find_spec

from .demanded import enough, missing
from .memory import LONG, MOST, STATUS, Memory
from .run import THREADS, stress
from .storm import FLAVOURS, storm

seconds = float(os.environ.get("SECONDS", "20"))
seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 31))
threads = int(os.environ.get("THREADS") or THREADS)


def run(kind: str) -> dict[str, int]:
    """Do it, and say how often what was done."""
    return stress(seconds, seed, threads) if kind == "threads" else storm(kind, seconds, seed)


grown: list[str] = []
never: list[str] = []
for kind in sys.argv[1:] or ("threads", *FLAVOURS):
    if kind == "uvloop" and find_spec(kind) is None:
        print("uvloop is not installed here")
        continue
    crowd = f", {threads} threads" if kind == "threads" else ""
    print(f"stress of {kind} for {seconds:g} s{crowd}; replay with SEED={seed}", flush=True)
    if seconds < LONG or not STATUS.exists():
        did = run(kind)
    else:
        memory = Memory(seconds)
        with memory.watched():
            did = run(kind)
        for what, (first, last) in memory.growth().items():
            print(f"{first:>10,} {what} after a sixth of the time, {last:,} at its end")
        grown += [f"{kind}: {what}" for what in memory.grown()]
    for what, times in sorted(did.items()):
        print(f"{times:>10,} {what}", flush=True)
    if seconds >= enough(kind) and (lacking := missing(kind, seconds, did)):
        never.append(f"{kind}: {', '.join(lacking)}")
if never:
    sys.exit(f"never in this run: {'; '.join(never)}")
if grown:
    sys.exit(f"more than {MOST:.0%} more memory is needed in the end: {', '.join(grown)}")
