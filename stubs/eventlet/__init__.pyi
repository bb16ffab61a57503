# What this project uses of eventlet, which has no types of its own.
from eventlet import greenpool as greenpool
from eventlet import greenthread as greenthread
from eventlet import hubs as hubs
from eventlet import patcher as patcher
from eventlet import timeout as timeout
from eventlet.greenpool import GreenPool as GreenPool
from eventlet.greenthread import getcurrent as getcurrent
from eventlet.greenthread import kill as kill
from eventlet.greenthread import sleep as sleep
from eventlet.greenthread import spawn as spawn
from eventlet.greenthread import spawn_after as spawn_after
from eventlet.greenthread import spawn_n as spawn_n
from eventlet.patcher import monkey_patch as monkey_patch
from eventlet.timeout import Timeout as Timeout

__version__: str

class EventletDeprecationWarning(Warning): ...
