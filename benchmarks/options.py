"""How much a run measures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Options:
    """A full run, or a quick one that only shows that everything works."""

    quick: bool = False

    def pick(self, full: T, quick: T) -> T:
        """Choose between the value for a full run and the one for a quick run."""
        return quick if self.quick else full
