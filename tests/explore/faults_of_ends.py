"""Faults of closes, drains, kills, leases that are dropped, and bounds."""

from __future__ import annotations

from .fault import fault
from .scenarios import scenario

OF_ENDS = (
    fault(
        "a close wakes nobody",
        "_ledger.queue",
        """\
        self.wake_all()
        self.queue.clear()
""",
        """\
        self.queue.clear()
""",
        in_="borrow close ret",
    ),
    fault(
        "a close leaves those who wait to their timeouts",
        "_ledger.queue",
        """\
        self.wake_all()
        self.queue.clear()
""",
        """\
        self.queue.clear()
""",
        in_=scenario("timeout close", 1, kept=1),
    ),
    fault(
        "who queues does not look whether the pool is closed",
        "_ledger.ledger",
        """\
        if self.closed:
            raise LedgerClosed
        entry = self._take_any(now, waiter)
""",
        """\
        entry = self._take_any(now, waiter)
""",
        in_="borrow close ret",
    ),
    fault(
        "who was woken does not look whether the pool is closed",
        "_ledger.ledger",
        """\
        if self.closed:
            raise LedgerClosed
        entry = waiter.handed
""",
        """\
        entry = waiter.handed
""",
        in_="borrow close ret",
    ),
    fault(
        "what is returned during a close stays",
        "_ledger.ledger",
        "        return self.shelves.take_out_late_return(entry) and",
        "        return False and",
        in_="close ret",
    ),
    fault(
        "a close does not make returns slow",
        "_ledger.shelves",
        """\
        self.make_returns_slow()
        if not isinstance""",
        """\
        if not isinstance""",
        in_="close ret",
    ),
    fault(
        "of two returns both win",
        "_pool.pool",
        """\
        entry = shelves.using.pop(id(obj), None)
        if entry is None:
            run_rest""",
        """\
        entry = shelves.using.get(id(obj))
        shelves.using.pop(id(obj), None)
        if entry is None:
            run_rest""",
        in_=scenario("twice twice", 1),
    ),
    fault(
        "what was handed to one who gives up is forgotten",
        "_ledger.ledger",
        "        entry = waiter.lent or waiter.handed\n",
        "        entry = waiter.lent\n",
        in_=scenario("timeout discard pass", 1),
    ),
    fault(
        "what is lent during a drain is not looked at",
        "_engine.loans",
        "        if entry.last_get >= self._shelves.quick_gets_until or entry.last_get >= entry.expires:",
        "        if False:",
        in_="drain ret timeout",
        hidden=True,
    ),
    fault(
        "a lease that was dropped asks nobody to look",
        "_engine.core",
        """\
        self.returns.note_dropped(entry, use, quietly=quietly)
        self.scheduler.request_look(self)""",
        """\
        self.returns.note_dropped(entry, use, quietly=quietly)
        """,
        in_="borrow drop",
    ),
    fault(
        "a loan that came back meanwhile is killed",
        "_ledger.sweeps",
        """\
                    if ledger.shelves.using.pop(key, None) is None:
                        continue  # it was returned just now
""",
        """\
                    ledger.shelves.using.pop(key, None)
""",
        in_=scenario("ret maintain", 1, old=True),
    ),
    fault(
        "a loan that has begun just now is killed",
        "_ledger.sweeps",
        "                    if entry.uses != loan.use:\n",
        "                    if False:\n",
        in_=scenario("ret borrow maintain", 1, old=True),
        hidden=True,
    ),
    fault(
        "a return does not look again for what maintenance has in hand",
        "_engine.returns",
        "                entry = self._guard.locked(self._shelves.using.pop, id(obj), None)\n",
        "                pass\n",
        in_=scenario("ret borrow maintain", 1, old=True),
        hidden=True,
    ),
    fault(
        "there is room for one more",
        "_ledger.places",
        "        return bound is None or len(self._taken) < bound\n",
        "        return bound is None or len(self._taken) <= bound\n",
        in_="borrow ret",
    ),
    fault(
        "a larger pool wakes nobody",
        "_engine.operations",
        "        return self._sweeps.prune(self._clock())\n",
        "        return []\n",
        in_=scenario("borrow grow", 1, kept=1),
    ),
)
