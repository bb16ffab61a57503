"""A small Flask application, as anyone would write it: a shared database, a blueprint that uses it, an application."""
