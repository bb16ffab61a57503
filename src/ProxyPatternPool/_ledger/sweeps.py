"""What maintenance looks for: expired, long-used and unhealthy entries, and those that an operator wants closed.

Called with the pool's lock held.
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
"""Seconds until the next look at an entry whose lifetime ended while it was neither idle nor in use."""


@dataclass(frozen=True)
class Loan(Generic[T]):
    """One loan, as it was when it was read."""

    entry: Entry[T]
    use: int
    owner: Owner | None
    since: float
    stack: StackSummary | None


def read_loan(ledger: Ledger[T], entry: Entry[T]) -> Loan[T] | None:
    """Read the loan of an entry found in ``using``; ``None`` if that loan has ended meanwhile.

    ``take`` writes the time and the owner, then counts the use, and adds the entry to ``using`` last, all without the
    lock. So if the entry is in ``using`` after the reads, and its number of uses is still that from before them, all
    that was read belongs to one loan. The stack is written later: until then there is that of the loan before.
    """
    use = entry.uses
    loan = Loan(entry, use, entry.owner, entry.last_get, entry.stack if entry.stack_use == use else None)
    return loan if ledger.shelves.using.get(entry.key) is entry and entry.uses == use else None


class Findings(Generic[T]):
    """What a sweep has found. Expired and killed entries are to be closed; ``warned`` loans are only to be logged."""

    def __init__(self) -> None:
        self.expired: list[Entry[T]] = []
        self.warned: list[Loan[T]] = []
        self.killed: list[Loan[T]] = []
        self.deadline: float | None = None

    def look_again_by(self, time: float) -> None:
        """Note the time of a further look; the earliest counts."""
        self.deadline = time if self.deadline is None else min(self.deadline, time)


class Sweeps(Generic[T]):
    """Looks through the ledger of one pool."""

    def __init__(self, config: PoolConfig, ledger: Ledger[T]) -> None:
        self._config = config
        self._ledger = ledger
        self._in_check: weakref.WeakSet[Entry[T]] = weakref.WeakSet()  # weak: an interruption may lose one
        self.nhealth = 0

    def sweep(self, now: float, no_kill_before: float = NEVER) -> Findings[T]:
        """Retire what has expired or is to be killed, and find what to warn about.

        Args:
            now: The time.
            no_kill_before: Before this time nothing is killed.
        """
        due: Findings[T] = Findings()
        self._end_lifetimes(now, due)
        self._expire_idle(now, due)
        self._watch_loans(now, due, no_kill_before)
        return due

    def _end_lifetimes(self, now: float, due: Findings[T]) -> None:
        if self._config.max_lifetime is None:
            return
        ledger = self._ledger
        if now >= ledger.validity.next_end:  # so each lifetime costs one walk over all entries, not every sweep
            due.expired += self.prune(now)
            ends = [self._next_end_of(entry, now) for entry in ledger.places.entries()]
            ledger.validity.next_end = min(ends, default=math.inf)
            ledger.serve_waiters(now)
        due.look_again_by(ledger.validity.next_end if ledger.validity.next_end > now else now + IN_TRANSIT)

    def _next_end_of(self, entry: Entry[T], now: float) -> float:
        """When the lifetime of this entry must be looked at next."""
        if now < entry.expires:
            return entry.expires
        # A caller that came just before its end may return it at this moment. So first its returns are made slow, then
        # it is looked for. If it is still in use, its return will take the slow path. If it is not, it is on its way
        # from one to the other; then loans take the slow path until the next look.
        entry.slow_return_at_use = 0
        found = entry.stage is not LIVE or self._ledger.shelves.is_in_use(entry)
        return math.inf if found else entry.expires

    def _expire_idle(self, now: float, due: Findings[T]) -> None:
        limit = self._config.max_avail_delay
        if limit is None:
            return
        deadline = now + limit
        ledger = self._ledger
        for shelf in (ledger.shelves.checked, ledger.shelves.idle):
            while shelf:
                spare = ledger.places.nspare > 0
                try:
                    if policy.on_idle(now - shelf[0].last_ret, limit, spare=spare) is Verdict.KEEP:
                        deadline = min(deadline, shelf[0].last_ret + limit) if spare else deadline
                        break
                    entry = shelf.popleft()
                except IndexError:  # it was lent between two of these lines
                    break
                if policy.on_idle(now - entry.last_ret, limit, spare=spare) is Verdict.KEEP:
                    # The one judged above was lent meanwhile, and this one has not expired: put it back.
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
        for key, entry in snapshot(ledger.shelves.using.items()):
            loan = read_loan(ledger, entry)
            if loan is None:
                continue
            if now - loan.since < min(delays):
                # The loans are nearly in the order of their beginnings, since the clock is read just before: all that
                # follow are younger, or so little older that the next look is early enough.
                deadline = min(deadline, loan.since + min(delays))
                break
            match policy.on_long_use(
                now - loan.since, warn, None if sparing else kill, warned=entry.warned_use == loan.use
            ):
                case Verdict.KEEP:
                    deadline = min([deadline, *(loan.since + delay for delay in delays if loan.since + delay > now)])
                case Verdict.WARN:
                    entry.warned_use = loan.use
                    entry.slow_return_at_use = 0  # so that its return is logged
                    due.warned.append(loan)
                    deadline = deadline if kill is None or sparing else min(deadline, loan.since + kill)
                case Verdict.RETIRE:  # pragma: no branch  # the last there is
                    if ledger.shelves.using.pop(key, None) is None:
                        continue  # it was returned just now
                    if entry.uses != loan.use:
                        # It was returned and lent again, so that it is not overdue: put it back. A caller that returns
                        # it between the pop and this line does not find it, and looks again with the lock.
                        ledger.shelves.using[key] = entry
                        continue
                    ledger.places.retire(entry, "killed")
                    due.killed.append(loan)
        due.look_again_by(deadline)

    def prune(self, now: float, why: DiscardReason | None = None) -> list[Entry[T]]:
        """Retire the idle entries that are not to be kept, or all of them for one reason; return them, to be closed.

        First all returns are made slow, then the idle entries are searched. So a caller that returns an entry at this
        moment sees that returns are slow, or its entry is found. A caller that borrows one at this moment came before.
        After this step, while any entry is left that is not to be lent, loans take the slow path, which looks at it.
        """
        ledger = self._ledger
        ledger.shelves.make_returns_slow()
        gone: list[Entry[T]] = []
        for shelf in (ledger.shelves.checked, ledger.shelves.idle):
            for entry in snapshot(shelf):
                reason = why or ledger.validity.why_discard(entry, now)
                if reason is not None and remove(shelf, entry):  # False: it was lent meanwhile
                    ledger.places.retire(entry, reason)
                    gone.append(entry)
        ledger.serve_waiters(now)
        return gone

    def clear(self, now: float) -> list[Entry[T]]:
        """Retire all idle entries, and return them, to be closed."""
        return self.prune(now, "cleared")

    def drain(self, now: float) -> list[Entry[T]]:
        """Let no entry that exists now be lent again; return those that are idle, to be closed."""
        self._ledger.validity.drain()
        return self.prune(now)

    def forget_warning(self, entry: Entry[T]) -> None:
        """Forget the warning about an entry that was returned: its next return may be quick again."""
        entry.slow_return_at_use = self._ledger.places.slow_return_at_use

    @property
    def nchecking(self) -> int:
        """How many entries are being checked."""
        return len(self._in_check)

    def take_for_check(self) -> Entry[T] | None:
        """Take out the entry that was idle for longest, to be checked without the lock."""
        try:
            entry = self._ledger.shelves.idle.popleft()
        except IndexError:
            return None
        self.nhealth += 1
        self._in_check.add(entry)
        return entry

    def put_back_checked(self, entry: Entry[T], now: float) -> bool:
        """Put back an entry that passed its check; say whether it is to be closed instead."""
        return self._ledger.hand_or_shelve(entry, now, self._ledger.shelves.checked)

    def note_check(self, entry: Entry[T], now: float) -> None:
        """Note that the check of an entry has ended, whatever its result."""
        entry.last_check = now
        self._in_check.discard(entry)

    def end_checks(self) -> None:
        """End a round of checks: put all that passed back below those returned meanwhile, in their order."""
        ledger = self._ledger
        passed, ledger.shelves.checked = ledger.shelves.checked, deque()
        ledger.shelves.idle.extendleft(reversed(passed))
