"""Fixtures: the user's project, and what the checkers say of it."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from .downstream import HERE, MARKS, NEGATIVE, OLDEST, POSITIVE, PYTHON, SETTINGS, Project
from .snippets import snippets


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Generator[Project]:
    """A project somewhere else, that all checkers are looking at."""
    for python in (PYTHON, OLDEST):
        assert python.exists(), f"no {python}: `make typing` builds it"
    root = tmp_path_factory.mktemp("project")
    for name in (*POSITIVE, *NEGATIVE):
        (root / name).write_text((HERE / name).read_text(encoding="utf-8"), encoding="utf-8")
    for name, unmarked in {**NEGATIVE, "canary.py": "canary.py"}.items():
        (root / unmarked).write_text(MARKS.sub("", (HERE / name).read_text(encoding="utf-8")), encoding="utf-8")
    (root / "snippets").mkdir()
    for snippet in snippets():
        (root / "snippets" / snippet.file).write_text(snippet.text, encoding="utf-8")
    (root / "pyrightconfig.json").write_text(SETTINGS, encoding="utf-8")
    project = Project(root)
    project.look()
    yield project
    project.executor.shutdown(cancel_futures=True)
