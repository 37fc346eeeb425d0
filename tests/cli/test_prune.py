"""`prune`: what it lists and deletes, what it leaves alone, and that nothing of it comes back."""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
from pathlib import Path

import pytest

from spark_batch.jobs.picks import PICKS_SUFFIX
from tests.cli.conftest import Call, Folder


@pytest.fixture
def made(folder: Folder, call: Call) -> list[dict[str, str]]:
    """Four previews; their manifest's rows."""
    assert call("run", folder.recipe, "--sandbox").code == 0
    return rows(folder)


def rows(folder: Folder) -> list[dict[str, str]]:
    text = (folder.previews / "tiny.manifest.csv").read_text()
    return list(csv.DictReader(text.splitlines()))


def judge(folder: Folder, verdicts: dict[str, str]) -> None:
    """Write the picks file: `pick` or `reject` by job."""
    lines = ["job,output,verdict,note", *(f"{job},x,{word}," for job, word in verdicts.items())]
    (folder.path / f"tiny{PICKS_SUFFIX}").write_text("\n".join(lines) + "\n")


def test_rejected_pictures_are_listed_then_deleted(
    folder: Folder, call: Call, made: list[dict[str, str]]
) -> None:
    """Without --yes nothing changes; with it the file goes, and nothing fetches it again."""
    job, other = made[0], made[1]
    judge(folder, {job["job"]: "reject", other["job"]: "pick"})
    listed = call("prune", folder.recipe, "--sandbox", "--rejected")
    assert (listed.code, len(folder.pictures())) == (0, 4)
    assert listed.out.splitlines()[0].startswith(f"rejected   {job['output']}  ")
    assert f"`spark-batch prune {folder.recipe} --sandbox --rejected --yes` deletes" in listed.out
    ended = call("prune", folder.recipe, "--sandbox", "--rejected", "--yes")
    assert ended.out.splitlines()[-1].startswith("1 picture deleted, ")
    assert len(folder.pictures()) == 3
    assert not (folder.previews / job["output"]).exists()
    again = call("run", folder.recipe, "--sandbox")
    assert again.out.startswith("nothing to do: 3 jobs done\n")
    assert "      1 pruned     their pictures were deleted" in again.out
    for command in ("rescue", "verify", "retry"):
        assert call(command, folder.recipe, "--sandbox").code == 0
    assert (len(folder.pictures()), len(folder.ledger())) == (3, 4)
    assert call("prune", folder.recipe, "--sandbox", "--rejected").out == "nothing to delete\n"


def test_a_pruned_picture_stays_in_the_manifest_with_its_cost(
    folder: Folder, call: Call, made: list[dict[str, str]]
) -> None:
    judge(folder, {made[0]["job"]: "reject"})
    call("prune", folder.recipe, "--sandbox", "--rejected", "--yes")
    now = rows(folder)
    assert [row["status"] for row in now] == ["pruned", "done", "done", "done"]
    changed = {name for name in now[0] if now[0][name] != made[0][name]}
    assert changed == {"status", "pick"}
    assert now[0]["cost_usd"]
    assert now[1:] == made[1:]


def test_a_manifest_alone_brings_no_pruned_picture_back(
    folder: Folder, call: Call, made: list[dict[str, str]]
) -> None:
    """A fresh clone has the manifest and the pictures, and no checkpoint."""
    judge(folder, {made[0]["job"]: "reject"})
    call("prune", folder.recipe, "--sandbox", "--rejected", "--yes")
    shutil.rmtree(folder.previews / ".spark-batch")
    for command in ("run", "rescue"):
        assert call(command, folder.recipe, "--sandbox").code == 0
        assert len(folder.pictures()) == 3
    assert [row["status"] for row in rows(folder)] == ["pruned", "done", "done", "done"]
    assert folder.ledger() == []


def test_an_older_checkpoint_learns_from_the_manifest_what_was_pruned(
    folder: Folder, call: Call, made: list[dict[str, str]]
) -> None:
    """As on a machine that pulls what another one committed."""
    checkpoint = folder.previews / ".spark-batch" / "tiny.checkpoint"
    older = checkpoint.read_bytes()
    judge(folder, {made[0]["job"]: "reject"})
    call("prune", folder.recipe, "--sandbox", "--rejected", "--yes")
    checkpoint.write_bytes(older)
    assert "1 pruned" in call("plan", folder.recipe, "--sandbox").out
    ended = call("run", folder.recipe, "--sandbox")
    assert "nothing to do: 3 jobs done" in ended.out
    assert len(folder.pictures()) == 3


