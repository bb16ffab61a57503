"""Where each owner, a thread, a greenlet, a context, keeps what a proxy forwards to."""
