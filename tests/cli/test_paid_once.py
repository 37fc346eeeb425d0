"""What is paid for stays known: rescue, resolve, why, verify, and adoption from the manifest."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from spark_batch.checkpoint import Checkpoint
from spark_batch.client import TaskReader
from spark_batch.errors import ExitCode
from spark_batch.sandbox import Served
from tests.cli.conftest import ROOT, Call, Folder, MakeServer


@pytest.fixture
def uncertain(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, server: MakeServer
) -> Served:
    """One of four jobs is uncertain: its task was made, and the answer never came."""
    served = server(create=["cut-after"])
    monkeypatch.setenv("SPARK_API_KEY", "k")
    monkeypatch.setenv("SPARK_BASE_URL", served.url)
    assert call("run", folder.recipe, "--concurrency", "1").code == ExitCode.UNCERTAIN
    return served


def the_uncertain_job(folder: Folder, call: Call) -> str:
    """Its key, as `status` tells it."""
    (line,) = [
        line
        for line in call("status", folder.recipe).out.splitlines()
        if line.startswith("uncertain ")
    ]
    return line.partition("(job ")[2].partition(")")[0]


def test_an_uncertain_job_whose_task_is_known_is_fetched_not_paid(
    folder: Folder, call: Call, uncertain: Served
) -> None:
    """`resolve --task-id`, then `rescue`: four pictures, four tasks."""
    job = the_uncertain_job(folder, call)
    task = uncertain.ledger.accepted()[0].id
    ended = call("resolve", folder.recipe, job, "--task-id", task)
    assert ended.code == ExitCode.DONE
    assert "what it cost counts, once" in ended.out
    rescued = call("rescue", folder.recipe)
    assert (rescued.code, rescued.out) == (ExitCode.DONE, "1 job rescued\n")
    assert len(folder.pictures(folder.out)) == 4
    assert len(uncertain.ledger.accepted()) == 4
    assert "0.12 USD spent" in call("status", folder.recipe).out


def test_an_uncertain_job_that_was_not_charged_is_made(
    folder: Folder, call: Call, uncertain: Served
) -> None:
    """`resolve --not-charged` takes it off the books, and `run` makes it."""
    job = the_uncertain_job(folder, call)
    assert "no longer counted" in call("resolve", folder.recipe, job[:6], "--not-charged").out
    assert call("run", folder.recipe).code == ExitCode.DONE
    assert len(uncertain.ledger.accepted()) == 5
    assert "0.12 USD spent\n" in call("status", folder.recipe).out


def test_an_uncertain_job_can_be_asked_for_again(
    folder: Folder, call: Call, uncertain: Served
) -> None:
    """`resolve --resubmit` says that it may be paid twice, and keeps the first one on the books."""
    job = the_uncertain_job(folder, call)
    assert "AGAIN" in call("resolve", folder.recipe, job, "--resubmit").out
    assert call("run", folder.recipe).code == ExitCode.DONE
    assert len(uncertain.ledger.accepted()) == 5
    assert "0.12 USD spent, 0.03 USD reserved" in call("status", folder.recipe).out
    why = call("why", folder.recipe, job).out
    assert why.count("attempt ") >= 2
    assert "the user asks for the job again" in why


def test_resolve_refuses_what_it_cannot_do(folder: Folder, call: Call, uncertain: Served) -> None:
    """No choice, two choices, a bad or known id, a job that is done or that nobody knows."""
    job = the_uncertain_job(folder, call)
    known = uncertain.ledger.accepted()[1].id
    for arguments in (
        [job],
        [job, "--not-charged", "--resubmit"],
        [job, "--task-id", "../x"],
        [job, "--task-id", known],
        ["nope", "--not-charged"],
        ["", "--not-charged"],
        ["photo/beach-512x512-scale0.7-seed7", "--not-charged"],
    ):
        ended = call("resolve", folder.recipe, *arguments)
        assert ended.code == ExitCode.WRONG
        assert "Traceback" not in ended.err
    assert the_uncertain_job(folder, call) == job


def test_rescue_cannot_create_a_task(folder: Folder, call: Call, uncertain: Served) -> None:
    """It is handed a client without that method; an uncertain job is left to the user."""
    assert not hasattr(TaskReader, "submit")
    folder.pictures(folder.out)[0].unlink()
    (folder.path / "photo.jpg").unlink()
    ended = call("rescue", folder.recipe)
    assert ended.code == ExitCode.UNCERTAIN
    assert "1 job rescued" in ended.out
    assert len(folder.pictures(folder.out)) == 3
    assert len(uncertain.ledger.accepted()) == 4


def test_rescue_with_nothing_to_do_needs_no_key(folder: Folder, call: Call) -> None:
    """CI can always run it, also before the first run; then it makes no file."""
    before = sorted(folder.path.rglob("*"))
    ended = call("rescue", folder.recipe)
    assert (ended.code, ended.out) == (
        ExitCode.DONE,
        "nothing to rescue: nothing has been run yet\n",
    )
    assert sorted(folder.path.rglob("*")) == before
    call("run", folder.recipe, "--sandbox")
    ended = call("rescue", folder.recipe, "--sandbox")
    assert (ended.code, ended.out) == (
        ExitCode.DONE,
        "nothing to rescue: every picture that is paid for is here\n",
    )


@pytest.mark.parametrize("lost", [0, 1])
@pytest.mark.parametrize(
    ("fault", "code", "reason"),
    [
        ("create-code:003003005", ExitCode.FAILED, "1 job failed before: {} with the reason\n"),
        ("cut-after", ExitCode.UNCERTAIN, "1 attempt uncertain: {} with the command\n"),
    ],
)
def test_a_rescue_says_which_earlier_jobs_decide_its_exit_code(
    folder: Folder,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
    server: MakeServer,
    *,
    fault: str,
    code: ExitCode,
    reason: str,
    lost: int,
) -> None:
    """Whether or not it had something to fetch, and fetched all of it."""
    monkeypatch.setenv("SPARK_API_KEY", "k")
    monkeypatch.setenv("SPARK_BASE_URL", server(create=[fault]).url)
    call("run", folder.recipe)
    for picture in folder.pictures(folder.out)[:lost]:
        picture.unlink()
    ended = call("rescue", folder.recipe)
    assert (ended.code, len(folder.pictures(folder.out))) == (code, 3)
    assert ended.out.startswith("1 job rescued" if lost else "nothing to rescue")
    status = f"`spark-batch status {folder.recipe}` lists them"
    assert ended.err.endswith(reason.format(status))


def test_rescue_fetches_what_the_manifest_alone_knows(
    folder: Folder, call: Call, uncertain: Served
) -> None:
    """A fresh machine without the checkpoint: fetched, kept, and put into place by the next run."""
    job = the_uncertain_job(folder, call)
    call("resolve", folder.recipe, job, "--task-id", uncertain.ledger.accepted()[0].id)
    (folder.out / ".spark-batch" / "tiny.checkpoint").unlink()
    ended = call("rescue", folder.recipe)
    assert (ended.code, ended.out.splitlines()[0]) == (ExitCode.DONE, "1 job rescued")
    assert len(list((folder.out / ".spark-batch" / "kept").iterdir())) == 1
    assert call("run", folder.recipe).code == ExitCode.DONE
    assert len(folder.pictures(folder.out)) == 4
    assert len(uncertain.ledger.accepted()) == 4


def test_rescue_fetches_what_a_run_left_and_heeds_the_recipe_s_run(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, server: MakeServer
) -> None:
    """One download a picture, as `run.fetch_tries` says, in `run` and in `rescue`."""
    served = server(result=["expired"] * 8)
    monkeypatch.setenv("SPARK_API_KEY", "k")
    monkeypatch.setenv("SPARK_BASE_URL", served.url)
    text = folder.recipe.read_text()
    folder.recipe.write_text(text.replace("run: {", "run: {fetch_tries: 1, "))
    for command in ("run", "rescue"):
        ended = call(command, folder.recipe)
        assert ended.code == ExitCode.FAILED
        assert "4 unfinished" in ended.out
        assert "after 1 tries" in ended.err
    assert "4 jobs rescued" in call("rescue", folder.recipe).out
    assert call("run", folder.recipe).code == ExitCode.DONE
    assert len(served.ledger.accepted()) == 4


def test_why_tells_the_history_of_a_job(folder: Folder, call: Call) -> None:
    """By its picture's name: every transition with its time, the task and the cost."""
    call("run", folder.recipe, "--sandbox")
    ended = call("why", folder.recipe, "photo/beach-512x512-scale0.4-seed7", "--sandbox")
    assert ended.code == ExitCode.DONE
    for word in ("submitting", "running", "fetching: 0.03 USD", "done: ", "nothing is sent"):
        assert word in ended.out
    assert call("why", folder.recipe, "nope", "--sandbox").code == ExitCode.WRONG