def test_undo_has_the_next_run_fetch_it_for_nothing(
    folder: Folder, call: Call, made: list[dict[str, str]]
) -> None:
    """`status` names the command when a pruned picture is picked after all."""
    job = made[0]["job"]
    before = (folder.previews / made[0]["output"]).read_bytes()
    judge(folder, {job: "reject", made[1]["job"]: "reject"})
    call("prune", folder.recipe, "--sandbox", "--rejected", "--yes")
    judge(folder, {job: "pick"})
    only = "pick=yes,status=pruned"
    told = call("status", folder.recipe, "--sandbox").out
    words = f"1 picked picture without a file, since pruned: `spark-batch prune {folder.recipe}"
    assert f"{words} --sandbox --undo --only {only}` undoes that" in told
    picks = folder.path / f"tiny{PICKS_SUFFIX}"
    judged = picks.read_text()
    picks.write_text(f"{judged}<<<<<<< HEAD\n")
    ended = call("status", folder.recipe, "--sandbox")
    assert (ended.code, ended.err.count("merge conflict")) == (0, 1)
    picks.write_text(judged)
    undone = call("prune", folder.recipe, "--sandbox", "--undo", "--only", only)
    assert undone.out.startswith(f"1 picture wanted again: `spark-batch run {folder.recipe}")
    assert call("run", folder.recipe, "--sandbox").code == 0
    assert (folder.previews / made[0]["output"]).read_bytes() == before
    assert [row["status"] for row in rows(folder)] == ["done", "pruned", "done", "done"]
    assert len(folder.ledger()) == 4


def test_a_picture_that_somebody_puts_back_is_done_again(
    folder: Folder, call: Call, made: list[dict[str, str]]
) -> None:
    path = folder.previews / made[0]["output"]
    content = path.read_bytes()
    judge(folder, {made[0]["job"]: "reject"})
    call("prune", folder.recipe, "--sandbox", "--rejected", "--yes")
    path.write_bytes(content)
    assert call("run", folder.recipe, "--sandbox").code == 0
    assert [{**row, "pick": ""} for row in rows(folder)] == made


def test_a_loser_that_somebody_deleted_is_not_fetched_again(
    folder: Folder, call: Call, made: list[dict[str, str]]
) -> None:
    (folder.previews / made[0]["output"]).unlink()
    judge(folder, {made[0]["job"]: "reject"})
    assert "1 to restore" in call("plan", folder.recipe, "--sandbox").out
    ended = call("prune", folder.recipe, "--sandbox", "--rejected", "--yes")
    assert f"rejected   {made[0]['output']}  gone already" in ended.out
    assert "0 pictures deleted, 0 bytes freed, 1 gone already; the cost still" in ended.out
    assert "nothing to do: 3 jobs done" in call("run", folder.recipe, "--sandbox").out


def test_a_file_that_somebody_changed_is_named_and_stays(
    folder: Folder, call: Call, made: list[dict[str, str]]
) -> None:
    path = folder.previews / made[0]["output"]
    path.write_bytes(b"somebody's work")
    judge(folder, {made[0]["job"]: "reject"})
    ended = call("prune", folder.recipe, "--sandbox", "--rejected", "--yes")
    assert f"left alone: {made[0]['output']}: it was changed" in ended.err
    assert ended.out == "0 pictures deleted, 0 bytes freed; the cost still counts\n"
    assert path.read_bytes() == b"somebody's work"
    assert rows(folder)[0]["status"] == "done"


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_nothing_is_deleted_through_a_link(
    folder: Folder, call: Call, made: list[dict[str, str]], tmp_path: Path
) -> None:
    """Neither where the picture is a link, nor where its folder is one."""
    judge(folder, {row["job"]: "reject" for row in made})
    elsewhere = tmp_path / "elsewhere"
    photo, *_ = {Path(row["output"]).parts[0] for row in made}
    shutil.move(folder.previews / photo, elsewhere)
    (folder.previews / photo).symlink_to(elsewhere)
    ended = call("prune", folder.recipe, "--sandbox", "--rejected", "--yes")
    assert ended.code == 0
    assert ended.err.count("it is reached through a symbolic link") == 4
    assert len(list(elsewhere.rglob("*.jpg"))) == 4


