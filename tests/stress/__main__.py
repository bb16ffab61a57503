"""``SECONDS=… SEED=… python -m tests.stress``"""

import os
import random

from .run import stress

seconds = float(os.environ.get("SECONDS", "20"))
seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 31))
print(f"stress for {seconds:g} s; replay with SEED={seed}", flush=True)
for what, times in sorted(stress(seconds, seed).items()):
    print(f"{times:>10,} {what}")
