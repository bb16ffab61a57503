"""The pool with real connections to a private PostgreSQL server."""
