"""The exceptions of this package."""


class PPPException(Exception):
    """Any error of this package."""

    def __init__(self, *args: object) -> None:  # written out: the signature of the built-in one cannot be read
        super().__init__(*args)


class PoolException(PPPException):
    """Any error of a pool."""


class PoolValueError(PoolException, ValueError):
    """A parameter has the right type and a value that makes no sense; the message names both."""


class TimeOut(PoolException, TimeoutError):
    """No object could be lent within the timeout.

    The message says how long the caller waited, describes the state of the pool, and names who has had an object for
    longest; ``__cause__`` is the last creation error, if the last creation failed.
    """


class TooManyWaiting(PoolException):
    """No object could be lent at once, and ``max_waiting`` callers wait already.

    The message describes the state of the pool, and names who has had an object for longest; ``__cause__`` is the last
    creation error, if the last creation failed.
    """


class PoolClosed(PoolException):
    """The pool was shut down, before or during the call."""


class HookError(PoolException):
    """An ``opener`` or ``getter`` failed under ``hook_errors="discard"``; ``__cause__`` is its error."""


class ProxyException(PPPException):
    """Any error of a proxy: it has no content yet, or its parameters contradict one another."""
