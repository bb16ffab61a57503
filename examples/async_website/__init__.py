"""A small Starlette application: its pool, its pages, and the application."""
