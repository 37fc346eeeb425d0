"""`run`, `retry` and `rescue`: typed results, progress, and what is paid for."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

import spark_batch
from spark_batch import Done, Event, ExitCode, Progress, Status, Submitted
from tests.python.conftest import MAPPING, MakeApi


def test_a_run_gives_its_jobs_with_their_types(recipe: Path) -> None:
    """In the recipe's order; every picture is where it says."""
    result = spark_batch.run(recipe, sandbox=True)
    assert result.ok
    assert result.exit_code is ExitCode.DONE
    assert (result.created, result.made, result.cost) == (4, 4, Decimal("0.12"))
    first, *_ = result.jobs
    assert first.status is Status.DONE
    assert first.cost == Decimal("0.03")
    assert first.output is not None
    assert first.output.is_absolute()
    assert first.output.read_bytes()[:2] == b"\xff\xd8"
    assert first.image == recipe.parent / "photo.jpg"
    assert (first.input, first.prompt, first.model) == ("photo", "Beach", "spark_i2i_3_0")
    assert [(job.prompt_id, job.scale) for job in result.jobs] == [
        ("beach", 0.4),
        ("beach", 0.7),
        ("snow", 0.4),
        ("snow", 0.7),
    ]
    assert first.values == {
        "model": "spark_i2i_3_0",
        "input": "photo",
        "prompt": "beach",
        "size": "512x512",
        "scale": 0.4,
        "seed": 7,
        "take": 1,
    }
    assert result.manifest.is_file()
    assert result.page.is_file()


def test_a_mapping_runs_as_its_file_does(folder: Path, recipe: Path) -> None:
    """The second run finds what the first one made: nothing is paid for twice."""
    first = spark_batch.run(MAPPING, base=folder, sandbox=True)
    again = spark_batch.run(recipe, sandbox=True)
    assert first.ok
    assert (again.created, again.made, again.cost) == (0, 0, 0)
    assert [job.key for job in again.jobs] == [job.key for job in first.jobs]
    assert first.output_dir == folder / "out" / "tiny" / "sandbox"


def test_a_mapping_counts_from_the_current_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without `base`, as in a notebook beside its pictures."""
    monkeypatch.chdir(folder)
    assert spark_batch.run(MAPPING, sandbox=True).output_dir == folder / "out" / "tiny" / "sandbox"


def test_the_command_sees_the_jobs_of_the_function(recipe: Path) -> None:
    """One pipeline, one checkpoint."""
    from spark_batch import cli

    spark_batch.run(recipe, sandbox=True)
    assert cli.dispatch(["run", str(recipe), "--sandbox", "--limit", "0"]) == 0


def test_each_event_comes_with_the_progress(recipe: Path) -> None:
    """In the thread of the caller, the last one when all jobs have ended."""
    seen: list[tuple[Event, Progress]] = []
    spark_batch.run(recipe, sandbox=True, on_event=lambda event, now: seen.append((event, now)))
    kinds = [type(event) for event, _ in seen]
    assert (kinds.count(Submitted), kinds.count(Done)) == (4, 4)
    last = seen[-1][1]
    assert (last.total, last.ended, last.done, last.in_flight) == (4, 4, 4, 0)
    assert (last.spent, last.expected) == (Decimal("0.12"), Decimal("0.12"))


def test_nothing_is_printed(recipe: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A library leaves the terminal to its caller."""
    spark_batch.run(recipe, sandbox=True)
    assert capfd.readouterr() == ("", "")


