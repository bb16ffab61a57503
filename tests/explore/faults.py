"""All faults that the explorer has to find."""

from __future__ import annotations

from .faults_of_ends import OF_ENDS
from .faults_of_sweeps import OF_SWEEPS
from .faults_of_waiting import OF_WAITING

FAULTS = (*OF_WAITING, *OF_ENDS, *OF_SWEEPS)
