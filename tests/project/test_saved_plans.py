"""A saved plan in a Python program: when its use is written down, and what a run takes from it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from spark_batch.checkpoint import CheckpointReader
from spark_batch.engine import Driver
from spark_batch.errors import ExitCode, UsageError
from spark_batch.project import Recipe, RunOptions, load, plan, planfile, prepare, save
from tests.runs import run, to_the_end

RECIPE = """\
version: 1
name: mine
inputs: [cat.jpg]
prompts: [Beach, Snow]
price: 0.03
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """A recipe of two jobs."""
    Image.new("RGB", (96, 64), (200, 120, 40)).save(tmp_path / "cat.jpg", "JPEG")
    (tmp_path / "mine.yaml").write_text(RECIPE)
    return load(tmp_path / "mine.yaml").recipe


def saved(recipe: Recipe, *only: str) -> Path:
    """Save a plan beside the recipe."""
    path = recipe.path.parent / "mine.plan"
    with plan(recipe, sandbox=True, only=only) as planned:
        kept = planned.snapshot()
        assert len(list(planned.steps())) == 2
        save(planned, kept, path)
    return path


def test_its_use_is_on_disk_before_anything_is_sent(recipe: Recipe) -> None:
    """Another process sees it before the run's first event."""
    options = RunOptions(sandbox=True, plan=saved(recipe))
    used = []

    def watch(going: Driver, total: int) -> None:
        with CheckpointReader.open_readonly(prepared.plan.layout.checkpoint) as reader:
            used.append(reader.plan_used(planfile.read(options.plan).id))
            assert reader.open_attempts() == []
        raise KeyboardInterrupt

    with prepare(recipe, options) as prepared, pytest.raises(KeyboardInterrupt):
        prepared.execute(watch)
    assert used != [None]
    with pytest.raises(UsageError, match="was used at"):
        run(recipe, options)


def test_a_program_does_a_saved_plan(recipe: Recipe) -> None:
    """Its selection, though the order names none."""
    outcome = run(recipe, RunOptions(sandbox=True, plan=saved(recipe, "prompt=snow")))
    assert (outcome.exit_code, outcome.tally.created) == (ExitCode.DONE, 1)


def test_a_retry_has_no_plan(recipe: Recipe) -> None:
    """A plan is of what `run` does."""
    with pytest.raises(UsageError, match="leave --retry out"):
        run(recipe, RunOptions(sandbox=True, retry=True, plan=saved(recipe)))


def test_a_plan_keeps_what_was_shown(recipe: Recipe) -> None:
    """A run that goes on while a plan is shown makes it drift, and not another plan."""
    path = recipe.path.parent / "mine.plan"
    run(recipe, RunOptions(sandbox=True, limit=0))
    with plan(recipe, sandbox=True) as planned:
        kept = planned.snapshot()
        steps = list(planned.steps())
        run(recipe, RunOptions(sandbox=True, limit=1))
        save(planned, kept, path)
    assert [key for key, _ in planfile.read(path).jobs.values()] == [step.job.key for step in steps]
    with pytest.raises(UsageError, match="no longer holds"):
        run(recipe, RunOptions(sandbox=True, plan=path))


def test_what_changes_after_the_check_is_left(recipe: Recipe) -> None:
    """A picture that goes away while the run begins is not the plan's to put back."""
    first = run(recipe, RunOptions(sandbox=True, limit=1))
    (picture,) = first.manifest.parent.glob("*/*.jpg")
    path = recipe.path.parent / "mine.plan"
    with plan(recipe, sandbox=True) as planned:
        kept = planned.snapshot()
        list(planned.steps())
        save(planned, kept, path)
    with prepare(recipe, RunOptions(sandbox=True, plan=path)) as prepared:
        picture.unlink()
        outcome = prepared.execute(to_the_end)
    assert (outcome.tally.created, outcome.tally.done, picture.exists()) == (1, 1, False)
    assert run(recipe, RunOptions(sandbox=True)).tally.done == 1
    assert picture.exists()
