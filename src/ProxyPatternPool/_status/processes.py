"""The data of this process, and, where processes share a directory, of all others that have a socket in it."""

import json
import os
from collections.abc import Callable, Sequence
from typing import Any, cast

from .._runtime.process import notice_fork
from .asking import ask
from .data import PoolData, PoolSummary, ProcessData, ProcessState, StatusData, collect, empty, shortened, summaries
from .directory import Directory, number_of, order
from .sampler import Sampler
from .server import Server
from .shapes import is_shaped

FORMAT = 1
"""The format of answers. It is raised whenever ``PoolData`` changes: at an update old processes meet new ones."""
MOST_PROCESSES = 100
"""Processes that are shown."""
PATIENCE = 2.0
"""Seconds within which all others must have answered."""
_PROBLEMS: dict[ProcessState, str | None] = {
    "answers": None,
    "does not answer": f"does not answer within {PATIENCE:g} s: it is stopped, or too busy",
    "another version": "runs another version of this package: restart it to see it here",
}
"""What is said of a process that cannot be shown."""


class Processes:
    """What a status page shows: one process in full, all others in a line each."""

    def __init__(
        self, sampler: Sampler, error_text: Callable[[str], str] | None, directory: "str | os.PathLike[str] | None"
    ) -> None:
        self._sampler = sampler
        self._error_text = error_text
        self._directory = None if directory is None else Directory(directory)
        self._server = None if self._directory is None else Server(self._directory, self)

    def answer(self, question: str) -> bytes | None:
        """The answer to a question of another process: ``page`` is all, ``line`` is what is in a line."""
        match question:
            case "page":
                pools: Sequence[PoolSummary] = collect(self._sampler, self._error_text)["pools"]
            case "line":
                pools = summaries(self._sampler)
            case _:
                return None
        return json.dumps({"format": FORMAT, "pools": pools}, allow_nan=False).encode("ascii")

    def collect(self, wanted: str | None) -> StatusData:
        """Read this process, or the one that is wanted, by its number or by what ``id`` said; and all in a line each.

        Raises:
            LookupError: There is no directory to find another in, or no process has such a number.
        """
        if self._directory is None or self._server is None:
            if wanted is not None:
                raise LookupError(wanted)
            return collect(self._sampler, self._error_text)
        notice_fork()  # else the name would be the parent's
        self._server.do()  # from now on, though no pool was used yet
        own = self._server.name
        others = [name for name in self._directory.names() if name != own][: MOST_PROCESSES - 1]
        shown = own if wanted is None else self._directory.find(wanted, [own, *others])
        found = _ask(self._directory, others, shown)
        if shown == own:
            data = collect(self._sampler, self._error_text, own)
        else:
            data = empty(number_of(shown), shown, _PROBLEMS[found[shown][0]] if shown in found else "has ended")
            data["pools"] = cast("list[PoolData]", found[shown][1] if shown in found else [])
        found[own] = "answers", data["pools"] if shown == own else summaries(self._sampler)
        data["processes"] = [_line(name, *found[name]) for name in sorted(found, key=order)]
        return data


def _ask(
    directory: Directory, names: Sequence[str], shown: str
) -> dict[str, tuple[ProcessState, Sequence[PoolSummary]]]:
    """Ask all that have not ended: one for the whole page, the others for what is in a line."""
    answers = ask(directory, {name: "page" if name == shown else "line" for name in names}, PATIENCE)
    return {
        name: _understood(answer, list[PoolData] if name == shown else list[PoolSummary])
        for name, answer in answers.items()
    }


def _understood(answer: bytes | None, kind: Any) -> tuple[ProcessState, Sequence[PoolSummary]]:
    """What a process says about its pools, of the type that it was asked for."""
    if answer is None:
        return "does not answer", []
    try:
        found: Any = json.loads(answer)
        if found["format"] == FORMAT and is_shaped(found["pools"], kind):
            return "answers", cast("Sequence[PoolSummary]", found["pools"])
    except (ValueError, LookupError, TypeError, RecursionError):
        pass  # it is none of ours at all
    return "another version", []


def _line(name: str, state: ProcessState, pools: Sequence[PoolSummary]) -> ProcessData:
    return {"process": number_of(name), "id": name, "state": state, "pools": [shortened(pool) for pool in pools]}
