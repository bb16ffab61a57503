"""The pool: caller -> Pool -> Ledger decides -> Lifecycle acts -> Ledger settles. Nothing below calls up."""

import logging

logging.getLogger("ppp").addHandler(logging.NullHandler())
