"""Faults of what maintenance finds, of counters, and of how hooks are called and how long a caller waits."""

from __future__ import annotations

from .fault import fault
from .scenarios import scenario

OF_SWEEPS = (
    fault(
        "what was lent and returned while it was judged is closed as idle for too long",
        "_ledger.sweeps",
        "                if policy.on_idle(now - entry.last_ret, limit, spare=spare) is Verdict.KEEP:\n",
        "                if False:\n",
        in_=scenario("borrow expire", 1, idle=1),
    ),
    fault(
        "what was lent and returned while it was judged is not put back",
        "_ledger.sweeps",
        "                    shelf.appendleft(entry)\n",
        "",
        in_=scenario("borrow expire", 1, idle=1),
    ),
    fault(
        "it is forgotten that what is judged may be lent meanwhile",
        "_ledger.sweeps",
        "                except IndexError:  # it was lent between two of these lines\n                    break\n",
        "                except KeyError:\n                    break\n",
        in_=scenario("borrow expire", 1, idle=1),
    ),
    fault(
        "at the end of a lifetime its return is not made slow",
        "_ledger.sweeps",
        "        entry.slow_return_at_use = 0\n        found",
        "        found",
        in_="ret life",
    ),
    fault(
        "what is neither idle nor in use at the end of its lifetime is not looked at again",
        "_ledger.sweeps",
        "        return math.inf if found else entry.expires\n",
        "        return math.inf\n",
        in_="ret life",
    ),
    fault(
        "who ends a lifetime does not lock what is in use before he looks there",
        "_ledger.shelves",
        "        self.using.pop(0, None)\n",
        "",
        in_=scenario("ret life", 2, idle=1),
        stale_reads=True,
    ),
    fault(
        "a drain does not make returns slow",
        "_ledger.sweeps",
        "        ledger.shelves.make_returns_slow()\n",
        "",
        in_="drain ret",
    ),
    fault(
        "a drain believes an emptiness that may be out of date",
        "_ledger.sweeps",
        "            for entry in snapshot(shelf):\n",
        "            for entry in snapshot(shelf) if shelf else ():\n",
        in_="drain ret",
        stale_reads=True,
    ),
    fault(
        "a drain believes a length that may be out of date",
        "_ledger.sweeps",
        "            for entry in snapshot(shelf):\n",
        "            for entry in snapshot(shelf) if len(shelf) else ():\n",
        in_="drain ret",
        stale_reads=True,
    ),
    fault(
        "a close believes an emptiness that may be out of date",
        "_ledger.shelves",
        "                while True:\n                    found.append(shelf.pop())\n",
        "                while shelf:\n                    found.append(shelf.pop())\n",
        in_="close ret",
        stale_reads=True,
    ),
    fault(
        "who finds that loans are quick again does not look whether a lifetime has ended",
        "_engine.loans",
        "quick_gets_until or entry.last_get >= entry.expires:",
        "quick_gets_until:",
        in_=scenario("borrow life", 1, idle=1),
    ),
    fault(
        "who turns down what was killed meanwhile ends it as well",
        "_ledger.ledger",
        "        return self.shelves.end_loan(entry, use) and self.places.retire(entry, why)",
        "        return self.shelves.end_loan(entry, use) or self.places.retire(entry, why) or True",
        in_=scenario("unfit life", 1, idle=1, old=True),
    ),
    fault(
        "a lease does not count what it takes without the lock",
        "_ledger.shelves",
        "        entry.uses += 1\n        if receipt",
        "        if receipt",
        in_=scenario("lease ret", 2, idle=1),
    ),
    fault(
        "closers are not counted at a kill",
        "_ledger.places",
        "        self.ndestroys += entry.stage is not CREATING\n",
        "        self.ndestroys += entry.stage is not CREATING and entry.reason != 'killed'\n",
        in_=scenario("borrow kill", 1),
    ),
    fault(
        "who gives up although he was woken is not counted",
        "_ledger.ledger",
        "        self.ntimeouts += waiter.timed_out\n",
        "        self.ntimeouts += waiter.timed_out and not waiter.woken\n",
        in_=scenario("timeout ret pass", 1),
    ),
    fault(
        "closers are called with the lock held",
        "_engine.objects",
        "            closing = self._hooks.close(entry)\n",
        "            closing = self._guard.locked(self._hooks.close, entry)\n",
        in_="borrow discard",
    ),
    fault(
        "a check before a loan is called with the lock held",
        "_engine.checks",
        "            healthy = self._hooks.check(entry)\n",
        "            healthy = self._ledger and self._returns._guard.locked(self._hooks.check, entry)\n",
        in_=scenario("fit fit", 1, idle=1),
    ),
    fault(
        "who waits sleeps for twice as long as he may",
        "_engine.waits",
        "            slept = waiter.sleeper.sleep(None if left == math.inf else left)\n",
        "            slept = waiter.sleeper.sleep(None if left == math.inf else 2 * left)\n",
        in_=scenario("timeout maintain", 1, kept=1),
    ),
)
