"""The list of mutants that may survive, each with its reason: ``tests/mutants.txt``."""

from pathlib import Path

LIST = Path(__file__).parents[2] / "tests" / "mutants.txt"


def read() -> dict[str, str]:
    """The reasons, by the keys of mutants.

    The list consists of paragraphs: lines of a reason that begin with a ``#``, the file and the function, the lines of
    the difference. One without a reason has that of the one before.
    """
    reasons: dict[str, str] = {}
    reason = ""
    for paragraph in LIST.read_text(encoding="utf-8").split("\n\n"):
        lines = paragraph.strip("\n").splitlines()
        said = [line.removeprefix("#").strip() for line in lines if line.startswith("#")]
        reason = " ".join(said) or reason
        key = "\n".join(line for line in lines if not line.startswith("#"))
        if key:
            reasons[key] = reason
    return reasons
