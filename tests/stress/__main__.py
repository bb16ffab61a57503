"""``SECONDS=… SEED=… python -m tests.stress [threads] [asyncio] [trio] [uvloop]``"""

import os
import random
import sys
from importlib.util import find_spec

from .run import stress
from .storm import FLAVOURS, storm

seconds = float(os.environ.get("SECONDS", "20"))
seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 31))
for kind in sys.argv[1:] or ("threads", *FLAVOURS):
    if kind == "uvloop" and find_spec(kind) is None:
        print("uvloop is not installed here")
        continue
    print(f"stress of {kind} for {seconds:g} s; replay with SEED={seed}", flush=True)
    for what, times in sorted((stress(seconds, seed) if kind == "threads" else storm(kind, seconds, seed)).items()):
        print(f"{times:>10,} {what}")
