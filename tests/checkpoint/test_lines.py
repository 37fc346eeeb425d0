"""The recipe's lines: written where they changed, and left alone where they did not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_batch.checkpoint import Checkpoint, FinishedLines
from spark_batch.jobs import Input, Job, Prompt
from tests.makers import a_job, a_picture, a_result, some_jobs

OUTPUTS = st.lists(st.sampled_from("abcdef"), unique=True, max_size=6)
RECIPES = OUTPUTS.flatmap(
    lambda outputs: st.tuples(*[st.tuples(st.just(name), st.integers(1, 3)) for name in outputs])
)


def jobs_of(recipe: tuple[tuple[str, int], ...]) -> list[Job]:
    return [a_job(output, seed=seed) for output, seed in recipe]


@given(st.lists(RECIPES, min_size=1, max_size=4))
def test_the_lines_are_those_of_the_last_recipe(recipes: list[tuple[tuple[str, int], ...]]) -> None:
    """Whatever there was before; what it no longer has is left over, with its last request."""
    with Checkpoint.blank() as checkpoint:
        last: dict[str, str] = {}
        for recipe in recipes:
            jobs = jobs_of(recipe)
            checkpoint.sync_jobs(jobs)
            last |= {job.output: job.key for job in jobs}
            found = [(record.output, record.key) for record in checkpoint.records()]
            assert found == [(job.output, job.key) for job in jobs]
            others = {record.output: record.key for record in checkpoint.records(left_over=True)}
            assert others == {name: last[name] for name in last.keys() - dict(found).keys()}


def written(checkpoint: Checkpoint, jobs: list[Job]) -> int:
    """The number of rows that writing these lines changes."""
    before = checkpoint.store._db.total_changes
    checkpoint.sync_jobs(jobs)
    return checkpoint.store._db.total_changes - before


def test_lines_that_are_the_same_are_not_written() -> None:
    """Nothing for the same recipe; a new line at the end writes itself alone."""
    jobs = some_jobs(50)
    with Checkpoint.blank() as checkpoint:
        assert written(checkpoint, jobs[:40]) == 80
        assert written(checkpoint, jobs[:40]) == 0
        assert written(checkpoint, jobs[:41]) == 2
        assert written(checkpoint, jobs[:40]) == 1
        assert [record.output for record in checkpoint.records(left_over=True)] == [jobs[40].output]


def test_a_file_without_changes_keeps_its_bytes(tmp_path: Path) -> None:
    """Also its time."""
    path = tmp_path / "t.checkpoint"
    with Checkpoint.open(path) as checkpoint:
        checkpoint.sync_jobs(some_jobs(5))
    before = path.read_bytes(), path.stat().st_mtime_ns
    with Checkpoint.open(path) as checkpoint:
        checkpoint.sync_jobs(some_jobs(5))
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


CHANGES = {
    "recipe": lambda job: job._replace(recipe="other"),
    "input id": lambda job: job._replace(input=replace(job.input, id="dog")),
    "input file": lambda job: job._replace(input=replace(job.input, image="photos/dog.jpg")),
    "prompt id": lambda job: job._replace(prompt=replace(job.prompt, id="snow")),
    "variables": lambda job: job._replace(prompt=replace(job.prompt, variables=(("x", "1"),))),
    "source": lambda job: job._replace(prompt=replace(job.prompt, source="recipe.yaml:4:1")),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_of_a_line_is_written(name: str) -> None:
    """Though the request, and so the key, is the same."""
    jobs = some_jobs(3)
    changed = [jobs[0], CHANGES[name](jobs[1]), jobs[2]]
    with Checkpoint.blank() as checkpoint, Checkpoint.blank() as fresh:
        checkpoint.sync_jobs(jobs)
        checkpoint.sync_jobs(changed)
        fresh.sync_jobs(changed)
        assert list(checkpoint.records()) == list(fresh.records())


def finish(checkpoint: Checkpoint, job: Job) -> None:
    """Make the job done, for 0.04 USD."""
    attempt = checkpoint.begin_attempt(job.key, number=1, reserved=None, api="sandbox")
    checkpoint.submitted(attempt, f"task-{job.key}")
    checkpoint.fetching(attempt, a_result("0.04"))
    checkpoint.done(attempt, a_picture(), {job.output: f"{job.output}.jpg"})


def test_a_request_of_a_manifest_gets_its_picture() -> None:
    """A manifest does not have it; the recipe does, and nothing else has changed."""
    (job,) = some_jobs(1)
    with Checkpoint.blank() as checkpoint:
        checkpoint.sync_jobs([job])
        finish(checkpoint, job)
        assert FinishedLines(checkpoint).find(0, job) is not None
        checkpoint.store.execute("UPDATE request SET picture = NULL")
        assert FinishedLines(checkpoint).find(0, job) is None
        checkpoint.sync_jobs([job])
        assert [record.request for record in checkpoint.records()] == [job.request]


def test_only_a_finished_picture_of_an_unchanged_line_is_found() -> None:
    """Not of a job that is under way, nor at another position or with another prompt id."""
    done, running = some_jobs(2)
    with Checkpoint.blank() as checkpoint:
        checkpoint.sync_jobs([done, running])
        finish(checkpoint, done)
        attempt = checkpoint.begin_attempt(running.key, number=1, reserved=None, api="sandbox")
        checkpoint.submitted(attempt, "task-running")
        found = FinishedLines(checkpoint).find(0, done)
        assert found is not None
        assert (found.file, found.bytes, str(found.cost)) == (f"{done.output}.jpg", 1000, "0.04")
        renamed = done._replace(prompt=Prompt(id="other", text=done.prompt.text))
        moved = done._replace(input=Input(id="dog", picture=done.input.picture))
        for position, job in ((0, renamed), (0, moved), (1, done), (1, running)):
            assert FinishedLines(checkpoint).find(position, job) is None
