"""What a pool waits with: locks, sleepers, hubs, owners and clocks, unpatched.

This room and the scopes are the only ones that know of threads, greenlets and time.
"""
