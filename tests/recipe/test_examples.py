"""Every file in tests/examples is a test: valid ones load, invalid ones say what stands beside."""

from __future__ import annotations

from pathlib import Path

import pytest

from spark_batch import pictures
from spark_batch.errors import RecipeError
from spark_batch.jobs import matrix
from spark_batch.recipe import Diagnostic, load

EXAMPLES = Path(__file__).parents[1] / "examples"


def _names(kind: str) -> list[str]:
    return sorted(path.name for path in (EXAMPLES / kind).glob("*.yaml"))


@pytest.mark.parametrize("name", _names("invalid"))
def test_invalid_example_says_what_is_expected(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong recipe gets exactly the messages in the text file beside it."""
    monkeypatch.chdir(EXAMPLES)
    with pytest.raises(RecipeError) as caught:
        load(Path("invalid", name), probe=pictures.probe)
    said = [error.render() for error in caught.value.diagnostics if isinstance(error, Diagnostic)]
    expected = Path("invalid", name).with_suffix(".txt").read_text(encoding="utf-8")
    assert "\n".join(said) + "\n" == expected


@pytest.mark.parametrize("name", _names("valid"))
def test_valid_example_loads(name: str) -> None:
    """A right recipe loads, and its jobs have names of their own."""
    recipe = load(EXAMPLES / "valid" / name, probe=pictures.probe).recipe
    jobs = list(matrix.jobs(recipe))
    assert len(jobs) == matrix.count_jobs(recipe)
    assert len({job.output.casefold() for job in jobs}) == len(jobs)


def test_every_text_belongs_to_an_example() -> None:
    """No expected message is left over from an example that is gone."""
    texts = {path.stem for path in (EXAMPLES / "invalid").glob("*.txt")}
    assert texts == {Path(name).stem for name in _names("invalid")}


@pytest.mark.parametrize("path", sorted((EXAMPLES.parents[1] / "recipes").glob("*.yaml")))
def test_the_recipes_to_start_from_are_right(path: Path) -> None:
    """Each loads with the photos beside it, and is within its own limit by its own price."""
    recipe = load(path, probe=pictures.probe).recipe
    assert recipe.prices
    assert recipe.run.max_cost is not None
    prices = (recipe.prices[job.model] for job in matrix.jobs(recipe))
    assert sum(prices) <= recipe.run.max_cost
