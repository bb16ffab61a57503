"""What those are told who work on the project is true."""

import re

import pytest

from .helpers import ROOT

TOLD = [
    *("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", ".pre-commit-config.yaml"),
    *(".github/workflows/ci.yml", ".github/ISSUE_TEMPLATE/bug.yml", ".github/ISSUE_TEMPLATE/idea.yml"),
]


@pytest.mark.parametrize("file", TOLD)
def test_what_is_told_exists(file: str) -> None:
    """Each target of make and each file that is named is there."""
    text = (ROOT / file).read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for command in re.findall(r"(?:^ {4}|`|run: |entry: )make ([a-z]+(?: [a-z]+)*)", text, re.MULTILINE):
        assert targets.issuperset(command.split()), command
    for path in re.findall(r"\b(?:docs|src|tools|tests)/[\w/]+\.\w+\b|\b[A-Z]{6,}\.md\b", text):
        assert (ROOT / path).is_file(), path
