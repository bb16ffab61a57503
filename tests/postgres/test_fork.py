"""The process forks with a warm pool: parent and child each use connections of their own."""

from __future__ import annotations

import pytest

from .support import Server, run_script


def test_both_sides_query(server: Server) -> None:
    """Parent and child query 200 times each, at the same time: no answer is wrong, no backend serves both."""
    lines = run_script("fork_both_sides.py", server.conninfo)
    assert lines == ["parent: 200 right answers", "child: 200 right answers", "disjoint backends"]


@pytest.mark.parametrize("driver", ["psycopg", "eager"])
@pytest.mark.parametrize("child", ["uses", "ignores", "drops", "shuts"])
def test_parent_survives_the_childs_exit(server: Server, child: str, driver: str) -> None:
    """A child that ends as programs do, finalizers and all, leaves the parent's connections as they were.

    Whatever it did with the inherited pool: used it, ignored it, dropped it, shut it down; and even where the driver's
    objects close their connection when they are deleted (psycopg's see that they are in another process, others not).
    """
    lines = run_script("fork_normal_exit.py", server.conninfo, child, driver)
    assert lines == [f"child {child} done", "parent: same backends, 200 right answers"]


def test_fork_while_lent_and_waiting(server: Server) -> None:
    """A fork while connections are lent and threads wait: all places are free in the child, the parent goes on."""
    lines = run_script("fork_while_busy.py", server.conninfo)
    assert lines == ["child: all places free", "parent: everyone served"]
