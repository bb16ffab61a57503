"""What docs/servers.md says of development servers that reload, on werkzeug's reloader."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest

from .application import PATIENCE
from .support import ROOT

PAGE = (ROOT / "docs" / "servers.md").read_text(encoding="utf-8")
SECTION = PAGE.split("## Development servers that reload\n", 1)[1].split("\n## ", 1)[0]


def parent_and_child(workaround: str | None) -> list[dict[str, Any]]:
    """Run the application with the reloader: what it says in the parent, and in the child."""
    environment = {key: value for key, value in os.environ.items() if not re.match("PPP_|WERKZEUG_", key)}
    if workaround is not None:
        environment["PPP_WERKZEUG_WORKAROUND"] = workaround
    ended = subprocess.run(
        [sys.executable, "-m", "tests.servers.scripts.reloading"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_two_processes() -> None:
    """Without the workaround the parent has objects, too."""
    parent, child = parent_and_child(None)
    assert (parent["created"], parent["log"]) == (child["created"], child["log"]) == (2, [])


@pytest.mark.parametrize("value", ["1", ""])
def test_the_workaround(value: str) -> None:
    """With it the parent creates on demand alone, and says the line that the page shows; the child is as without."""
    assert "PPP_WERKZEUG_WORKAROUND=1 flask run --debug\n" in SECTION
    parent, child = parent_and_child(value)
    (line,) = re.findall(r"```\n(.*)\n```", SECTION)
    assert parent == {"created": 0, "created for use": 1, "log": [f"WARNING {line}"]}
    assert (child["created"], child["log"]) == (2, [])