def test_verify_finds_every_changed_or_missing_file(folder: Folder, call: Call) -> None:
    """One byte is enough; exit 1, and what to do."""
    call("run", folder.recipe, "--sandbox")
    assert "4 files as recorded, 0 changed" in call("verify", folder.recipe, "--sandbox").out
    changed, missing, *_ = folder.pictures()
    changed.write_bytes(changed.read_bytes()[:-1] + b"\0")
    missing.unlink()
    ended = call("verify", folder.recipe, "--sandbox")
    assert ended.code == ExitCode.FAILED
    assert f"{changed.relative_to(folder.previews)}: changed" in ended.out
    assert f"{missing.relative_to(folder.previews)}: missing" in ended.out
    assert "2 files as recorded, 2 changed or missing" in ended.out


def test_a_lost_checkpoint_costs_nothing(folder: Folder, call: Call) -> None:
    """A fresh runner with the manifest and the pictures adopts them: plan and run say so."""
    call("run", folder.recipe, "--sandbox")
    manifest = (folder.previews / "tiny.manifest.csv").read_bytes()
    checkpoint = folder.previews / ".spark-batch" / "tiny.checkpoint"
    checkpoint.unlink()
    plan = call("plan", folder.recipe, "--sandbox", "--detailed-exitcode")
    assert (plan.code, checkpoint.exists()) == (ExitCode.DONE, False)
    ended = call("run", folder.recipe, "--sandbox")
    assert "4 jobs adopted" in ended.err
    assert "nothing to do: 4 jobs done" in ended.out
    assert len(folder.ledger()) == 4
    assert (folder.previews / "tiny.manifest.csv").read_bytes() == manifest


