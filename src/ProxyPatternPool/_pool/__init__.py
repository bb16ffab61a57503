"""The public pool and its leases, for threads and greenlets."""

import logging

log: logging.Logger = logging.getLogger("ppp")
log.addHandler(logging.NullHandler())
