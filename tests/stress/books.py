"""The books of a pool, compared with those of the oracle and of an observer."""

from collections import Counter
from collections.abc import Mapping

from ProxyPatternPool import PoolStats
from ProxyPatternPool._inspect.types import ENDS

from ..unit.diary import Auditor
from .oracle import Oracle

KEPT = (
    "ncreated",
    "nerrors",
    "nuses",
    "nkilled",
    "nrecycled",
    "nwornout",
    "ntimeouts",
    "bad_health",
    "nexpired",
    "ndrained",
    "nshed",
    "ncleared",
)
"""What is told of the pool afterwards."""


def at_rest(stats: PoolStats, least: int) -> bool:
    """Whether nobody is out, nothing is being closed, and what was missing is there."""
    resting = stats["nusing"] == stats["ntodel"] == stats["nwaiting"] == 0
    return resting and stats["nobjs"] == stats["navail"] >= least


def check_at_rest(stats: PoolStats, oracle: Oracle) -> None:
    """Look at the books of a pool that is at rest."""
    assert not oracle.wrong, oracle.wrong[:5]
    assert oracle.peak <= oracle.bound
    assert stats["hk_errors"] == 0, stats["hk_errors"]


def check_at_end(stats: PoolStats, oracle: Oracle) -> Counter[str]:
    """Look at the books of a pool that is closed; say what it did."""
    assert stats["nobjs"] == stats["navail"] == stats["nusing"] == 0, stats
    assert stats["ncreated"] == stats["ndestroys"] == oracle.made == oracle.closed, (stats, oracle.made, oracle.closed)
    assert stats["nreturns"] == stats["nborrows"]
    assert oracle.alive == 0, oracle.alive
    assert not oracle.wrong, oracle.wrong[:5]
    return Counter({key: value for key, value in stats.items() if key in KEPT and isinstance(value, int)})


def audit(stats: PoolStats, oracle: Oracle, auditor: Auditor, unopened: int) -> None:
    """Compare what an observer was told with the pool's books, after the end.

    Args:
        stats: The pool's books.
        oracle: Those of the factory.
        auditor: Those of the observer.
        unopened: How many objects had an opener that failed or was cancelled: they have never been there.
    """
    assert not auditor.wrong, auditor.wrong[:5]
    assert not auditor.alive
    assert not auditor.lent_now
    assert stats["observer_errors"] == 0
    assert len(auditor.created_so_far) == len(auditor.reasons)
    assert len(auditor.failed_creations) == stats["nerrors"]
    assert len(auditor.created_so_far) == stats["ncreated"] - unopened == oracle.made - unopened
    assert len(auditor.timeouts) == stats["ntimeouts"]
    counts: Mapping[str, object] = stats
    assert {key: auditor.reasons.count(reason) for key, reason in ENDS.items()} == {key: counts[key] for key in ENDS}
    # One that failed a check before it was lent may have been killed meanwhile.
    assert auditor.reasons.count("health") <= stats["bad_health"]
    # The pool counts the time in the queue, of those who were interrupted, too; an observer is told how long each call
    # of get took, creations and checks included. So there is no more to compare.
    assert sum(auditor.waits) + sum(auditor.timeouts) > 0
    assert min(auditor.waits + auditor.timeouts) >= 0
