"""Faults that the explorer has to find: each changes some text of the library, and breaks what is promised."""

from __future__ import annotations

from dataclasses import dataclass

from .library import Mutation
from .scenarios import Scenario, scenario


@dataclass(frozen=True)
class Fault:
    """A fault, and a scenario in which it shows."""

    mutation: Mutation
    scenario: Scenario
    stale_reads: bool = False
    """Whether it only shows where a thread may read what is out of date."""
    hidden: bool = False
    """Whether it takes thousands of schedules to find it."""


def _fault(
    name: str,
    module: str,
    before: str,
    after: str,
    *,
    in_: Scenario | str,
    stale_reads: bool = False,
    hidden: bool = False,
) -> Fault:
    found = scenario(in_, 1) if isinstance(in_, str) else in_
    return Fault(Mutation(name, module, before, after), found, stale_reads, hidden)


_RET = """\
        shelves.idle.append(entry)
        if now >= shelves.quick_rets_until:
            run_rest(self._core.returns.follow_up(entry, NEEDS_SETTLE))
"""
_QUEUE = """\
            self.shelves.quick_rets_until = NEVER
            self.waiters.join(waiter, now, in_front=retry)
            entry = self._take_any(now, waiter)
"""

FAULTS = (
    _fault(
        "ret looks whether somebody waits before it appends",
        "_pool.pool",
        _RET,
        """\
        slow = now >= shelves.quick_rets_until
        shelves.idle.append(entry)
        if slow:
            run_rest(self._core.returns.follow_up(entry, NEEDS_SETTLE))
""",
        in_="borrow ret",
    ),
    _fault(
        "release looks whether somebody waits before it appends",
        "_ledger.shelves",
        """\
            return NEEDS_SLOW_PATH
        self.idle.append(entry)
        return NEEDS_SETTLE if now >= self.quick_rets_until else None

    def put_after_retter""",
        """\
            return NEEDS_SLOW_PATH
        slow = now >= self.quick_rets_until
        self.idle.append(entry)
        return NEEDS_SETTLE if slow else None

    def put_after_retter""",
        in_="borrow release",
    ),
    _fault(
        "the end of a block does not look again",
        "_pool.lease",
        """\
            if now >= shelves.quick_rets_until:
                run_rest(core.returns.follow_up(entry, NEEDS_SETTLE))
""",
        "",
        in_="block block",
    ),
    _fault(
        "who queues does not look a second time",
        "_ledger.ledger",
        _QUEUE,
        """\
            self.shelves.quick_rets_until = NEVER
            self.waiters.join(waiter, now, in_front=retry)
""",
        in_="borrow ret",
    ),
    _fault(
        "who queues looks first, and makes returns slow afterwards",
        "_ledger.ledger",
        _QUEUE,
        """\
            self.waiters.join(waiter, now, in_front=retry)
            entry = self._take_any(now, waiter)
            self.shelves.quick_rets_until = NEVER
""",
        in_="borrow ret",
    ),
    _fault(
        "who queues does not make returns slow",
        "_ledger.ledger",
        _QUEUE,
        """\
            self.waiters.join(waiter, now, in_front=retry)
            entry = self._take_any(now, waiter)
""",
        in_="borrow ret",
    ),
    _fault(
        "a hand-over forgets to wake",
        "_ledger.queue",
        "            heard = waiter.wake()\n",
        "            heard = True\n",
        in_="borrow discard",
    ),
    _fault(
        "nobody is woken for an idle object",
        "_ledger.ledger",
        "            self.waiters.wake_first(idle or 1)\n",
        "            pass\n",
        in_="borrow ret",
    ),
    _fault(
        "who gives up although he was woken wakes nobody else",
        "_ledger.ledger",
        """\
            self.serve_waiters(now)  # it may have been woken for an idle entry: wake another
""",
        """\
            pass
""",
        in_=scenario("timeout borrow ret pass", 1),
    ),
    _fault(
        "a place that comes free is given to nobody",
        "_ledger.ledger",
        """\
        permit = self.permits.for_waiters(now, waiting)
        self.serve_waiters(now)
        return permit
""",
        """\
        return self.permits.for_waiters(now, waiting)
""",
        in_="borrow discard",
    ),
    _fault(
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
    _fault(
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
    _fault(
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
    _fault(
        "what is returned during a close stays",
        "_ledger.ledger",
        "        return self.shelves.take_out_late_return(entry) and",
        "        return False and",
        in_="close ret",
    ),
    _fault(
        "a close does not make returns slow",
        "_ledger.shelves",
        """\
        self.quick_rets_until = NEVER
        if not isinstance""",
        """\
        if not isinstance""",
        in_="close ret",
    ),
    _fault(
        "an idle object is looked at, and then taken",
        "_pool.pool",
        "            entry = shelves.idle.pop()\n",
        """\
            entry = shelves.idle[-1]
            shelves.idle.pop()
""",
        in_=scenario("borrow borrow", 2, idle=2),
    ),
    _fault(
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
    _fault(
        "what was handed to one who gives up is forgotten",
        "_ledger.ledger",
        "        entry = waiter.lent or waiter.handed\n",
        "        entry = waiter.lent\n",
        in_=scenario("timeout discard pass", 1),
    ),
    _fault(
        "what is lent during a drain is not looked at",
        "_engine.loans",
        "        if entry.last_get >= self._shelves.quick_gets_until:\n",
        "        if False:\n",
        in_="drain ret timeout",
        hidden=True,
    ),
    _fault(
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
    _fault(
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
    _fault(
        "a loan that has begun just now is killed",
        "_ledger.sweeps",
        "                    if entry.uses != loan.use:\n",
        "                    if False:\n",
        in_=scenario("ret borrow maintain", 1, old=True),
        hidden=True,
    ),
    _fault(
        "a return does not look again for what maintenance has in hand",
        "_engine.returns",
        "                entry = self._guard.locked(self._shelves.using.pop, id(obj), None)\n",
        "                pass\n",
        in_=scenario("ret borrow maintain", 1, old=True),
        hidden=True,
    ),
    _fault(
        "what has passed the checks that are under way is not found",
        "_ledger.ledger",
        "            if not checked:\n",
        "            if True:\n",
        in_=scenario("borrow check", 1, idle=1),
    ),
    _fault(
        "there is room for one more",
        "_ledger.places",
        "        return bound is None or len(self._taken) < bound\n",
        "        return bound is None or len(self._taken) <= bound\n",
        in_="borrow ret",
    ),
    _fault(
        "a larger pool wakes nobody",
        "_engine.operations",
        "        return self._sweeps.prune(self._clock())\n",
        "        return []\n",
        in_=scenario("borrow grow", 1, kept=1),
    ),
    _fault(
        "who has waited longest is the last to be served",
        "_ledger.queue",
        "            self.queue.append(waiter)\n",
        "            self.queue.appendleft(waiter)\n",
        in_=scenario("borrow borrow ret pass", 1),
    ),
    _fault(
        "an emptiness that may be out of date is believed",
        "_ledger.ledger",
        """\
            entry = self.shelves.idle.pop()
        except IndexError:
            if not checked:
""",
        """\
            entry = self.shelves.idle.pop() if self.shelves.idle else None
        except IndexError:
            entry = None
        if entry is None:
            if not checked:
""",
        in_="borrow ret",
        stale_reads=True,
    ),
)
