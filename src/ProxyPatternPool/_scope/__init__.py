"""Scopes: where each owner, such as a thread, a greenlet or a context, keeps its object."""
