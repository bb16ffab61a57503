"""What house keeping finds, expired, long-used and unhealthy entries, and what operators order to go.

Called with the lock held.
"""

import math
import weakref
from collections import deque
from dataclasses import dataclass
from traceback import StackSummary
from typing import Generic, TypeVar

from .._config import PoolConfig
from .._observer import DiscardReason
from .._runtime.owner import Owner
from .._runtime.races import remove, snapshot
from . import policy
from .entry import LIVE, Entry
from .ledger import Ledger
from .policy import Verdict
from .shelves import NEVER

T = TypeVar("T")

IN_TRANSIT = 1.0
"""Seconds until the next look at an entry whose lifetime ended while it was neither idle nor lent."""


@dataclass(frozen=True)
class Loan(Generic[T]):
    """One loan, as it was when it was looked at."""

    entry: Entry[T]
    use: int
    owner: Owner | None
    since: float
    stack: StackSummary | None


def read_loan(ledger: Ledger[T], entry: Entry[T]) -> Loan[T] | None:
    """Read the loan of an entry found among those lent; ``None`` if it has changed hands meanwhile.

    ``take`` writes the time and the owner before it counts the use, and enters the loan last, all without the lock. So
    what is still entered here, at the same use as before, has not changed hands while it was read. The stack is noted
    later: until then there is that of the loan before.
    """
    use = entry.uses
    loan = Loan(entry, use, entry.owner, entry.last_get, entry.stack if entry.stack_use == use else None)
    return loan if ledger.using.get(entry.key) is entry and entry.uses == use else None


class Findings(Generic[T]):
    """What a round found. Expired and killed entries are to be closed, the warned only spoken of."""

    def __init__(self) -> None:
        self.expired: list[Entry[T]] = []
        self.warned: list[Loan[T]] = []
        self.killed: list[Loan[T]] = []
        self.deadline: float | None = None

    def look_again_by(self, time: float) -> None:
        """Note when something else may be due."""
        self.deadline = time if self.deadline is None else min(self.deadline, time)


