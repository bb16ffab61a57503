"""Whatever differs by concurrency model: locks, sleeping, event loops, owners, forks, clocks; unpatched.

This room and the scopes are the only ones that know of threads, greenlets and time.
"""