def test_a_manifest_without_its_pictures_fetches_them_again(folder: Folder, call: Call) -> None:
    """The task ids in it are enough, while the results are to be had."""
    call("run", folder.recipe, "--sandbox")
    before = {path.name: path.read_bytes() for path in folder.pictures()}
    for path in folder.pictures():
        path.unlink()
    (folder.previews / ".spark-batch" / "tiny.checkpoint").unlink()
    ended = call("run", folder.recipe, "--sandbox")
    assert ended.code == ExitCode.DONE
    assert {path.name: path.read_bytes() for path in folder.pictures()} == before
    assert len(folder.ledger()) == 4


def test_an_older_checkpoint_learns_from_the_manifest(folder: Folder, call: Call) -> None:
    """A restored cache knows two jobs, the manifest four: nothing is paid for again."""
    call("run", folder.recipe, "--sandbox", "--limit", "2")
    checkpoint = folder.previews / ".spark-batch" / "tiny.checkpoint"
    older = shutil.copy(checkpoint, folder.path / "older")
    call("run", folder.recipe, "--sandbox")
    shutil.copy(older, checkpoint)
    ended = call("run", folder.recipe, "--sandbox")
    assert "2 jobs adopted" in ended.err
    assert ended.code == ExitCode.DONE
    assert len(folder.ledger()) == 4


def test_what_the_manifest_calls_uncertain_stays_uncertain(
    folder: Folder, call: Call, uncertain: Served
) -> None:
    """Without its checkpoint an uncertain job is not sent again either."""
    (folder.out / ".spark-batch" / "tiny.checkpoint").unlink()
    ended = call("run", folder.recipe)
    assert ended.code == ExitCode.UNCERTAIN
    assert len(uncertain.ledger.accepted()) == 4


