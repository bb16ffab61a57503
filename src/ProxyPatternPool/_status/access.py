"""Who is on this very machine, as far as can be told.

The address that a request comes from is not enough. Behind a reverse proxy on the same machine everybody comes from
127.0.0.1; and a page of somebody else's, in a browser on this machine, may have a name that leads to 127.0.0.1 and so
read what is there (DNS rebinding). Whatever hints at either means: not local.
"""

import re
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address

_FORWARDED = (
    "HTTP_AKAMAI_",
    "HTTP_CDN_LOOP",
    "HTTP_CF_",
    "HTTP_FASTLY_",
    "HTTP_FLY_",
    "HTTP_FORWARDED",
    "HTTP_PROXY_CONNECTION",
    "HTTP_VIA",
    "HTTP_X_AMZN_",
    "HTTP_X_APPENGINE_",
    "HTTP_X_ARR_",
    "HTTP_X_AZURE_",
    "HTTP_X_CLOUD_TRACE_",
    "HTTP_X_ENVOY_",
    "HTTP_X_FORWARD",
    "HTTP_X_HOST",
    "HTTP_X_ORIGINAL_",
    "HTTP_X_PROXY",
    "HTTP_X_REAL_IP",
    "HTTP_X_REMOTE_",
    "HTTP_X_SCHEME",
    "werkzeug.proxy_fix.",
)
"""How the keys begin that a proxy on the way leaves, or the middleware that believes it."""
_CLIENT = re.compile("HTTP_.*CLIENT_?IP")
"""What else they leave, each with a name of its own: where the client is."""
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+?)\.?)(?::[0-9]*)?", re.ASCII | re.IGNORECASE)


def is_local(environ: Mapping[str, object]) -> bool:
    """Whether a request comes straight from this machine: what ``status_app`` asks unless ``allow`` is given.

    It must come from a loopback address, to a host that is called ``localhost`` or by a loopback address, in HTTP/1.1
    or later, and without a header that proxies add. A reverse proxy on this machine that adds none cannot be told
    from a local program: behind one, give an ``allow`` that asks for more.

    Args:
        environ: The request's WSGI environment.
    """
    if any(key.startswith(_FORWARDED) or _CLIENT.match(key) for key in environ):
        return False
    # Before 1.29.7 nginx speaks HTTP/1.0 to what is behind it if not told otherwise, which no browser does, and it adds
    # no header by itself. From that version on such a proxy cannot be told from a program on this machine.
    if environ.get("SERVER_PROTOCOL") in ("HTTP/0.9", "HTTP/1.0"):
        return False
    return _is_loopback(str(environ.get("REMOTE_ADDR", ""))) and _names_this_machine(str(environ.get("HTTP_HOST", "")))


def _is_loopback(address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:  # none, of a socket in the file system, or a name
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return found.is_loopback


def _names_this_machine(host: str) -> bool:
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    name = (found[1] or found[2]).lower()
    return name == "localhost" or name.endswith(".localhost") or _is_loopback(name)
