"""The names of WSGI's types, for annotations that ``typing.get_type_hints`` can read."""

import sys
from typing import TYPE_CHECKING

__all__ = ["StartResponse", "WSGIApplication", "WSGIEnvironment"]

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
elif sys.version_info >= (3, 11):
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
else:  # pragma: no cover  # Python 3.10 has no names for them
    StartResponse = WSGIApplication = WSGIEnvironment = object
