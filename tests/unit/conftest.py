"""Every unit test has a hand-moved clock and a house keeper that does nothing by itself."""

from collections.abc import Iterator

import pytest

from ProxyPatternPool._pool import housekeeper

from .clock import HandMovedClock, HandMovedKeeper


@pytest.fixture
def clock() -> HandMovedClock:
    return HandMovedClock()


@pytest.fixture
def keeper(clock: HandMovedClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[HandMovedKeeper]:
    """Pools made in this test are kept by this one."""
    keeper = HandMovedKeeper(clock)
    monkeypatch.setattr(housekeeper, "KEEPER", keeper)
    yield keeper
    keeper.run()