def test_left_over_pictures_are_named_and_deleted(
    folder: Folder, call: Call, made: list[dict[str, str]]
) -> None:
    """Those of a prompt that the recipe has no more; a picked one stays."""
    old = [row for row in made if row["prompt"] == "Beach"]
    assert len(old) == 2
    judge(folder, {old[0]["job"]: "pick"})
    folder.edit("[Beach, Snow]", "[Snow]")
    command = f"`spark-batch prune {folder.recipe} --sandbox --left-over` lists them"
    line = f"2 pictures left over on disk: {command}"
    assert line in call("plan", folder.recipe, "--sandbox").out
    call("run", folder.recipe, "--sandbox")
    assert line in call("status", folder.recipe, "--sandbox").out
    ended = call("prune", folder.recipe, "--sandbox", "--left-over", "--yes")
    assert f"left alone: {old[0]['output']}: it is picked" in ended.err
    assert f"left over  {old[1]['output']}" in ended.out
    assert "1 picture left over on disk" in call("status", folder.recipe, "--sandbox").out
    assert len(folder.pictures()) == 3
    folder.edit("[Snow]", "[Beach, Snow]")
    planned = call("plan", folder.recipe, "--sandbox")
    assert f"1 pruned: `spark-batch prune {folder.recipe} --sandbox --undo` has them" in planned.out
    assert len(folder.ledger()) == 4


def test_the_only_copy_of_a_wanted_picture_is_not_left_over(
    folder: Folder, call: Call, made: list[dict[str, str]]
) -> None:
    """After a change of names a run copies the pictures; before it they have the old names."""
    folder.edit("price:", "output: {name: 'new/${input}-${prompt}-${scale}'}\nprice:")
    ended = call("prune", folder.recipe, "--sandbox", "--left-over", "--yes")
    assert ended.err.count("the recipe wants it under another name: run it first") == 4
    call("run", folder.recipe, "--sandbox")
    assert len(folder.pictures()) == 8
    for command in ("status", "plan"):
        assert "4 pictures left over on disk" in call(command, folder.recipe, "--sandbox").out
    ended = call("prune", folder.recipe, "--sandbox", "--left-over", "--yes")
    assert "4 pictures deleted" in ended.out
    assert "nothing to do: 4 jobs done" in call("run", folder.recipe, "--sandbox").out
    assert "left over on disk" not in call("status", folder.recipe, "--sandbox").out
    assert (len(folder.pictures()), len(folder.ledger())) == (4, 4)


def test_plan_counts_the_left_over_pictures_that_prune_lists(
    folder: Folder, call: Call, made: list[dict[str, str]]
) -> None:
    """Those of a job that is gone, and old names; a name that is wanted again is not left over."""
    folder.edit("price:", "output: {name: 'new/${input}-${prompt}-${scale}'}\nprice:")
    folder.edit("[Beach, Snow]", "[Beach, Rain]")
    assert "2 pictures left over on disk" in call("plan", folder.recipe, "--sandbox").out
    call("run", folder.recipe, "--sandbox")
    assert "4 pictures left over on disk" in call("plan", folder.recipe, "--sandbox").out
    folder.edit("output: {name: 'new/${input}-${prompt}-${scale}'}\n", "")
    assert "2 pictures left over on disk" in call("plan", folder.recipe, "--sandbox").out


def test_kept_pictures_that_were_made_here_are_deleted(
    folder: Folder, call: Call, made: list[dict[str, str]]
) -> None:
    """A picture that another one replaced goes; somebody's work that was put aside stays."""
    work = folder.previews / made[0]["output"]
    replaced = (folder.previews / made[2]["output"]).read_bytes()
    shutil.copy(folder.path / "photo.jpg", work)
    folder.edit("[Beach, Snow]", "[Beach, {id: snow, text: Deep snow}]")
    call("run", folder.recipe, "--sandbox")
    kept = folder.previews / ".spark-batch" / "kept"
    assert len(list(kept.iterdir())) == 3
    ended = call("prune", folder.recipe, "--sandbox", "--kept", "--yes")
    assert "2 pictures deleted" in ended.out
    digits = hashlib.sha256(replaced).hexdigest()[:16]
    assert f"kept       .spark-batch/kept/{digits}.jpg" in ended.out
    assert ended.err.count("this recipe did not make it") == 1
    assert [path.read_bytes() for path in kept.iterdir()] == [
        (folder.path / "photo.jpg").read_bytes()
    ]
    assert "nothing to do" in call("run", folder.recipe, "--sandbox").out


