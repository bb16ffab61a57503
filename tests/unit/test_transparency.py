"""All that can be done to an object can be done to a proxy of it, and comes to the same: in every scope.

The proxies that are quickest to make are tried with every pair of an object and an operation, each of the others with
one pair in five, and its neighbours with the other ones; PPP_EVERY=1 has them try all.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec

import pytest

from ProxyPatternPool import Proxy

from .clock import FakeScheduler
from .helpers import run_script
from .probes.compare import Cover, differences, outcome
from .probes.covers import PerTenant, each, made_once, shared, through, twice, unknown
from .probes.lookers import FOR_LOOKERS, IN_C
from .probes.operations import OPERATIONS
from .probes.subjects import SUBJECTS, finish

EVERY = int(os.environ.get("PPP_EVERY", "5"))

COVERS: dict[str, Callable[[], Cover]] = {
    "made once": made_once,
    "thread": lambda: each(Proxy.Scope.THREAD),
    "context": lambda: each(Proxy.Scope.CONTEXT),
    "own strategy": lambda: each(PerTenant),
    "twice": twice,
}


@pytest.mark.parametrize("cover", [shared, through])
def test_a_proxy_makes_no_difference(cover: Callable[[], Cover], scheduler: FakeScheduler) -> None:
    """All that can be done to objects, to objects of all kinds, and to proxies of them, comes to the same."""
    assert differences(cover) == []


@pytest.mark.parametrize("scope", COVERS)
def test_a_proxy_of_any_scope_makes_no_difference(scope: str, scheduler: FakeScheduler) -> None:
    first = list(COVERS).index(scope)
    assert differences(COVERS[scope], first=first % EVERY, every=EVERY) == []


def test_a_proxy_makes_no_difference_in_werkzeugs_scope(scheduler: FakeScheduler) -> None:
    pytest.importorskip("werkzeug")
    assert differences(lambda: each(Proxy.Scope.WERKZEUG), every=EVERY) == []


@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_a_proxy_makes_no_difference_among_greenlets(library: str) -> None:
    """Inside of greenlets and outside."""
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    assert run_script("probe_greenlets", library, str(EVERY), seconds=90.0) == ["compared"]


def test_the_first_use(scheduler: FakeScheduler) -> None:
    """An object is made by whatever is done first, as if it had been there, unless that may be only a look."""
    assert differences(unknown, (*FOR_LOOKERS, *IN_C, "repr", "ascii"), every=EVERY) == []


def test_the_table_is_not_hollow() -> None:
    """Each operation works on at least one object."""
    hollow: list[str] = []
    for name, operation in OPERATIONS.items():
        subjects = [make() for make in SUBJECTS.values()]
        if not any(outcome(operation, subject, subject)[0] == "returned" for subject in subjects):
            hollow.append(name)
        for subject in subjects:
            finish(subject)
    assert hollow == []
