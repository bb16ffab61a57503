"""The pool among gevent's and eventlet's greenlets, each script in a process of its own."""
