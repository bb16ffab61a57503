"""The parameters of a pool and of a proxy: what each is called, its type, its default, and what it means.

They are defined here and nowhere else. ``make generate`` writes what follows from them: signatures and docstrings in
the sources, tables in the pages. ``make check`` fails where these say anything else.

To add a parameter, add it to ``POOL``, and run ``make generate``. It is given by name: what can be given by position
is what the existing module had. Then give it its meaning: ``PoolConfig.validated`` gets it as the user gave it, checks
it, and keeps it for those who use it. A hook has a protocol, and ``Hooks`` checks and keeps it.

Texts are those of docstrings: sentences, with code between double backticks. The first sentence fits into one line,
since editors show no more.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Parameter:
    """A parameter, as Python code and in words."""

    name: str
    annotation: str
    """Its type, as code."""
    text: str
    """What it means, in one line."""
    more: str = ""
    """What else there is to say about it."""
    default: str | None = None
    """As code; ``None``: it has to be given."""
    protocol: str | None = None
    """The name of the protocol that describes it, if it is a hook."""
    needs_pool: bool = False
    """Whether a proxy has a pool because this is given: nothing else could honour it."""
    shown_default: str | None = None
    """What the tables show as its default, if another than that in the signature."""
    comment: str = ""
    """What is said beside it in a signature."""


def hook(
    name: str, protocol: str, text: str, more: str = "", *, returns: str = "object", needs_pool: bool = False
) -> Parameter:
    """Define a hook: a function that is called with an object. Its protocol takes the place of ``{}`` in the text."""
    return Parameter(
        name,
        f"Callable[[T], {returns}] | None",
        text.format(f"``{protocol}``"),
        more,
        default="None",
        protocol=protocol,
        needs_pool=needs_pool,
    )


POOL = (
    Parameter(
        "fun",
        "Callable[[int], T]",
        "Creates an object, another each time; gets the creation number 0, 1, 2… (``Factory``).",
        protocol="Factory",
    ),
    Parameter(
        "max_size",
        "int | None",
        "At most this many objects; 0 or ``None``: unlimited.",
        "An object counts from before its creation until its closer has returned.",
        default="0",
    ),
    Parameter(
        "min_size",
        "int",
        "Keep at least this many objects; maintenance creates what is missing.",
        "The first are created at construction. After a failure the next attempt waits for ``backoff``.",
        default="1",
        needs_pool=True,
    ),
    Parameter(
        "timeout",
        "float | None",
        "Longest wait in ``get``, in seconds; ``None``: for ever, 0: never wait.",
        default="None",
        needs_pool=True,
    ),
    Parameter(
        "max_use",
        "int | None",
        "Discard an object after this many uses; 0 or ``None``: unlimited.",
        default="0",
        needs_pool=True,
    ),
    Parameter(
        "max_waiting",
        "int | None",
        "At most this many callers wait; more get ``TooManyWaiting``. ``None``: unlimited, 0: nobody.",
        default="None",
        needs_pool=True,
    ),
    Parameter(
        "max_lifetime",
        "float | None",
        "Discard an object this many seconds after its creation; 0.0 or ``None``: never.",
        "Each object gets a random lifetime of 95 to 100 % of it, so that not all are closed at once. An object in use "
        "is discarded when it comes back.",
        default="0.0",
        needs_pool=True,
    ),
    Parameter(
        "max_avail_delay",
        "float | None",
        "Discard an object idle this many seconds, never below ``min_size``; 0.0, ``None``: never.",
        default="0.0",
        needs_pool=True,
    ),
    Parameter(
        "max_using_delay",
        "float | None",
        "Warn about an object in use this many seconds; 0.0, ``None``: as ``max_using_delay_kill``.",
        default="0.0",
        needs_pool=True,
    ),
    Parameter(
        "max_using_delay_kill",
        "float | None",
        "Close an object in use this many seconds, and free its place; 0.0 or ``None``: never.",
        default="0.0",
        needs_pool=True,
    ),
    Parameter(
        "health_freq",
        "int",
        "Check health once in this many maintenance rounds.",
        default="1",
        needs_pool=True,
    ),
    Parameter(
        "health_before_get",
        "float | None",
        "Check health before lending an object idle for this many seconds; ``None``: never.",
        "Idle: neither used nor checked; 0.0: check always. The borrower checks, in ``get``. If an object fails it is "
        "discarded, and the next idle one is tried, or a new one.",
        default="None",
        needs_pool=True,
    ),
    Parameter(
        "backoff",
        "tuple[float, float] | None",
        "Seconds between attempts to create after one has failed: the first, and the longest.",
        "It doubles each time, with equal jitter (50 to 100 %). The caller of the first failed attempt gets its error "
        "at once; later callers wait for the next attempt. ``None``: only maintenance waits.",
        default="(0.05, 5.0)",
        needs_pool=True,
    ),
    Parameter(
        "hk_delay",
        "float | None",
        "Seconds between maintenance rounds; limits are checked only in rounds.",
        "0.0 or ``None``: half the shortest delay to watch, or 60.0 for ``health`` alone; then limits are met exactly.",
        default="None",
        needs_pool=True,
    ),
    Parameter(
        "delay",
        "float | None",
        "The same as ``hk_delay``, by its older name.",
        default="None",
        needs_pool=True,
    ),
    hook("opener", "Opener", "Called once with each new object ({})."),
    hook("getter", "Getter", "Called with an object each time it is lent ({})."),
    hook("retter", "Retter", "Called with an object each time it comes back ({}); a failure discards the object."),
    hook("closer", "Closer", "Called once with each object that leaves the pool ({})."),
    hook(
        "health",
        "HealthCheck",
        "Called with idle objects in maintenance rounds ({}).",
        "An object for which it returns ``False``, or raises, is discarded.",
        returns="bool",
        needs_pool=True,
    ),
    hook(
        "stats",
        "StatsHook",
        "Says something JSON-compatible about an object, for ``stats()`` ({}).",
        needs_pool=True,
    ),
    hook(
        "tracer",
        "Tracer",
        "Names a new object in log lines, ``TimeOut``, ``owners()`` and ``dump()`` ({}).",
        "Without a ``stats`` hook ``stats()`` calls it again, also for objects in use: it must not use them itself.",
        returns="str",
    ),
    Parameter(
        "log_level",
        "int | str | None",
        'Level to set on the package\'s logger, ``logging.getLogger("ppp")``.',
        default="None",
    ),
    Parameter(
        "name",
        "str | None",
        "Name in log lines, errors and ``stats()``; ``None``: a number.",
        default="None",
    ),
    Parameter(
        "trace_owner",
        "bool",
        "Keep the stack of each ``get``, for the warning about a long use; it costs some microseconds.",
        default="False",
    ),
    Parameter(
        "hook_errors",
        "HookErrors",
        'What is done if an ``opener`` or ``getter`` raises, ``"log"`` or ``"discard"``.',
        "``log``: the error is logged, and the object is used nevertheless. ``discard``: the object is closed, and the "
        "caller gets ``HookError``.",
        default='"log"',
    ),
    Parameter(
        "observer",
        "PoolObserverOrNone[T]",
        "Notified of what happens in the pool (``PoolObserver``); for several: ``observers(a, b)``.",
        default="None",
        needs_pool=True,
    ),
)
"""The parameters of a pool."""

POSITIONAL = (
    "fun",
    "max_size",
    "min_size",
    "timeout",
    "max_use",
    "max_avail_delay",
    "max_using_delay",
    "max_using_delay_kill",
    "health_freq",
    "delay",
    "opener",
    "getter",
    "retter",
    "closer",
    "health",
    "stats",
    "tracer",
    "log_level",
)
"""The parameters of a pool that may be given by position, in the order of the existing module."""

ASYNC_POSITIONAL = ("fun", "max_size", "min_size", "timeout")
"""The parameters of an ``AsyncPool`` that may be given by position."""

_OLD = ("delay", "log_level")
"""The parameters of a pool that are there only for users of the existing module, which has no ``AsyncPool``."""
_ALWAYS_PLAIN = ("stats", "tracer")
"""The hooks whose results are not awaited."""

MAY_RETURN_AWAITABLES = {
    "fun": "Callable[[int], T | Awaitable[T]]",
    "health": "Callable[[T], bool | Awaitable[bool]] | None",
}
"""The types of hooks of which it matters what they return; others may return any object."""


def _for_tasks(parameter: Parameter) -> Parameter:
    """The parameter as an ``AsyncPool`` has it."""
    if parameter.name == "min_size":
        more = parameter.more.replace("at construction", "when the pool is first used")
        return replace(parameter, more=more)
    if parameter.protocol is None or parameter.name in _ALWAYS_PLAIN:
        return parameter
    annotation = MAY_RETURN_AWAITABLES.get(parameter.name, parameter.annotation)
    text = parameter.text.replace(f"``{parameter.protocol}``", f"``Async{parameter.protocol}``")
    return replace(parameter, annotation=annotation, text=text)


ASYNC_POOL = tuple(_for_tasks(each) for each in POOL if each.name not in _OLD)
"""The parameters of an ``AsyncPool``."""

_LOG_LEVEL = next(each for each in POOL if each.name == "log_level")

PROXY = (
    Parameter(
        "obj",
        "T | None",
        "One object for all owners (scope SHARED).",
        default="None",
    ),
    Parameter(
        "fun",
        "Callable[[int], T] | None",
        "Makes an object for each owner when it needs one; gets the creation number 0, 1, 2… (``Factory``).",
        "Without a pool it may return the same object again, which owners then share. The hooks are called for each "
        "owner, so leave the ``closer`` out then. With scope CONTEXT or SHARED it may be a coroutine function "
        "(``AsyncFactory``), and so may the hooks: each task takes its object by ``await control(db).aget()``.",
        default="None",
    ),
    Parameter(
        "set_name",
        "str | None",
        "Name of the method that sets the content, and beginning of two more, ``…_obj`` and ``…_fun``.",
        "The object's own methods of these names are hidden: choose another if it has any. Empty, ``None``, and the "
        "default of ``proxy``: only ``_set``, ``_set_obj`` and ``_set_fun``, which always exist.",
        default='"set"',
    ),
    Parameter(
        "scope",
        '"Scope | ScopeStrategy[T] | Callable[[], ScopeStrategy[T]]"',
        "What counts as an owner: a ``Proxy.Scope``, or a ``ScopeStrategy`` of your own.",
        default="Scope.AUTO",
    ),
    _LOG_LEVEL,
    Parameter(
        "max_size",
        "int | None",
        "Take objects from a pool of at most this many; 0: unlimited, ``None``: there is no pool.",
        "Not given: 0 if a parameter is given that only a pool can honour, such as ``min_size``, ``timeout`` or "
        "``health``; else ``None``. Without a pool each owner has an object made for it, closed when it ends.",
        default="None",
        shown_default="",
    ),
    Parameter(
        "auto_return",
        "bool",
        "Whether an owner that ends gives its object back to the pool.",
        "If not, the pool loses the object unless ``_ret_obj`` is called.",
        default="True",
    ),
)
"""The parameters that only a proxy has, and those with another meaning than for a pool."""

PROXY_POSITIONAL = ("obj", "fun", "set_name", "scope", "log_level", "max_size")
"""The parameters of a proxy that may be given by position, in the order of the existing module."""

PASSED_ON = tuple(each for each in POOL if each.name not in [own.name for own in PROXY])
"""The parameters that a proxy passes on to its pool."""

PASSED_TO_ASYNC_POOL = tuple(each for each in ASYNC_POOL if each.name not in ("fun", "max_size"))
"""The parameters that a function that makes an ``AsyncPool`` passes on to it."""
