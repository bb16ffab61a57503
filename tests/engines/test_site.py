"""examples/sqlalchemy_site.py runs."""

from __future__ import annotations

from ..exporters.running import run_code


def test_the_site_under_load() -> None:
    """All clients are served, by both pools, and the figures of each are shown."""
    code = (
        "import sys\n"
        "sys.path.insert(0, 'examples')\n"
        "sys.argv[1:] = ['--seconds', '0.3', '--rounds', '1']\n"
        "import sqlalchemy_site\n"
        "sqlalchemy_site.main()\n"
    )
    title, *rows = (line.split() for line in run_code(code))
    assert title[:3] == ["pool", "requests/s", "fairness"]
    assert [row[0] for row in rows] == ["QueuePool", "FairPool"]
    assert all(float(row[1]) > 0 for row in rows)
