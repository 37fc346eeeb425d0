"""A recipe in a repository, and what has become of its jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from spark_batch.errors import UsageError
from spark_batch.project import load, plan
from spark_batch.project.bases import base
from spark_batch.project.compare import Comparison, Entry, Totals
from tests.repositories import Repository, a_repository

RECIPE = """\
version: 1
name: tiny
inputs: [photos/*.jpg]
prompts: [{id: beach, text: Beach}, {id: snow, text: Snow}]
variants: {size: 512x512, seed: 7}
price: 0.03
"""
AT_NIGHT = RECIPE.replace("text: Beach", "text: Beach at night")


@pytest.fixture(autouse=True)
def quick(short_waits: None) -> None:
    """Every run here is one of the sandbox's."""


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    """Two photos and two prompts on main: four jobs, none of them made."""
    made = a_repository(tmp_path / "repo")
    made.photo("photos/cat.jpg", "teal")
    made.photo("photos/dog.jpg", "tan")
    made.commit(recipe_yaml=RECIPE)
    return made


def compared(
    repo: Repository, given: str | Path, name: str = "recipe.yaml"
) -> tuple[list[Entry], Totals, tuple[str, ...]]:
    """Every entry, the totals and the notes of the recipe as it stands in the work tree."""
    recipe = load(repo.path / name).recipe
    against = base(recipe, str(given))
    with plan(recipe, sandbox=True) as planned:
        comparison = Comparison(planned, against)
        entries = list(comparison.entries())
    return entries, comparison.totals, against.notes


def changes(entries: list[Entry]) -> dict[str, str]:
    """What has become of each picture, by its name up to the first dash."""
    return {each.job.output.partition("-")[0]: each.change.value for each in entries}


def fault(repo: Repository, given: str) -> str:
    """The one line that is told."""
    with pytest.raises(UsageError) as caught:
        compared(repo, given)
    assert "\n" not in str(caught.value)
    return str(caught.value)
