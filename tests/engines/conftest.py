"""The unit tests' fixtures: times are moved by hand, unless a test has threads of its own."""

from ..unit.conftest import chance as chance
from ..unit.conftest import clock as clock
from ..unit.conftest import diary as diary
from ..unit.conftest import environment as environment
from ..unit.conftest import naps as naps
from ..unit.conftest import nothing_is_swallowed as nothing_is_swallowed
from ..unit.conftest import scheduler as scheduler
