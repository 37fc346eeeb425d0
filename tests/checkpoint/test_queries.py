"""What reports read in one query is what the queries by job tell."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

from spark_batch.checkpoint import Checkpoint
from spark_batch.jobs import Job
from tests.makers import a_job, a_picture, a_result, keys, some_jobs


def test_all_at_once_is_all_one_by_one(tmp_path: Path) -> None:
    """Attempts with a job's together, histories by attempt, and what each request sends."""
    jobs = some_jobs(4)
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        checkpoint.sync_jobs(jobs)
        for number in (1, 2):
            for job in jobs[:3]:
                attempt = checkpoint.begin_attempt(
                    job.key, number=number, reserved=Decimal("0.03"), api="sandbox"
                )
                checkpoint.submitted(attempt, f"task-{attempt}")
                checkpoint.fail(attempt, code="003003095", message="no", again="new-task")
        last = checkpoint.begin_attempt(jobs[2].key, number=3, reserved=None, api="sandbox")
        checkpoint.submitted(last, "task-last")
        checkpoint.fetching(last, a_result())
        every = list(checkpoint.attempts_among(keys(jobs)))
        assert every == [each for key in sorted(keys(jobs)) for each in checkpoint.attempts_of(key)]
        assert len(every) == 7
        told = {each.id: checkpoint.history(each.id) for each in every}
        assert checkpoint.histories(told) == told
        assert checkpoint.histories({every[0].id}) == {every[0].id: told[every[0].id]}
        requests = [record.request for record in checkpoint.records()]
        assert requests == [job.request for job in jobs]


def test_of_an_empty_checkpoint_there_is_nothing(tmp_path: Path) -> None:
    """And one that has only been enrolled has no attempt."""
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        assert (list(checkpoint.attempts_among(["a"])), checkpoint.histories({1})) == ([], {})
        checkpoint.sync_jobs([a_job()])
        assert list(checkpoint.attempts_among([a_job().key])) == []


def test_the_durations_are_those_of_the_last_tasks(tmp_path: Path) -> None:
    """What is learned at the start of a run is how long tasks took lately."""
    times = [datetime(2026, 1, 1, tzinfo=timezone.utc)]
    jobs = some_jobs(6)
    with Checkpoint.open(tmp_path / "t.checkpoint", clock=lambda: times[-1]) as checkpoint:
        checkpoint.sync_jobs(jobs)
        for seconds, job in enumerate(jobs, 1):
            attempt = checkpoint.begin_attempt(job.key, number=1, reserved=None, api="sandbox")
            checkpoint.submitted(attempt, f"task-{seconds}")
            times.append(times[-1] + timedelta(seconds=seconds))
            checkpoint.fetching(attempt, a_result())
        found = checkpoint.durations(600.0, 3)
        assert sorted(map(round, found)) == [4, 5, 6]
        assert len(checkpoint.durations(4.5, 9)) == 4


def test_what_stood_under_a_name_before(tmp_path: Path) -> None:
    """Pictures of other requests, the last one first; not of one that the recipe still has."""
    beach, night, snow = (a_job(prompt=prompt) for prompt in ("beach", "night", "snow"))
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        for job in (beach, night, snow):
            checkpoint.sync_jobs([job])
            _make(checkpoint, job)
        found = checkpoint.former([beach.output])
        assert [attempt.key for attempt in found[beach.output]] == [night.key, beach.key]
        assert checkpoint.former(["cat/other"]) == {}
        checkpoint.sync_jobs([snow, night._replace(output="cat/night")])
        found = checkpoint.former([beach.output])
        assert [attempt.key for attempt in found[beach.output]] == [beach.key]
        ((_, what, detail),) = checkpoint.history(found[beach.output][0].id)[-1:]
        assert (what, detail) == ("name taken", beach.output)


def test_a_name_whose_picture_was_never_made_had_none_before(tmp_path: Path) -> None:
    """Nor does a recipe that stays as it is write anything."""
    beach, night = a_job(prompt="beach"), a_job(prompt="night")
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        checkpoint.sync_jobs([beach])
        checkpoint.sync_jobs([night])
        assert checkpoint.former([beach.output]) == {}
        _make(checkpoint, night)
        checkpoint.sync_jobs([night])
        assert checkpoint.former([beach.output]) == {}
        checkpoint.sync_jobs([night, night._replace(output="cat/copy")])  # not written there yet
        checkpoint.sync_jobs([beach._replace(output="cat/copy")])
        assert checkpoint.former(["cat/copy"]) == {}


def _make(checkpoint: Checkpoint, job: Job) -> None:
    attempt = checkpoint.begin_attempt(job.key, number=1, reserved=None, api="sandbox")
    checkpoint.submitted(attempt, f"task-{job.key}")
    checkpoint.fetching(attempt, a_result())
    checkpoint.done(attempt, a_picture(job.key), {job.output: f"{job.output}.jpg"})
