"""The literals in a module's source, for tests that say where a fact may stand."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path


def constants(path: Path) -> Iterator[ast.Constant]:
    """The literals of a module, also those in f-strings, but for its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in texts:
            yield node
