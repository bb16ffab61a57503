"""The pure rules: every limit is reached at the limit, not after it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ProxyPatternPool._ledger.policy import Verdict, backoff, lifetime, on_idle, on_long_use, on_return

seconds = st.floats(min_value=0.0, max_value=1e9)
uses = st.integers(min_value=0, max_value=10**6)
chances = st.floats(min_value=0.0, max_value=1.0, exclude_max=True)


@given(seconds, seconds | st.none(), st.booleans())
def test_idle(idle_for: float, limit: float | None, spare: bool) -> None:
    """An idle object goes when its limit is reached, if there is one and the pool can spare it."""
    goes = limit is not None and idle_for >= limit and spare
    assert on_idle(idle_for, limit, spare=spare) is (Verdict.RETIRE if goes else Verdict.KEEP)


@given(uses, uses | st.none())
def test_return(used: int, limit: int | None) -> None:
    """A returned object goes when it was used as often as it may be."""
    goes = limit is not None and used >= limit
    assert on_return(used, limit) is (Verdict.RETIRE if goes else Verdict.KEEP)


@given(seconds, seconds | st.none(), seconds | st.none(), st.booleans())
def test_long_use(used_for: float, warn: float | None, kill: float | None, warned: bool) -> None:
    """A lent object is warned about once, then killed; where both are due it is killed."""
    expected = Verdict.KEEP
    if warn is not None and used_for >= warn and not warned:
        expected = Verdict.WARN
    if kill is not None and used_for >= kill:
        expected = Verdict.RETIRE
    assert on_long_use(used_for, warn, kill, warned=warned) is expected


@pytest.mark.parametrize(
    ("used_for", "warned", "verdict"),
    [(9, False, "keep"), (10, False, "warn"), (19, True, "keep"), (20, False, "retire"), (20, True, "retire")],
)
def test_at_the_limit(used_for: float, warned: bool, verdict: str) -> None:
    """A limit is reached when exactly its time has passed."""
    assert on_long_use(used_for, 10, 20, warned=warned).value == verdict
    assert on_idle(10, 10, spare=True).value == on_return(10, 10).value == "retire"


def test_a_lifetime_ends_within_its_last_twentieth() -> None:
    """An object reaches 95 % of ``max_lifetime`` at least, and never more than all of it."""
    assert lifetime(1000, 0.0) == 1000
    assert lifetime(1000, 0.5) == pytest.approx(975)
    assert lifetime(1000, 1.0) == pytest.approx(950)


@given(st.integers(min_value=1, max_value=10**9), chances)
def test_backoff_bounds(failures: int, chance: float) -> None:
    """After n failures the delay is between a half and the whole of 2^(n-1) first delays, up to the longest."""
    whole = min(5.0, 0.05 * 2.0 ** min(failures - 1, 100))
    delay = backoff(failures, 0.05, 5.0, chance)
    assert whole / 2 <= delay <= whole
    assert math.isfinite(delay)


def test_backoff_values() -> None:
    """The first delays, at the least and at the most chance has to say."""
    assert [backoff(n, 0.05, 5.0, 0.0) for n in (1, 2, 3, 7, 8, 100)] == [0.025, 0.05, 0.1, 1.6, 2.5, 2.5]
    assert backoff(1, 0.05, 5.0, 0.5) == pytest.approx(0.0375)


@given(chances, chances)
def test_chance_counts(one: float, other: float) -> None:
    """More chance, more delay: those who failed together do not all come again together."""
    assert (one < other) <= (backoff(3, 1.0, 60.0, one) <= backoff(3, 1.0, 60.0, other))
    assert backoff(3, 1.0, 60.0, one) == 4.0 * (0.5 + 0.5 * one)
