"""Fixtures: the examples can be imported, and there is a PostgreSQL server."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.postgres import conftest as postgres

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

relay = postgres.relay
server = postgres.server
session_server = postgres.session_server
