"""The pools for SQLAlchemy's engines: what both have in common, the one for threads, the one for tasks."""
