"""Faults of what callers do who wait, and of those who serve them."""

from __future__ import annotations

from .fault import fault
from .scenarios import scenario

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
_BESIDE = """\
        shelves.idle.append(entry)
        waiter = self.waiters.oldest_thread()
        if waiter is None or waiter.sleeper is None or now >= shelves.unlocked_rets_until:
            return NEEDS_SETTLE
        # That it was woken is not noted, which would take the lock.
        return None if waiter.sleeper.wake() else NEEDS_SETTLE
"""

OF_WAITING = (
    fault(
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
    fault(
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
    fault(
        "the end of a block does not look again",
        "_pool.lease",
        """\
            if now >= shelves.quick_rets_until:
                run_rest(core.returns.follow_up(entry, NEEDS_SETTLE))
""",
        "",
        in_="block block",
    ),
    fault(
        "who queues does not look a second time",
        "_ledger.ledger",
        _QUEUE,
        """\
            self.shelves.quick_rets_until = NEVER
            self.waiters.join(waiter, now, in_front=retry)
""",
        in_="borrow ret",
    ),
    fault(
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
    fault(
        "who queues does not make returns slow",
        "_ledger.ledger",
        _QUEUE,
        """\
            self.waiters.join(waiter, now, in_front=retry)
            entry = self._take_any(now, waiter)
""",
        in_="borrow ret",
    ),
    fault(
        "a hand-over forgets to wake",
        "_ledger.queue",
        "            heard = waiter.wake()\n",
        "            heard = True\n",
        in_="borrow discard",
    ),
    fault(
        "a hand-over to a caller with a timeout forgets to wake",
        "_ledger.queue",
        "            heard = waiter.wake()\n",
        "            heard = True\n",
        in_="timeout discard",
    ),
    fault(
        "nobody is woken for an idle object",
        "_ledger.ledger",
        "            self.waiters.wake_first(idle or 1)\n",
        "            pass\n",
        in_="borrow ret",
    ),
    fault(
        "a return beside a waiter wakes nobody",
        "_ledger.ledger",
        "        return None if waiter.sleeper.wake() else NEEDS_SETTLE\n",
        "        return None\n",
        in_="borrow ret",
    ),
    fault(
        "a return beside a waiter wakes who was the oldest before it",
        "_ledger.ledger",
        """\
        shelves.idle.append(entry)
        waiter = self.waiters.oldest_thread()
""",
        """\
        shelves.idle.append(entry)
""",
        in_=scenario("timeout borrow ret pass", 1),
    ),
    fault(
        "a return beside a waiter wakes the oldest, and then appends",
        "_ledger.ledger",
        _BESIDE,
        """\
        if waiter.sleeper is None or now >= shelves.unlocked_rets_until:
            return NEEDS_SETTLE
        waiter.sleeper.wake()
        shelves.idle.append(entry)
        return None
""",
        in_="borrow ret",
    ),
    fault(
        "a return beside a waiter does not look whether the pool was closed meanwhile",
        "_ledger.ledger",
        "        if waiter is None or waiter.sleeper is None or now >= shelves.unlocked_rets_until:\n",
        "        if waiter is None or waiter.sleeper is None:\n",
        in_="borrow ret close",
    ),
    fault(
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
    fault(
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
    fault(
        "an idle object is looked at, and then taken",
        "_pool.pool",
        "            entry = shelves.idle.pop()\n",
        """\
            entry = shelves.idle[-1]
            shelves.idle.pop()
""",
        in_=scenario("borrow borrow", 2, idle=2),
    ),
    fault(
        "what has passed the checks that are under way is not found",
        "_ledger.ledger",
        "            if not checked:\n",
        "            if True:\n",
        in_=scenario("borrow check", 1, idle=1),
    ),
    fault(
        "who has waited longest is the last to be served",
        "_ledger.queue",
        "            self.queue.append(waiter)\n",
        "            self.queue.appendleft(waiter)\n",
        in_=scenario("borrow borrow ret pass", 1),
    ),
    fault(
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
