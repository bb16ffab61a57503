"""The directory in which processes find each other: each has a socket there, under a name that is never used again.

So whoever finds that nobody listens at a socket may remove it: no new process can have that name. A socket gets its
name only when its process listens. Nothing has to be locked, and a process number that is used again does no harm.
"""

import _socket
import os
import re
import stat
import sys
from collections.abc import Iterable
from contextlib import suppress

from .._errors import PoolValueError

LONGEST = 107 if sys.platform == "linux" else 103
"""Bytes of the path of a unix socket, the final zero left out: ``sun_path`` in unix(7), and in BSD's."""
_NAME = re.compile(r"[0-9]{1,10}-[0-9a-f]{12}")
_NUMBER_OR_NAME = re.compile(r"[0-9]{1,10}(-[0-9a-f]{12})?")
_SOCKET = ".sock"
_NEW = ".new"
"""How the name ends of a socket that nobody listens to yet."""
_LONGEST_NAME = len(f"/4194304-0123456789ab{_SOCKET}{_NEW}")  # with the highest number of a process on Linux


def new_name() -> str:
    """A name for this process, which no process has ever had."""
    return f"{os.getpid()}-{os.urandom(6).hex()}"


def number_of(name: str) -> int:
    """The number of the process of a name."""
    return int(name.partition("-")[0])


def order(name: str) -> tuple[int, str]:
    """What names are sorted by."""
    return number_of(name), name


class Directory:
    """A directory that belongs to the user who runs this process, and that nobody else may enter."""

    def __init__(self, path: "str | os.PathLike[str]") -> None:
        """Make it, or check the one that is there.

        Raises:
            PoolValueError: It is none, a symbolic link or somebody else's, others may enter it, the paths of its
                sockets would be too long, or this system has no unix sockets.
            OSError: It cannot be made.
        """
        self.path = os.path.abspath(os.fsdecode(path))
        if not (hasattr(_socket, "AF_UNIX") and hasattr(os, "geteuid")):
            raise PoolValueError("directory must be left out on this system, which has no unix sockets")
        too_long = len(os.fsencode(self.path)) + _LONGEST_NAME - LONGEST
        if too_long > 0:
            raise PoolValueError(
                f"directory must be shorter by {too_long} bytes: the path of a unix socket has at most {LONGEST}: "
                f"{self.path}"
            )
        self.check()

    def check(self) -> None:
        """Make it if it is not there, and check it; raises what the constructor does."""
        with suppress(FileExistsError):
            os.mkdir(self.path, 0o700)
        found, user = os.lstat(self.path), os.geteuid()
        if stat.S_ISLNK(found.st_mode):
            raise PoolValueError(
                f"directory must not be a symbolic link: {self.path}; give where it leads: "
                f"{os.path.realpath(self.path)}"
            )
        if not stat.S_ISDIR(found.st_mode):
            raise PoolValueError(f"directory must be one, or not exist yet: {self.path}")
        if found.st_uid != user:
            raise PoolValueError(
                f"directory must belong to the user who runs this process, {user}, not to {found.st_uid}: {self.path}; "
                "remove it, or give another one, which is made"
            )
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise PoolValueError(
                f"directory must not be open to others, as its mode {stat.S_IMODE(found.st_mode):04o} is: "
                f"chmod 700 {self.path}"
            )

    def names(self) -> list[str]:
        """The names of all processes that have a socket here, by their numbers; those that have ended included."""
        try:
            found = os.listdir(self.path)
        except OSError:  # removed meanwhile
            return []
        names = [each.removesuffix(_SOCKET) for each in found if each.endswith(_SOCKET)]
        return sorted(filter(_NAME.fullmatch, names), key=order)

    def find(self, wanted: str, names: Iterable[str]) -> str:
        """The name that is wanted, or one of the number that is wanted; if there is none, what is wanted itself.

        Raises:
            LookupError: No process can have such a number or name.
        """
        if not _NUMBER_OR_NAME.fullmatch(wanted):
            raise LookupError(wanted)
        return next((name for name in names if wanted in (name, name.partition("-")[0])), wanted)

    def socket_of(self, name: str) -> str:
        """The path of the socket of a process."""
        return os.path.join(self.path, name + _SOCKET)

    def place(self, name: str, listening: "_socket.socket") -> None:
        """Have a socket listen under a name, which nobody sees before it does."""
        path = self.socket_of(name)
        try:
            listening.bind(path + _NEW)
            listening.listen()
            os.rename(path + _NEW, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(path + _NEW)
            raise

    def has(self, name: str) -> bool:
        """Whether the socket of a process is there."""
        return os.path.lexists(self.socket_of(name))

    def remove(self, name: str) -> None:
        """Remove a socket to which nobody listens any more."""
        with suppress(OSError):  # others may have done so, and somebody may have removed all
            os.unlink(self.socket_of(name))