def test_a_picked_picture_that_another_job_has_replaced_stays(
    folder: Folder, call: Call, made: list[dict[str, str]]
) -> None:
    """The job that was picked has left the recipe: its only copy is among the kept pictures."""
    snow = [row for row in made if row["prompt"] == "Snow"]
    judge(folder, {snow[0]["job"]: "pick", snow[1]["job"]: "reject"})
    folder.edit("[Beach, Snow]", "[Beach, {id: snow, text: Deep snow}]")
    call("run", folder.recipe, "--sandbox")
    kept = [f".spark-batch/kept/{row['sha256'][:16]}.jpg" for row in snow]
    ended = call("prune", folder.recipe, "--sandbox", "--kept", "--yes")
    assert f"left alone: {kept[0]}: it is picked" in ended.err
    assert f"kept       {kept[1]}" in ended.out
    assert [(folder.previews / file).exists() for file in kept] == [True, False]
    call("prune", folder.recipe, "--sandbox", "--yes")  # previews go, whatever their verdicts
    assert not (folder.previews / kept[0]).exists()


def test_all_previews_go_with_sandbox_alone(
    folder: Folder, call: Call, made: list[dict[str, str]]
) -> None:
    ended = call("prune", folder.recipe, "--sandbox", "--yes")
    assert "4 pictures deleted" in ended.out
    assert folder.pictures() == []
    assert "4 pruned" in call("status", folder.recipe, "--sandbox").out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--undo", "--yes"), "--undo takes no other choice"),
        (("--undo", "--rejected"), "--undo takes no other choice"),
        (("--only", "prompt=beach"), "--only goes with --undo"),
    ],
)
def test_options_that_do_not_go_together(
    folder: Folder, call: Call, options: tuple[str, ...], said: str
) -> None:
    ended = call("prune", folder.recipe, *options)
    assert (ended.code, said in ended.err) == (2, True)


def test_before_a_run_there_is_nothing_to_prune(folder: Folder, call: Call) -> None:
    for options in ((), ("--yes",), ("--undo",)):
        ended = call("prune", folder.recipe, "--sandbox", *options)
        assert ended.code == 2
        assert "nothing has been run yet" in ended.err
        assert not folder.out.exists()


def test_a_damaged_picks_file_stops_it(
    folder: Folder, call: Call, made: list[dict[str, str]]
) -> None:
    (folder.path / f"tiny{PICKS_SUFFIX}").write_text("<<<<<<< ours\n")
    ended = call("prune", folder.recipe, "--sandbox", "--rejected", "--yes")
    assert (ended.code, len(folder.pictures())) == (2, 4)
    assert "a merge conflict of git" in ended.err


def test_a_name_in_another_case_is_not_a_left_over_copy_where_the_disk_ignores_case(
    folder: Folder, call: Call
) -> None:
    """A hard link stands for such a disk: one file under both names."""
    folder.edit("price:", "output: {name: 'A/${input}-${prompt}-${scale}'}\nprice:")
    call("run", folder.recipe, "--sandbox")
    folder.edit("name: 'A/", "name: 'a/")
    (folder.previews / "a").mkdir()
    for file in (folder.previews / "A").iterdir():
        (folder.previews / "a" / file.name).hardlink_to(file)
    call("run", folder.recipe, "--sandbox")
    assert call("prune", folder.recipe, "--sandbox", "--left-over").out == "nothing to delete\n"
    ended = call("prune", folder.recipe, "--sandbox", "--left-over", "--yes")
    assert ended.out.startswith("0 pictures deleted, ")
    assert "left over on disk" not in call("status", folder.recipe, "--sandbox").out
    assert (len(folder.pictures()), len(folder.ledger())) == (8, 4)
