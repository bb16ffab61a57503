"""``python -m tests.unit.scripts.probe_greenlets gevent|eventlet EVERY``: probes inside and outside a greenlet.

Tries one pair of an object and an operation in EVERY, and prints where a proxy makes a difference.
"""

from __future__ import annotations

import importlib
import sys
import warnings

from ProxyPatternPool._scope.select import Scope
from tests.unit.probes.compare import differences
from tests.unit.probes.covers import each

if __name__ == "__main__":
    library = sys.argv[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the library itself, as it is imported
        green = importlib.import_module(library)
    scope = Scope[library.upper()]

    def probe(first: int) -> None:
        for difference in differences(lambda: each(scope), first=first, every=int(sys.argv[2])):
            print(difference)

    probe(0)
    greenlet = green.spawn(probe, 1 % int(sys.argv[2]))
    (greenlet.get if library == "gevent" else greenlet.wait)()
    print("compared")
