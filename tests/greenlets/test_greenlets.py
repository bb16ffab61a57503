"""The pool among greenlets: gevent and eventlet, with and without monkey patching, each check in a fresh process."""

from __future__ import annotations

import sys
from time import monotonic

import pytest

from .support import both_hubs, both_modes, run_script


@both_hubs
@pytest.mark.parametrize("mode", ["patched", "late", "unpatched"])
def test_one_object_eight_greenlets(hub: str, mode: str) -> None:
    """Eight greenlets on one object all finish, never hold it together, and are served in order of arrival."""
    assert run_script(hub, mode, "one_object") == ["served in order of arrival"]


@both_hubs
@both_modes
def test_timeouts(hub: str, mode: str) -> None:
    """A greenlet's `get(timeout)` ends neither early nor late, and the hub runs all the while."""
    assert run_script(hub, mode, "timeouts") == ["timeouts on time, hub alive"]


@both_hubs
@both_modes
def test_kills(hub: str, mode: str) -> None:
    """Greenlets killed or timed out while they wait, are handed over to, create, open or hold lose nothing."""
    assert run_script(hub, mode, "kills") == [
        "killed_waiters",
        "killed_at_hand_over",
        "timeouts_thrown_into_waiters",
        "killed_creators",
        "killed_in_hooks",
        "killed_holders",
    ]


def test_all_kinds_of_callers_in_one_pool() -> None:
    """Native threads, greenlets of two hubs and tasks of two event loops wait in the same pool, and all are served."""
    assert run_script("gevent", "unpatched", "mixed") == ["all served"]


@both_hubs
@both_modes
def test_across_threads(hub: str, mode: str) -> None:
    """What a native thread returns wakes a greenlet, even in a hub with nothing else to do, and the reverse."""
    assert run_script(hub, mode, "across") == [
        "native_returns",
        "greenlet_returns",
        "no_switch_under_the_lock",
        "ping_pong",
        "timeouts_of_both",
    ]


@both_hubs
@both_modes
def test_long_use_names_the_greenlet(hub: str, mode: str) -> None:
    """The warning about an object kept too long says by which greenlet, and so do the statistics."""
    assert run_script(hub, mode, "long_use") == ["greenlets named"]


@both_hubs
@both_modes
def test_hooks_run_in_the_hub(hub: str, mode: str) -> None:
    """Hooks that wait on sockets of a hub work, those of maintenance too: they run in a greenlet of that hub."""
    assert run_script(hub, mode, "hooks_in_hub") == ["hooks in the hub"]


@both_hubs
@both_modes
def test_hooks_that_use_their_proxy(hub: str, mode: str) -> None:
    """While one greenlet is in the middle of a hook, another of its thread is in the middle of none."""
    assert run_script(hub, mode, "own_hooks") == ["each hook has its own object, and others have theirs"]


@both_hubs
@both_modes
def test_a_finalizer_that_switches(hub: str, mode: str) -> None:
    """Who comes to the pool while a finalizer within another greenlet's step has switched waits for the step."""
    assert run_script(hub, mode, "switching_finalizer") == ["others wait, and only the finalizer is refused"]


@both_hubs
@both_modes
def test_maintenance_moves_into_the_hub(hub: str, mode: str) -> None:
    """A pool made at import, before there is a hub, is maintained in the hub whose greenlets use it later."""
    assert run_script(hub, mode, "lazy_hub") == ["belongs to the hub that uses it"]


@both_hubs
@both_modes
def test_dropped_lease(hub: str, mode: str) -> None:
    """A lease that dies with its greenlet gives the object back, through the `retter`, to who waits."""
    assert run_script(hub, mode, "dropped") == ["dropped leases come back"]


@both_hubs
@both_modes
@pytest.mark.parametrize("closer", ["plain", "waits"])
def test_exit(hub: str, mode: str, closer: str) -> None:
    """At interpreter exit every object is closed, lent ones too, without a word on stderr and without delay."""
    started = monotonic()
    lines = run_script(hub, mode, "at_exit", closer)
    assert monotonic() - started < 10
    assert lines[0] == "end"
    assert sorted(lines[1:]) == ["closed 0", "closed 1", "closed 10", "closed 2", "closed 3"]


