"""The application of docs/tutorial.md, as the three modules that it consists of."""

import re
import subprocess
import sys
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text(encoding="utf-8")

# Twenty requests at once, each in a thread of its own, as some servers have it; then more, in threads that are kept.
VISITORS = """
import threading
from concurrent.futures import ThreadPoolExecutor
from app import app, control, db

def ask():
    with app.test_client().get("/answer") as response:  # and close it, as servers do
        return response.json

answers = []
threads = [threading.Thread(target=lambda: answers.append(ask())) for _ in range(20)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
pool = control(db).pool
with ThreadPoolExecutor(8) as executor:
    for request in [executor.submit(ask) for _ in range(40)]:
        answers.append(request.result())
    assert pool.stats()["nusing"] == 0
assert answers == 60 * [{"answer": 42}], answers

pool.shutdown(timeout=10.0)
stats = pool.stats()
assert stats["nusing"] == 0 and stats["nborrows"] == stats["nreturns"] == 60, stats
assert 1 <= stats["ncreated"] == stats["ndestroys"], stats
"""


def test_the_application_works_in_threads(tmp_path: Path) -> None:
    (block,) = re.findall(r"```py\n(.*?)```", PAGE, re.DOTALL)
    modules = re.findall(r"^# (\w+)\.py, .*\n((?:(?!# \w+\.py, ).*\n)*)", block, re.MULTILINE)
    assert [name for name, _ in modules] == ["database", "search", "app"]
    for name, source in [*modules, ("visitors", VISITORS)]:
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
    # Whoever is imported first, the database comes last.
    for first in ("app", "search", "database"):
        command = f"import {first}, visitors"
        run = subprocess.run(
            [sys.executable, "-W", "error", "-c", command],
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
