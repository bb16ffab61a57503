"""The state of one pool, and its decisions. No user code, no clock, no thread; the lock is taken by the caller."""
