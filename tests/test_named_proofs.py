"""Every test that tests/README.md names exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# `folder/test_file.py`, `folder/test_file.py::test_name`, or `::test_name` of the file before it.
_NAMED = re.compile(r"`(?!`)([\w/]*test_\w+\.py)?(?:::(test_\w+))?`")


def missing(text: str) -> Iterator[str]:
    """The files and tests that a text names in backticks and that do not exist."""
    for line in text.splitlines():
        file = ""
        for named in _NAMED.finditer(line):
            file = named[1] or file
            if not (TESTS / file).is_file() or (named[2] and named[2] not in _tests(file)):
                yield f"{file}::{named[2] or ''}"


def _tests(file: str) -> set[str]:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_test_that_the_readme_names_exists() -> None:
    """In the tables of proofs and of what is trusted."""
    text = (TESTS / "README.md").read_text(encoding="utf-8")
    assert len(_NAMED.findall(text)) > 100
    assert list(missing(text)) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("`test_lfs.py`", []),
        ("`test_named_proofs.py::test_what_is_missing_is_found`", []),
        ("`no/test_such.py`", ["no/test_such.py::"]),
        ("`test_lfs.py::test_no_such`", ["test_lfs.py::test_no_such"]),
        ("`test_lfs.py`, `::test_no_such`", ["test_lfs.py::test_no_such"]),
        ("`::test_of_no_file`", ["::test_of_no_file"]),
    ],
)
def test_what_is_missing_is_found(text: str, found: list[str]) -> None:
    """A file, a test of a file, and a test of the file before it."""
    assert list(missing(text)) == found
