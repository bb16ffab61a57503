"""The command line of what writes generated files: it writes them, or checks that they are there."""

import argparse
import sys
from collections.abc import Callable, Iterable


def write_or_check(
    description: str | None, differences: Callable[[bool], Iterable[str]], error: type[Exception], remedy: str
) -> None:
    """Do what the command line says.

    Args:
        description: What the command is for.
        differences: Finds what differs, as lines of a diff, and writes it if it is told to.
        error: What it raises where nothing can be written; its text is shown.
        remedy: What to say if a check has found anything.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail if anything would change")
    check = parser.parse_args().check
    try:
        found = list(differences(not check))
    except error as failure:
        sys.exit(str(failure))
    sys.stdout.writelines(found)
    if check and found:
        sys.exit(remedy)
