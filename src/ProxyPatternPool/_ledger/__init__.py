"""The state of one pool, and its decisions: no user code, no clock, no thread. The lock is the caller's."""
