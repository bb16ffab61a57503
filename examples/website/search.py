"""A blueprint: the pages. It imports `db` before there is a database, and uses it as if it were a connection."""

from __future__ import annotations

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from .database import db, discard

blueprint = Blueprint("search", __name__)


@blueprint.get("/search")
def search() -> ResponseReturnValue:
    """Give the places of the passages that hold all the words."""
    return list(db.search(request.args["words"].split()))


@blueprint.get("/count")
def count() -> ResponseReturnValue:
    """Give the number of files and of passages."""
    return list(db.count())


@blueprint.errorhandler(Exception)
def failed(error: Exception) -> ResponseReturnValue:
    """If the connection is broken, discard it, and say that trying again helps."""
    if isinstance(error, HTTPException):
        return error
    if db.is_healthy():
        raise error
    discard()
    return "the connection to the database was lost", 503, {"Retry-After": "0"}
