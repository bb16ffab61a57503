"""Proxies among greenlets: objects come back by themselves, whatever a greenlet is and however it ends."""

from __future__ import annotations

import pytest

from .support import both_hubs, both_modes, run_script


@both_hubs
@pytest.mark.parametrize("mode", ["patched", "late", "unpatched"])
def test_hundreds_through_two(hub: str, mode: str) -> None:
    """Six hundred greenlets share two objects, one at a time, and nobody calls `_ret_obj`."""
    assert run_script(hub, mode, "proxy_owners") == ["spawned", "spawned_raw", "threads", "contexts"]


@both_hubs
def test_patched_after_it_was_loaded(hub: str) -> None:
    """Those who patch ask everything alive whether it is a lock: for them no object is taken, as for all who ask."""
    assert run_script(hub, "late", "preloaded") == [
        "0 taken by whoever patched, 2 idle",
        "True, 0 taken by whoever asked what it is",
        "1 taken by whoever used it",
    ]


@both_hubs
@both_modes
def test_ends(hub: str, mode: str) -> None:
    """Every end of a greenlet gives its object back, and one that waits stops no other."""
    assert run_script(hub, mode, "proxy_ends") == [
        "ends",
        "waited_for",
        "waiting_stops_nobody",
        "raw_greenlets",
        "each_its_own",
        "given_back_by_hand",
        "native_threads",
        "context_handed_on",
        "inherited_by_nobody",
    ]


@both_hubs
@both_modes
def test_blocks(hub: str, mode: str) -> None:
    """Blocks and hooks: each greenlet has its own, whoever goes on in the middle, and in whatever context."""
    assert run_script(hub, mode, "proxy_blocks") == [
        "nested_in_contexts",
        "carried_away",
        "ended_elsewhere",
        "hooks_that_take_turns",
        "without_a_scope",
    ]
