"""What must happen in an interpreter of its own: ``python -m tests.unit.scripts.NAME CASE``."""
