"""What gunicorn serves in the tests of transactions, and its configuration; the environment has the ORDER."""

from __future__ import annotations

import os

from ..transactions import Transactions

# gunicorn's settings
control_socket_disable = True
loglevel = "warning"

app = Transactions.ordered(*os.environ["ORDER"].split()).wsgi
