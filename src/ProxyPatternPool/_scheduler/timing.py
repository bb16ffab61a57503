"""How patient the scheduler is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Delays of the scheduler, in seconds, and how often it tries; the defaults are right for every process."""

    worker_patience: float = 0.05
    """Seconds until chores that no worker has begun get one more."""
    hub_patience: float = 1.0
    """Seconds until more is done about chores that a hub has not begun: it may be blocked."""
    hub_tries: int = 5
    """How often chores are sent to a hub in vain until a warning is logged."""
    worker_idle: float = 10.0
    """Seconds after which a worker without a job ends, unless it is the last."""
    shortest_pause: float = 0.001
    """Seconds between two looks at the same pool that it asked for in advance: no pool keeps the others waiting."""
    longest_sleep: float = 3600.0
    """Seconds after which the scheduling thread wakes up though nothing is due."""
    late: float = 1.0
    """Seconds after a deadline at which a look means that the whole process has stood still, asleep or stopped."""
    late_again: float = 60.0
    """Seconds until the next such pause is believed: a process that is always late has limits, too."""
    retry_delay: float = 1.0
    """Seconds until a pool whose maintenance failed is looked at again."""
    exit_time: float = 2.0
    """Seconds that the interpreter's exit waits for closers, all pools together."""


DEFAULT = Timing()
