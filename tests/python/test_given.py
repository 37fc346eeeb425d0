"""What callers give: recipes, and options with every kind of wrong value."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import spark_batch
from spark_batch import Diagnostic, RecipeError, UsageError
from tests.python.conftest import MAPPING


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": -1}, "limit: expected a whole number of at least 0, not -1"),
        ({"limit": 1.5}, "limit: expected a whole number of at least 0, not 1.5"),
        ({"limit": True}, "limit: expected a whole number of at least 0, not True"),
        ({"concurrency": 0}, "concurrency: expected a whole number of at least 1, not 0"),
        ({"concurrency": "4"}, "concurrency: expected a whole number of at least 1, not '4'"),
        ({"max_cost": "5,00"}, "max_cost: '5,00' is not an amount of USD, such as 5.00"),
        ({"max_cost": float("nan")}, "max_cost: 'nan' is not an amount of USD"),
        ({"max_cost": Decimal("-1")}, "max_cost: '-1' is not an amount of USD"),
        ({"max_cost": True}, "max_cost: expected an amount of USD, not True"),
        ({"max_cost": []}, "max_cost: expected an amount of USD, not a value of the type 'list'"),
        ({"workers": "many"}, "workers: 'many' is neither 'auto' nor a number of processes"),
        ({"workers": -1}, "workers: '-1' is neither 'auto' nor a number"),
        ({"workers": 0.5}, "workers: expected 'auto' or a number, not 0.5"),
        ({"sample": "half"}, "sample: 'half' is not the size of a sample"),
        ({"sample": 0}, "sample: '0' is not the size of a sample"),
        ({"sample": 0.05}, "sample: expected a number of jobs, or a text such as '5%', not 0.05"),
        ({"shard": "3/2"}, "shard: '3/2' is not a shard"),
        ({"shard": (1, 2)}, "shard: expected a text, not a value of the type 'tuple'"),
        ({"only": 5}, "only: expected a text or several texts, not 5"),
        ({"only": ["input=photo", 5]}, "only: expected a text or several texts"),
        ({"only": "colour=red"}, "no job has the axis 'colour'"),
        ({"env_file": 5}, "env_file: expected a path, not 5"),
        ({"dask": 8786}, "dask: expected a text, not 8786"),
        ({"on_event": "print"}, "on_event: expected a function, not 'print'"),
        ({"on_event": lambda event: None}, "on_event: expected a function of an event and"),
        ({"base": "."}, "base: only for a recipe that is a mapping"),
        ({"dask": "tcp://127.0.0.1:1", "workers": 2}, "give either --dask or --workers"),
    ],
)
@pytest.mark.parametrize("function", [spark_batch.run, spark_batch.retry])
def test_a_wrong_option(
    recipe: Path, function: Callable[..., object], options: dict[str, Any], message: str
) -> None:
    """One line that names it, before anything is made."""
    with pytest.raises(UsageError) as caught:
        function(recipe, sandbox=True, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(recipe.parent.rglob("*.jpg"))[1:]


@pytest.mark.parametrize("wrong", [None, 5, ["a.yaml"], b"a.yaml"])
def test_what_is_no_recipe(wrong: Any) -> None:
    """Neither a path nor a mapping."""
    with pytest.raises(UsageError, match="recipe: expected a path or a mapping, not "):
        spark_batch.validate(wrong)


def test_a_path_may_be_a_text(recipe: Path) -> None:
    """As `open` takes it."""
    assert spark_batch.validate(str(recipe)).jobs == 4


def test_a_recipe_with_errors_has_them_as_data(folder: Path) -> None:
    """With their places, and all of them in the text: nobody else prints them."""
    wrong = {**MAPPING, "variants": {"scale": [0.4, 7]}, "prompts": ["${x}"]}
    with pytest.raises(RecipeError) as caught:
        spark_batch.run(wrong, base=folder, sandbox=True)
    found = caught.value.diagnostics
    assert [(it.severity, it.path) for it in found] == [
        ("error", "prompts[0]"),
        ("error", "variants.scale[1]"),
    ]
    assert found[0].code == "variable"
    assert "unknown variable" in found[0].message
    assert all(isinstance(it, Diagnostic) for it in found)
    assert all(it.render() in str(caught.value) for it in found)
    assert found[0].as_json()["line"] == 0


def test_errors_of_a_file_have_their_line(recipe: Path) -> None:
    """And the line itself below, as the command shows it."""
    recipe.write_text(recipe.read_text().replace("version: 1", "version: 2"))
    with pytest.raises(RecipeError) as caught:
        spark_batch.validate(recipe)
    (found,) = caught.value.diagnostics
    assert found.as_json()["line"] == 1
    assert "tiny.yaml:1:10: error: version" in str(caught.value)


def test_warnings_and_notes_are_data(folder: Path) -> None:
    """They are errors with `strict`."""
    result = spark_batch.validate(MAPPING, base=folder)
    assert (result.name, result.jobs) == ("tiny", 4)
    assert {(found.severity, found.code) for found in result.warnings} == {
        ("warning", "input-small"),
        ("warning", "size-small"),
    }
    with pytest.raises(RecipeError, match="errors with strict") as caught:
        spark_batch.validate(MAPPING, base=folder, strict=True)
    assert [found.severity for found in caught.value.diagnostics] == ["error"] * 2


def test_files_outside_are_allowed_for_one_call(folder: Path) -> None:
    """`allow_outside`, as the command's option; the next call does not have it."""
    (folder / "inside" / ".git").mkdir(parents=True)
    outside = {**MAPPING, "inputs": ["../photo.jpg"]}
    spark_batch.validate(outside, base=folder / "inside", allow_outside=True)
    with pytest.raises(RecipeError, match="outside of the repository"):
        spark_batch.validate(outside, base=folder / "inside")


