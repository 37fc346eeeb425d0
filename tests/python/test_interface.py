"""The Python interface: what a program that imports spark_batch is promised."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

import spark_batch
from spark_batch import (
    Action,
    ExitCode,
    RecipeError,
    RunOptions,
    load,
    plan,
    project,
    read_manifest,
    run,
)

RECIPE = """
version: 1
name: mine
inputs: [cat.jpg]
prompts: [Change background to beach, Change to watercolor style]
price: 0.03
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe of two jobs."""
    Image.new("RGB", (96, 64), (200, 120, 40)).save(tmp_path / "cat.jpg", "JPEG")
    path = tmp_path / "mine.yaml"
    path.write_text(RECIPE)
    return path


def test_load_plan_run_and_read(recipe: Path) -> None:
    """A recipe's whole way in a program, with each event told."""
    loaded = load(recipe).recipe
    with plan(loaded, sandbox=True) as planned:
        assert [step.action for step in planned.steps()] == [Action.CREATE] * 2
        assert str(planned.forecast.expected) == "0.06"
    told = []
    outcome = run(
        loaded, RunOptions(sandbox=True), on_event=lambda event, tally: told.append(event)
    )
    assert outcome.exit_code is ExitCode.DONE
    assert [type(event).__name__ for event in told].count("Done") == 2
    rows = list(read_manifest(outcome.manifest))
    assert [row["status"] for row in rows] == ["done", "done"]
    assert run(loaded, RunOptions(sandbox=True)).idle
    with plan(loaded, sandbox=True) as planned:
        assert [step.action for step in planned.steps()] == [Action.KEEP] * 2


def test_nothing_is_printed(recipe: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A library leaves the terminal to its caller."""
    run(load(recipe).recipe, RunOptions(sandbox=True))
    assert capfd.readouterr() == ("", "")


def test_a_wrong_recipe_is_an_exception_with_its_places(recipe: Path) -> None:
    """The diagnostics are there for a program, too."""
    recipe.write_text(RECIPE.replace("version: 1", "version: 2"))
    with pytest.raises(RecipeError) as caught:
        load(recipe)
    (diagnostic,) = caught.value.diagnostics
    assert "mine.yaml:2:10" in diagnostic.render()


def test_everything_that_is_named_is_there() -> None:
    """`__all__` and what can be had are one; another name is an AttributeError."""
    assert all(getattr(spark_batch, name) is not None for name in spark_batch.__all__)
    with pytest.raises(AttributeError, match="no attribute 'paln'"):
        spark_batch.paln  # noqa: B018 - the look-up is what is tested


@pytest.mark.parametrize("package", [spark_batch, project])
def test_type_checkers_find_the_names_that_can_be_imported(package: ModuleType) -> None:
    """The imports under TYPE_CHECKING and the names that are imported at first use are the same."""
    tree = ast.parse(Path(str(package.__file__)).read_text(encoding="utf-8"))
    imports = [
        alias.asname
        for node in tree.body
        if isinstance(node, ast.If)
        for found in node.body
        if isinstance(found, ast.ImportFrom)
        for alias in found.names
    ]
    assert sorted(map(str, imports)) == sorted(package.__all__)
    assert all(getattr(package, name) is not None for name in package.__all__)


def test_importing_it_costs_nothing() -> None:
    """Nothing heavy comes in before it is used."""
    code = "import spark_batch, sys; print(sorted(m for m in sys.modules if 'spark' in m))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['spark_batch', 'spark_batch.lazy']"
