"""`resolve`: one job by any name of it, or many at once."""

from __future__ import annotations

import pytest

from spark_batch.errors import ExitCode
from tests.cli.conftest import Call, Folder, MakeServer
from tests.cli.sharding import rows


@pytest.fixture
def uncertain(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, server: MakeServer
) -> Folder:
    """A recipe of which three jobs are uncertain and one is done."""
    served = server(create=["cut-after", "cut-before", "cut-after"])
    monkeypatch.setenv("SPARK_API_KEY", "k")
    monkeypatch.setenv("SPARK_BASE_URL", served.url)
    assert call("run", folder.recipe).code == ExitCode.UNCERTAIN
    return folder


def statuses(folder: Folder) -> list[str]:
    return sorted(row["status"] for row in rows(folder.out / "tiny.manifest.csv"))


def test_many_are_settled_at_once(uncertain: Folder, call: Call) -> None:
    command = ("resolve", uncertain.recipe, "--only", "status=uncertain", "--not-charged")
    ended = call(*command, "--yes")
    assert ended.code == ExitCode.DONE
    assert ended.out.count("is no longer counted as spent") == 3
    assert statuses(uncertain) == ["done", "pending", "pending", "pending"]
    assert call("run", uncertain.recipe).code == ExitCode.DONE


def test_many_are_not_settled_where_nobody_can_be_asked(uncertain: Folder, call: Call) -> None:
    ended = call("resolve", uncertain.recipe, "--only", "status=uncertain", "--not-charged")
    assert ended.code == ExitCode.WRONG
    assert "there is no terminal to ask whether to settle 3 attempts: add --yes" in ended.err
    assert statuses(uncertain) == ["done", "uncertain", "uncertain", "uncertain"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--not-charged",),
        ("JOB", "--only", "status=uncertain", "--not-charged"),
        ("--only", "status=uncertain", "--task-id", "task-1"),
        ("--only", "status=uncertain"),
    ],
)
def test_what_does_not_say_which_jobs_and_what_became_of_them_is_refused(
    uncertain: Folder, call: Call, arguments: tuple[str, ...]
) -> None:
    assert call("resolve", uncertain.recipe, *arguments, "--yes").code == ExitCode.WRONG
    assert statuses(uncertain) == ["done", "uncertain", "uncertain", "uncertain"]


def test_the_task_of_another_attempt_is_refused_before_anything_is_promised(
    uncertain: Folder, call: Call
) -> None:
    """Nothing says that it will be fetched, and nobody is asked whether to settle it so."""
    table = rows(uncertain.out / "tiny.manifest.csv")
    (task,) = [row["task_id"] for row in table if row["status"] == "done"]
    job = next(row["job"] for row in table if row["status"] == "uncertain")
    ended = call("resolve", uncertain.recipe, job, "--task-id", task)
    assert (ended.code, ended.out) == (ExitCode.WRONG, "")
    assert f"task {task} belongs to another attempt" in ended.err


def test_a_task_id_may_be_pasted_with_spaces_around_it(uncertain: Folder, call: Call) -> None:
    table = rows(uncertain.out / "tiny.manifest.csv")
    job = next(row["job"] for row in table if row["status"] == "uncertain")
    ended = call("resolve", uncertain.recipe, job, "--task-id", " task-99\n")
    assert ended.code == ExitCode.DONE
    assert "task task-99 will be polled" in ended.out
    assert [row["task_id"] for row in rows(uncertain.out / "tiny.manifest.csv")].count("task-99")


def test_jobs_that_are_not_uncertain_are_no_choice(uncertain: Folder, call: Call) -> None:
    ended = call("resolve", uncertain.recipe, "--only", "status=done", "--not-charged", "--yes")
    assert ended.code == ExitCode.WRONG
    assert "none of the chosen jobs is uncertain" in ended.err


def test_a_job_is_named_by_a_path_as_a_shell_completes_it(
    uncertain: Folder, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    (done,) = [row for row in rows(uncertain.out / "tiny.manifest.csv") if row["status"] == "done"]
    (file,) = uncertain.out.glob(f"{done['output']}*")
    monkeypatch.chdir(uncertain.path)
    for path in (file, file.relative_to(uncertain.path)):
        assert f"job {done['job']}" in call("why", uncertain.recipe, path).out
    assert call("why", uncertain.recipe, uncertain.path / "elsewhere.jpg").code == ExitCode.WRONG