def test_one_source_of_a_merge_needs_no_list(recipe: Path) -> None:
    """A text is a path, and not a sequence of one-letter paths, of which `/` is everything."""
    for source in ("out/other", Path("out/other")):
        with pytest.raises(UsageError, match="there is no out/other to merge"):
            spark_batch.merge(recipe, source, sandbox=True)
    with pytest.raises(UsageError, match="sources: expected a path or several paths, not 5"):
        spark_batch.merge(recipe, 5, sandbox=True)  # type: ignore[arg-type]


def test_a_job_is_named_by_a_text(recipe: Path) -> None:
    """An object of a result is refused before the checkpoint is asked for it."""
    (job, *_) = spark_batch.run(recipe, sandbox=True).jobs
    with pytest.raises(UsageError, match="job: expected a text, not a value of the type"):
        spark_batch.resolve(recipe, job, sandbox=True, not_charged=True)  # type: ignore[arg-type]


def test_what_is_no_path_of_a_manifest() -> None:
    """It is not taken for the current folder."""
    with pytest.raises(UsageError, match="path: expected a path, not a value"):
        spark_batch.read_manifest(None)  # type: ignore[arg-type]


def test_status_before_anything_has_run(recipe: Path) -> None:
    """It says so."""
    with pytest.raises(UsageError, match="nothing has been run yet"):
        spark_batch.status(recipe, sandbox=True)


def test_two_ways_to_settle_are_refused(recipe: Path) -> None:
    """Before the checkpoint is opened."""
    with pytest.raises(UsageError, match="give one of task_id, not_charged and resubmit"):
        spark_batch.resolve(recipe, "abc", not_charged=True, resubmit=True)


@pytest.mark.parametrize(
    ("job", "options"),
    [
        (None, {"not_charged": True}),
        ("abc", {"only": "status=uncertain", "not_charged": True}),
        (None, {"only": "status=uncertain", "task_id": "task-1"}),
    ],
)
def test_either_a_job_or_a_selection_is_settled(
    recipe: Path, job: str | None, options: dict[str, Any]
) -> None:
    """And a task is of one job."""
    with pytest.raises(UsageError, match="give job; or only, with not_charged or resubmit"):
        spark_batch.resolve(recipe, job, **options)