def test_a_bar_is_shown_on_request(recipe: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """On stderr; stdout stays the program's."""
    spark_batch.run(recipe, sandbox=True, progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "4/4" in err
    assert "0.12 play USD" in err


def test_a_selection_has_its_jobs_alone(recipe: Path) -> None:
    """`only`, `sample` and `limit` are those of the command."""
    snow = spark_batch.run(recipe, sandbox=True, only="prompt=snow")
    assert [job.prompt for job in snow.jobs] == ["Snow", "Snow"]
    several = spark_batch.run(recipe, sandbox=True, only=["scale=0.4", "prompt=snow"])
    assert [job.status for job in several.jobs] == [Status.DONE] * 3
    assert len(spark_batch.run(recipe, sandbox=True, sample="50%").jobs) == 2


def test_a_limit_on_the_tasks(recipe: Path) -> None:
    """The rest is left to the next run."""
    result = spark_batch.run(recipe, sandbox=True, limit=1)
    assert result.counts == {Status.DONE: 1, Status.PENDING: 3}


def test_a_limit_on_the_cost_stops_before_it(recipe: Path) -> None:
    """Amounts may be written as a text, a number or a Decimal; the reason is in the result."""
    result = spark_batch.run(recipe, sandbox=True, max_cost="0.07", concurrency=1)
    assert result.exit_code is ExitCode.OVER_BUDGET
    assert not result.ok
    assert result.counts == {Status.DONE: 2, Status.PENDING: 2}
    assert result.reason is not None
    assert "0.07" in result.reason
    assert spark_batch.run(recipe, sandbox=True, max_cost=0.09, concurrency=1).made == 1
    assert spark_batch.run(recipe, sandbox=True, max_cost=Decimal(1)).made == 1


def test_a_failed_job_is_a_status_and_retry_makes_it(recipe: Path, api: MakeApi) -> None:
    """With its code and message; what was retried is in the result, though it no longer failed."""
    served = api(create=["task-code:003003001"])
    result = spark_batch.run(recipe, concurrency=1)
    assert result.exit_code is ExitCode.FAILED
    failed = [job for job in result.jobs if job.status is Status.FAILED]
    assert [(job.error_code, job.output, job.cost) for job in failed] == [("003003001", None, None)]
    again = spark_batch.retry(recipe, only="status=failed")
    assert [(job.key, job.status) for job in again.jobs] == [(failed[0].key, Status.DONE)]
    assert not again.sandbox
    assert len(served.ledger.accepted()) == 5


def test_rescue_fetches_what_is_gone(recipe: Path) -> None:
    """Without a task; input pictures may be missing."""
    made = spark_batch.run(recipe, sandbox=True)
    for job in made.jobs:
        assert job.output is not None
        job.output.unlink()
    (recipe.parent / "photo.jpg").unlink()
    rescued = spark_batch.rescue(recipe, sandbox=True)
    assert (rescued.made, rescued.created, rescued.cost) == (4, 0, 0)
    assert all(job.output is not None and job.output.is_file() for job in rescued.jobs)


def test_rescue_of_nothing(folder: Path) -> None:
    """No error, and no jobs."""
    rescued = spark_batch.rescue(MAPPING, base=folder, sandbox=True)
    assert (len(rescued.jobs), rescued.ok) == (0, True)
    assert rescued.notes == ("nothing has been run yet",)


def test_shards_are_merged(folder: Path) -> None:
    """Each with a checkpoint of its own, also of a mapping."""
    parts = [
        spark_batch.run(MAPPING, base=folder, sandbox=True, shard=f"{number}/2")
        for number in (1, 2)
    ]
    assert sum(part.made for part in parts) == 4
    merged = spark_batch.merge(MAPPING, base=folder, sandbox=True)
    assert (merged.counts, merged.brought) == ({Status.DONE: 4}, 0)
    assert len(spark_batch.read_manifest(merged.manifest)) == 4


def test_what_to_do_next_about_a_mapping_is_a_call(folder: Path) -> None:
    """A command would need a file: as it stands in the message, it does what it says."""
    spark_batch.run(MAPPING, base=folder, sandbox=True)
    renamed = {**MAPPING, "name": "other"}
    with pytest.raises(spark_batch.UsageError) as refused:
        spark_batch.run(renamed, base=folder, sandbox=True)
    _, call, *_ = str(refused.value).split("`")
    assert call.startswith("spark_batch.merge(recipe, ['")
    assert call.endswith(f"'], base='{folder}', sandbox=True, renamed=True)")
    eval(call, {"spark_batch": spark_batch, "recipe": renamed})
    assert spark_batch.run(renamed, base=folder, sandbox=True).created == 0
    with pytest.raises(spark_batch.UsageError, match=r"`spark_batch.status\(recipe, base='/"):
        spark_batch.resolve(renamed, "none", base=folder, sandbox=True, not_charged=True)


def test_an_uncertain_job_of_a_mapping_can_be_settled(folder: Path, api: MakeApi) -> None:
    """The command needs a file; a program does not have one."""
    api(create=["cut-after"])
    first = spark_batch.run(MAPPING, base=folder, concurrency=1)
    assert first.exit_code is ExitCode.UNCERTAIN
    (job,) = (job for job in first.jobs if job.status is Status.UNCERTAIN)
    with pytest.raises(spark_batch.UsageError, match="give one of task_id, not_charged"):
        spark_batch.resolve(MAPPING, job.key, base=folder)
    settled = spark_batch.resolve(MAPPING, job.key, base=folder, not_charged=True)
    assert settled.counts[Status.UNCERTAIN] == 0
    assert spark_batch.run(MAPPING, base=folder).ok


def test_several_uncertain_jobs_are_settled_at_once(folder: Path, api: MakeApi) -> None:
    """With `only`; a job that it does not choose stays uncertain."""
    api(create=["cut-after", "cut-after"])
    first = spark_batch.run(MAPPING, base=folder, concurrency=1)
    job, other = (job for job in first.jobs if job.status is Status.UNCERTAIN)
    only = [f"status=uncertain,job={job.key}"]
    settled = spark_batch.resolve(MAPPING, base=folder, only=only, not_charged=True)
    assert [job.key for job in settled.jobs if job.status is Status.UNCERTAIN] == [other.key]
    settled = spark_batch.resolve(MAPPING, base=folder, only="status=uncertain", resubmit=True)
    assert settled.counts[Status.UNCERTAIN] == 0
    with pytest.raises(spark_batch.UsageError, match="none of the chosen jobs is uncertain"):
        spark_batch.resolve(MAPPING, base=folder, only="status=done", resubmit=True)


def test_the_key_is_in_no_result(recipe: Path, api: MakeApi) -> None:
    """Nor in its text, page or table."""
    key = "sk-canary-0123456789"
    api(key)
    result = spark_batch.run(recipe)
    assert result.ok
    shown = (repr(result), str(result), result._repr_html_(), result.page.read_text())
    assert not any(key in text for text in shown)


def test_without_a_key_nothing_is_made_on_disk(recipe: Path) -> None:
    """One clear line."""
    with pytest.raises(spark_batch.UsageError, match="there is no API key"):
        spark_batch.run(recipe)
    assert not (recipe.parent / "out").exists()


def test_the_key_comes_from_a_file(
    recipe: Path, api: MakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`env_file`, as the command's option."""
    served = api("from-the-file-0123")
    monkeypatch.delenv("SPARK_API_KEY")
    monkeypatch.delenv("SPARK_BASE_URL")
    file = recipe.parent / "keys.env"
    file.write_text(f"SPARK_API_KEY=from-the-file-0123\nSPARK_BASE_URL={served.url}\n")
    assert spark_batch.run(recipe, env_file=file).ok


def test_a_refused_key_is_a_result(
    recipe: Path, api: MakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run stops; nothing is lost, and the reason is there."""
    api()
    monkeypatch.setenv("SPARK_API_KEY", "another-key-0123")
    result = spark_batch.run(recipe)
    assert result.exit_code is ExitCode.REFUSED
    assert result.reason is not None
    assert "401" in result.reason
