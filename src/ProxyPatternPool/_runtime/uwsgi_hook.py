"""uWSGI forks in C. It calls one function in each process that it has made: ``uwsgi.post_fork_hook``."""

import sys
from collections.abc import Callable
from types import ModuleType

from .process import notice_fork

_HOOK = "post_fork_hook"
_THEIRS = "_ProxyPatternPool_post_fork_hook"


class _Uwsgi(ModuleType):
    """The server's module, with our hook in its dict, where the server looks; ours calls the application's.

    Whoever reads or sets the attribute has the application's hook. So it does not matter who comes first, and
    ``uwsgidecorators`` sets the hook when it is imported.
    """

    def __getattribute__(self, name: str) -> object:
        # As inherited. Without this Python 3.14 and later look into the dict first, at the second access already.
        return super().__getattribute__(name)

    @property
    def post_fork_hook(self) -> Callable[[], object]:
        try:
            theirs: Callable[[], object] = vars(self)[_THEIRS]
        except KeyError:
            raise AttributeError from None  # a module says itself what it has not
        return theirs

    @post_fork_hook.setter
    def post_fork_hook(self, theirs: Callable[[], object]) -> None:
        def ours_and_theirs() -> None:
            notice_fork()
            theirs()

        vars(self).update({_THEIRS: theirs, _HOOK: ours_and_theirs})

    @post_fork_hook.deleter
    def post_fork_hook(self) -> None:
        if vars(self).pop(_THEIRS, None) is None:
            raise AttributeError(_HOOK)
        vars(self)[_HOOK] = notice_fork


def hook_into_uwsgi() -> None:
    """Start anew in each worker of uWSGI's, before it does anything, if this is uWSGI."""
    module = sys.modules.get("uwsgi")
    # The server makes it, before it imports an application. Another module of that name has no such function.
    if type(module) is not ModuleType or not hasattr(module, "worker_id"):
        return
    theirs = vars(module).get(_HOOK)
    module.__class__ = _Uwsgi
    if theirs is None:
        vars(module)[_HOOK] = notice_fork
    else:
        setattr(module, _HOOK, theirs)
