"""What docs/status.md says is true."""

import re
from pathlib import Path

import pytest

from ProxyPatternPool import control

ROOT = Path(__file__).parents[2]


@pytest.mark.usefixtures("keeper")
def test_its_python_runs() -> None:
    """Every block, in order."""
    text = (ROOT / "docs" / "status.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 4
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in blocks:
        exec(compile(block, "docs/status.md", "exec"), namespace)
    pool = control(namespace["db"]).pool
    assert pool is not None
    pool.shutdown()


def test_its_picture_is_there() -> None:
    """Small enough for those who only read the page."""
    assert (ROOT / "docs" / "status.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert (ROOT / "docs" / "status.png").stat().st_size < 150_000
