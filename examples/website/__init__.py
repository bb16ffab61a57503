"""A small Flask application: a shared database, a blueprint that uses it, and the application."""
