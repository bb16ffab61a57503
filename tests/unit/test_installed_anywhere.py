"""The package finds its own frames wherever it is installed, and without its sources, too."""

import compileall
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ProxyPatternPool

PROGRAM = """
from ProxyPatternPool import Pool, PoolException, control, proxy

def fun(number):
    return pool.get() if number else object()

pool = Pool(fun, 2, 1, timeout=5)
pool.get()
try:
    pool.get()
except PoolException as error:
    print(type(error).__name__, "would wait for itself" in str(error))

seen = []
db = proxy(opener=lambda things: seen.append(control(db).get() is things), max_size=1, min_size=0, timeout=5)
control(db).set_fun(lambda number: [number])
print(list(db), seen)
"""


@pytest.mark.parametrize("folder", ["lib", "hook_calls", "hooks.py"])
@pytest.mark.parametrize("sources", [True, False])
def test_who_is_called_by_a_hook_is_seen(folder: str, sources: bool, tmp_path: Path) -> None:
    """A factory that borrows from its own pool is told so, and a hook that uses its proxy has its object."""
    home = tmp_path / folder
    package = home / "ProxyPatternPool"
    shutil.copytree(ProxyPatternPool.__path__[0], package, ignore=shutil.ignore_patterns("__pycache__"))
    if not sources:
        assert compileall.compile_dir(package, quiet=1, legacy=True)
        for source in package.rglob("*.py"):
            source.unlink()
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(program)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(home)},
    )
    assert done.stdout.splitlines() == ["PoolException True", "[0] [True]"], done.stderr