class Sweeps(Generic[T]):
    """The house keeper's way through a ledger."""

    def __init__(self, config: PoolConfig, ledger: Ledger[T]) -> None:
        self._config = config
        self._ledger = ledger
        self._in_check: weakref.WeakSet[Entry[T]] = weakref.WeakSet()  # weak: one may be lost to an interruption
        self.nhealth = 0

    def sweep(self, now: float, no_kill_before: float = NEVER) -> Findings[T]:
        """Expire, warn and kill what is due, and say when to look again; None where nothing is to be watched.

        Nothing is killed before a certain time.
        """
        due: Findings[T] = Findings()
        self._end_lives(now, due)
        self._expire(now, due)
        self._watch_loans(now, due, no_kill_before)
        return due

    def _end_lives(self, now: float, due: Findings[T]) -> None:
        if self._config.max_lifetime is None:
            return
        ledger = self._ledger
        if now >= ledger.places.next_end:  # so each life makes for one walk, however often the pool is looked at
            due.expired += self.prune(now)
            ends = [self._end_to_watch(entry, now) for entry in ledger.places.entries()]
            ledger.places.next_end = min(ends, default=math.inf)
            ledger.serve_waiters(now)
        due.look_again_by(ledger.places.next_end if ledger.places.next_end > now else now + IN_TRANSIT)

    def _end_to_watch(self, entry: Entry[T], now: float) -> float:
        """Until when nobody need look at lifetimes for the sake of this entry."""
        if now < entry.expires:
            return entry.expires
        # It may be put back at this moment by somebody who came just before its end. First it is marked, then looked
        # for: of one that is still lent the mark is seen when it comes back. Any other is on its way, and until the
        # next look everyone looks at what he gets.
        entry.slow_return_at_use = 0
        at_rest = entry.stage is not LIVE or self._ledger.using.get(entry.key) is entry
        return math.inf if at_rest else entry.expires

    def _expire(self, now: float, due: Findings[T]) -> None:
        limit = self._config.max_avail_delay
        if limit is None:
            return
        deadline = now + limit
        ledger = self._ledger
        for shelf in (ledger.checked, ledger.idle):
            while shelf:
                spare = ledger.places.nspare > 0
                try:
                    if policy.on_idle(now - shelf[0].last_ret, limit, spare=spare) is Verdict.KEEP:
                        deadline = min(deadline, shelf[0].last_ret + limit) if spare else deadline
                        break
                    entry = shelf.popleft()
                except IndexError:  # lent between two of these lines
                    break
                if policy.on_idle(now - entry.last_ret, limit, spare=spare) is Verdict.KEEP:
                    # The one looked at was lent meanwhile, this one is fresh. It goes back to the cold end.
                    shelf.appendleft(entry)
                    ledger.serve_waiters(now)
                    break
                ledger.places.retire(entry, "idle")
                due.expired.append(entry)
        due.look_again_by(deadline)

    def _watch_loans(self, now: float, due: Findings[T], no_kill_before: float) -> None:
        warn, kill = self._config.warn_delay, self._config.kill_delay
        delays = [delay for delay in (warn, kill) if delay is not None]
        if not delays:
            return
        ledger = self._ledger
        deadline = now + min(delays)
        sparing = kill is not None and now < no_kill_before
        if sparing:
            deadline = min(deadline, no_kill_before)
        for key, entry in snapshot(ledger.using.items()):
            loan = read_loan(ledger, entry)
            if loan is None:
                continue
            if now - loan.since < min(delays):
                # Loans are entered in nearly the order in which they begin, the clock being read just before: all
                # that follow are younger, or older by so little that the next look is soon enough.
                deadline = min(deadline, loan.since + min(delays))
                break
            match policy.on_long_use(
                now - loan.since, warn, None if sparing else kill, warned=entry.warned_use == loan.use
            ):
                case Verdict.KEEP:
                    deadline = min([deadline, *(loan.since + delay for delay in delays if loan.since + delay > now)])
                case Verdict.WARN:
                    entry.warned_use = loan.use
                    entry.slow_return_at_use = 0  # its return is looked at closely
                    due.warned.append(loan)
                    deadline = deadline if kill is None or sparing else min(deadline, loan.since + kill)
                case Verdict.RETIRE:  # pragma: no branch  # the last there is
                    if ledger.using.pop(key, None) is None:
                        continue  # it came back just now
                    if entry.uses != loan.use:
                        # Returned and lent again since: not overdue. Whoever returns it within these two
                        # lines finds nothing, and looks again with the lock.
                        ledger.using[key] = entry
                        continue
                    ledger.places.retire(entry, "killed")
                    due.killed.append(loan)
        due.look_again_by(deadline)

    def prune(self, now: float, why: DiscardReason | None = None) -> list[Entry[T]]:
        """Retire the idle entries that are outdated, coldest first, or all for one reason; they are to be closed.

        First no return is quick, then all is searched: whoever puts an entry back at this moment sees the one, or is
        found. Whoever borrows one at this moment came before; from the end of this step on, while any outdated entry
        is left, borrowers look at what they get.
        """
        ledger = self._ledger
        ledger.quick_rets_until = NEVER
        gone: list[Entry[T]] = []
        for shelf in (ledger.checked, ledger.idle):
            for entry in snapshot(shelf):
                reason = why or ledger.why_discard(entry, now)
                if reason is not None and remove(shelf, entry):  # else it was lent meanwhile
                    ledger.places.retire(entry, reason)
                    gone.append(entry)
        ledger.serve_waiters(now)
        return gone

    def clear(self, now: float) -> list[Entry[T]]:
        """Retire what is idle; it is to be closed."""
        return self.prune(now, "cleared")

    def drain(self, now: float) -> list[Entry[T]]:
        """Have every entry that there is now replaced before it is lent again; say what is to be closed."""
        self._ledger.places.drain()
        return self.prune(now)

    def forget_warning(self, entry: Entry[T]) -> None:
        """Forget the warning about an entry that came back: the next return is like any other."""
        entry.slow_return_at_use = self._ledger.places.slow_return_at_use

    @property
    def nchecking(self) -> int:
        """How many entries are being checked."""
        return len(self._in_check)

    def take_for_check(self) -> Entry[T] | None:
        """Take out the coldest idle entry, to be checked outside the lock."""
        try:
            entry = self._ledger.idle.popleft()
        except IndexError:
            return None
        self.nhealth += 1
        self._in_check.add(entry)
        return entry

    def put_back_checked(self, entry: Entry[T], now: float) -> bool:
        """Make a checked entry available again; say whether it is to be closed instead."""
        return self._ledger.hand_or_shelve(entry, now, self._ledger.checked)

    def note_check(self, entry: Entry[T], now: float) -> None:
        """Note that a check is over, whatever came of it."""
        entry.last_check = now
        self._in_check.discard(entry)

    def end_checks(self) -> None:
        """Put all that passed back at the cold end, in the order of their last return."""
        ledger = self._ledger
        passed, ledger.checked = ledger.checked, deque()
        ledger.idle.extendleft(reversed(passed))
