"""Maintenance of all pools of a process: when a pool is looked at, and which thread or event loop does its work."""
