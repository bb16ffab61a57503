"""What is checked in a process of its own; run with ``python -m tests.greenlets.run``."""
