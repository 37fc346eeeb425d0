"""The reference is what the schemas say, and the recipe's schema explains every key."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spark_batch.models import schemas
from tests.makers import MODEL

ROOT = Path(__file__).parents[1]


def _keys(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property of the recipe's language, wherever it stands."""
    if isinstance(node, dict):
        for name, each in node.get("properties", {}).items():
            yield f"{path}/{name}", each
        for key, each in node.items():
            if key not in ("then", "examples", "default"):  # a `then` says more of a key above
                yield from _keys(each, f"{path}/{key}")


def _resolved(node: dict[str, Any]) -> dict[str, Any]:
    whole = schemas.bundled("recipe")
    while "$ref" in node:
        target: Any = whole
        for part in node["$ref"].removeprefix("#").split("/")[1:]:
            target = target[part]
        node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
        if "$ref" in target:
            node["$ref"] = target["$ref"]
    return node


def _language() -> list[tuple[str, dict[str, Any]]]:
    whole = dict(schemas.bundled("recipe"))
    own = {k: v for k, v in whole["$defs"].items() if k != MODEL.name}
    found = _keys({**whole, "$defs": own})
    return [(path, _resolved(node)) for path, node in found]


@pytest.mark.parametrize(
    ("path", "node"), [pytest.param(*each, id=each[0]) for each in _language()]
)
def test_every_key_tells_an_editor_what_it_is(path: str, node: dict[str, Any]) -> None:
    """Title, description and an example or a default, for completion and hovering."""
    assert node.get("title"), path
    assert node.get("description"), path
    assert "examples" in node or "default" in node or "const" in node or "properties" in node, path


def test_the_reference_is_up_to_date() -> None:
    """`python .ci/reference.py` would change nothing."""
    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "reference.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_check_can_fail(tmp_path: Path) -> None:
    """A reference that somebody edited by hand is found."""
    for part in ("schemas", ".ci"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "schemas" / "README.md").open("a") as file:
        file.write("by hand\n")
    script = tmp_path / ".ci" / "reference.py"
    done = subprocess.run(
        [sys.executable, script, "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout[:17]) == (1, "schemas/README.md")