@both_hubs
@both_modes
def test_exit_with_closers_that_hang(hub: str, mode: str) -> None:
    """At interpreter exit closers of a hub that hang keep no other object open, of their pool or of another."""
    started = monotonic()
    lines = run_script(hub, mode, "exit_hanging")
    assert monotonic() - started < 10
    assert lines[0] == "end"
    closed = sorted(int(line.removeprefix("closed ")) for line in lines[1:])
    assert closed == [12, 13, 14, 15, 100, 101, 200, 201]


@both_hubs
@both_modes
def test_a_hub_that_is_busy(hub: str, mode: str) -> None:
    """While a hub is blocked its pool is neither checked nor filled from a thread, in which both would fail."""
    assert run_script(hub, mode, "busy_hub") == ["checked and filled in the hub alone"]


@both_modes
def test_ends_in_gevent(mode: str) -> None:
    """Threads, hubs and loops of gevent end while greenlets wait there, or pools use them: nothing is lost."""
    hubs = ["a_waiter_whose_hub_ends", "a_hub_that_is_gone", "a_loop_that_is_destroyed"]
    assert run_script("gevent", mode, "ends") == [*ENDS, *hubs]


@pytest.mark.skipif(sys.version_info >= (3, 15), reason="there the end of a thread complains of eventlet's greenlets")
@both_modes
def test_ends_in_eventlet(mode: str) -> None:
    """Threads and hubs of eventlet end while greenlets wait there, or pools use them: nothing is lost."""
    pipes = ["many_calls", "a_call_too_late", "a_call_at_the_last_moment", "a_pipe_that_is_closed"]
    assert run_script("eventlet", mode, "ends") == ["pipes_of_threads", *ENDS, *pipes]


ENDS = [
    "a_waiter_whose_thread_ends",
    "a_gift_that_is_not_fetched",
    "a_hub_that_ends",
    "a_hub",
    "a_sleeper",
    "a_sleeper_whose_thread_ends",
]


@both_hubs
@both_modes
def test_fork(hub: str, mode: str) -> None:
    """In the child of a fork greenlets wait and are woken as in the parent, and neither hears the other's rings."""
    assert run_script(hub, mode, "forked") == ["both go on"]


@both_hubs
@both_modes
def test_a_child_that_operates_first(hub: str, mode: str) -> None:
    """`wait_ready`, `drain`, `resize` as the first use in the child of a fork: objects are made in its hub."""
    assert run_script(hub, mode, "cold_child") == ["all made in the hub"]


@both_hubs
@both_modes
def test_an_observer_that_switches(hub: str, mode: str) -> None:
    """An observer may switch whatever it is told: others go on, and it is told of what they do, in order."""
    assert run_script(hub, mode, "observed") == ["told of all"]


@both_hubs
@both_modes
def test_a_dump(hub: str, mode: str) -> None:
    """A signal handler dumps a pool into a pipe, and nobody switches for it, not even where `os` is patched."""
    counts = "being checked, 0 being created, 0 being closed, 0 waiting, max 1"
    assert run_script(hub, mode, "dumps") == [
        f"idle hub: pool 'db': 0 idle, 1 lent, 0 {counts}",
        f"locked step: pool 'db': 1 idle, 0 lent, 0 {counts}",
    ]


@both_hubs
@both_modes
def test_owners_that_do_nothing(hub: str, mode: str) -> None:
    """Greenlets keep everything, and are not in the code that took it: the log says so to who waits, and only then."""
    assert run_script(hub, mode, "unused_objects") == ["said once"]


@both_hubs
@both_modes
def test_the_hub_itself(hub: str, mode: str) -> None:
    """In the hub a shutdown waits for nothing, and raises nothing; native threads that wait leave no hub behind."""
    assert run_script(hub, mode, "hub_itself") == ["no hubs left", "shut down in the hub"]