def test_an_attempt_whose_answer_the_cache_missed_is_the_manifests(
    folder: Folder, call: Call, uncertain: Served
) -> None:
    """A checkpoint that missed the answer, a manifest that knows the task: one attempt."""
    job = the_uncertain_job(folder, call)
    checkpoint = folder.out / ".spark-batch" / "tiny.checkpoint"
    older = shutil.copy(checkpoint, folder.path / "older")
    call("resolve", folder.recipe, job, "--task-id", uncertain.ledger.accepted()[0].id)
    call("rescue", folder.recipe)
    shutil.copy(older, checkpoint)
    assert call("run", folder.recipe).code == ExitCode.DONE
    assert "0.12 USD spent\n" in call("status", folder.recipe).out


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "<<<<<<< HEAD\n" + text,
        lambda text: text.replace(",done,", ",finished,"),
        lambda text: text[: len(text) // 2].rsplit(",", 3)[0] + '"',
    ],
)
def test_a_manifest_that_cannot_be_trusted_stops_a_run_that_needs_it(
    folder: Folder, call: Call, damage: Callable[[str], str]
) -> None:
    """It may tell of what is paid for: exit 2, nothing is sent, and the file stays as it is."""
    call("run", folder.recipe, "--sandbox")
    path: Path = folder.previews / "tiny.manifest.csv"
    path.write_text(damage(path.read_text()))
    broken = path.read_text()
    (folder.previews / ".spark-batch" / "tiny.checkpoint").unlink()
    ended = call("run", folder.recipe, "--sandbox")
    assert ended.code == ExitCode.WRONG
    assert "manifest" in ended.err
    assert len(folder.ledger()) == 4
    assert path.read_text() == broken


def test_an_edited_recipe_without_its_checkpoint_is_compared_with_the_manifest(
    folder: Folder, call: Call
) -> None:
    """What changed is told by field, what left the recipe is left over, and money is right."""
    call("run", folder.recipe, "--sandbox")
    (folder.previews / ".spark-batch" / "tiny.checkpoint").unlink()
    folder.edit("[Beach, Snow]", "[{id: beach, text: A beach}]")
    plan = call("plan", folder.recipe, "--sandbox")
    assert "changed: prompt from 'Beach' to 'A beach'  about 0.03 USD" in plan.out
    assert "4 left over from an older recipe, 0.12 USD" in plan.out
    assert "expected 0.06 USD (by what was charged before); nothing charged" in plan.out
    assert "would be about 0.12 USD so far" in plan.out
    ended = call("run", folder.recipe, "--sandbox")
    assert "4 jobs adopted" in ended.err
    assert "2 tasks created, nothing charged, would be about 0.18 USD so far" in ended.out
    after = call("plan", folder.recipe, "--sandbox")
    assert "4 left over from an older recipe, 0.12 USD" in after.out
    kept = folder.previews / ".spark-batch" / "kept"
    assert len(list(kept.iterdir())) == 2  # the pictures that made room
    assert len(folder.ledger()) == 6


def test_an_adopted_job_still_knows_its_picture(folder: Folder, call: Call) -> None:
    """The recipe tells what the manifest does not: a changed photo is named by both hashes."""
    call("run", folder.recipe, "--sandbox")
    (folder.previews / ".spark-batch" / "tiny.checkpoint").unlink()
    call("run", folder.recipe, "--sandbox")
    (folder.path / "photo.jpg").write_bytes((ROOT / "recipes/photos/dandelion.jpg").read_bytes())
    assert "changed: picture from sha256 " in call("plan", folder.recipe, "--sandbox").out


def an_unknown_task(folder: Folder, served: Served) -> str:
    """Make the uncertain attempt one whose task is known: the API answered 404 for a minute."""
    task = served.ledger.accepted()[0].id
    path = next((folder.out / ".spark-batch").glob("*.checkpoint"))
    with Checkpoint.open(path) as checkpoint:
        (attempt,) = checkpoint.open_attempts()
        checkpoint.found_task(attempt.id, task)
        checkpoint.uncertain(attempt.id, "HTTP 404")
    return task


@pytest.mark.parametrize("command", ["run", "rescue"])
def test_a_task_that_the_api_did_not_know_is_looked_for_again(
    folder: Folder, call: Call, uncertain: Served, command: str
) -> None:
    """Its id is known: a look is free, and nobody has to settle it by hand."""
    an_unknown_task(folder, uncertain)
    assert call(command, folder.recipe).code == ExitCode.DONE
    assert len(folder.pictures(folder.out)) == 4
    assert len(uncertain.ledger.accepted()) == 4


def test_a_task_that_the_api_did_not_know_can_be_named_by_its_id(
    folder: Folder, call: Call, uncertain: Served
) -> None:
    """The id is the attempt's own, and no other's."""
    task = an_unknown_task(folder, uncertain)
    job = the_uncertain_job(folder, call)
    assert call("resolve", folder.recipe, job, "--task-id", task).code == ExitCode.DONE
    assert call("rescue", folder.recipe).code == ExitCode.DONE
