"""The pool: caller -> Pool -> Ledger decides -> Lifecycle acts -> Ledger settles. Nothing below calls up."""

import logging

log: logging.Logger = logging.getLogger("ppp")
log.addHandler(logging.NullHandler())
