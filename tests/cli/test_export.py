"""`export`: final names, a manifest of its own, and nothing that it did not write is touched."""

from __future__ import annotations

import csv
import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from spark_batch.errors import OutputError
from spark_batch.project.destinations import FolderDestination
from tests.cli.conftest import Call, Folder
from tests.cli.test_picks import choose, rows_of


def _files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*.*")
        if path.is_file()
    }


def _listed(folder: Path) -> dict[str, str]:
    rows = csv.DictReader((folder / "tiny.export.csv").read_text().splitlines())
    return {row["file"]: row["sha256"] for row in rows}


@pytest.fixture
def made(folder: Folder, call: Call) -> Folder:
    """A recipe whose four previews are finished."""
    call("run", folder.recipe, "--sandbox")
    return folder


def _export(call: Call, made: Folder, *more: str) -> tuple[int, str]:
    ended = call("export", made.recipe, "--sandbox", "--to", str(made.path / "to"), *more)
    return ended.code, ended.out.splitlines()[-1].partition(": ")[2] if ended.out else ended.err


def test_the_picked_pictures_are_delivered_under_their_final_names(
    made: Folder, call: Call
) -> None:
    """With a manifest of their SHA-256; the second time there is nothing to copy."""
    rows = choose(made, "pick", "reject", "pick")
    name = ("--picked", "--name", "${recipe}/${prompt}-${job}")
    assert _export(call, made, *name) == (0, "2 pictures copied, 0 there already")
    picked = [rows[0], rows[2]]
    wanted = {f"tiny/{row['prompt_id']}-{row['job']}.jpg": row["sha256"] for row in picked}
    assert _listed(made.path / "to") == wanted
    found = _files(made.path / "to")
    manifest = found.pop("tiny.export.csv")
    assert found == wanted
    assert _export(call, made, *name) == (0, "0 pictures copied, 2 there already")
    assert _files(made.path / "to")["tiny.export.csv"] == manifest


def test_a_size_in_a_name_is_the_one_of_output_name(folder: Folder, call: Call) -> None:
    """`1x1`: Windows takes a colon for another stream of a file."""
    folder.edit("512x512", "'1:1'")
    assert call("run", folder.recipe, "--sandbox", "--limit", "1").code == 0
    assert _export(call, folder, "--name", "${size}/${job}")[0] == 0
    assert {file.partition("/")[0] for file in _listed(folder.path / "to")} == {"1x1"}


@pytest.mark.parametrize("to", ["", " ", "~/shop"])
def test_what_names_no_folder_is_no_destination(made: Folder, call: Call, to: str) -> None:
    """A variable of the shell that is not set would mean the current folder."""
    ended = call("export", made.recipe, "--sandbox", f"--to={to}", "--dry-run")
    assert (ended.code, "names no folder" in ended.err) == (2, True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_a_pipe_in_the_place_of_the_export_manifest_is_not_waited_for(
    made: Folder, call: Call
) -> None:
    """Nor is a folder read."""
    (made.path / "to").mkdir()
    os.mkfifo(made.path / "to/tiny.export.csv")
    code, error = _export(call, made)
    assert (code, "it is not a regular file" in error) == (1, True)


def test_what_is_not_delivered_any_more_is_named(made: Folder, call: Call) -> None:
    """A picture that lost its verdict stays in the destination until `--mirror` deletes it."""
    choose(made, "pick", "pick")
    _export(call, made, "--picked")
    choose(made, "", "pick")
    words = "0 pictures copied, 1 there already, 1 from earlier exports left there"
    assert _export(call, made, "--picked") == (0, f"{words} (--mirror deletes them)")
    assert len(_listed(made.path / "to")) == 2
    assert _export(call, made, "--picked", "--mirror")[1].endswith("1 deleted")
    assert _export(call, made, "--picked") == (0, "0 pictures copied, 1 there already")


def test_a_dry_run_writes_nothing(made: Folder, call: Call) -> None:
    """Not even the folder."""
    assert _export(call, made, "--dry-run") == (
        0,
        "4 pictures would be copied, 0 there already",
    )
    assert not (made.path / "to").exists()


def test_nothing_that_is_picked_says_how_to_pick(made: Folder, call: Call) -> None:
    """Who has downloaded the picks file to another folder sees where it is looked for."""
    ended = call("export", made.recipe, "--sandbox", "--to", str(made.path / "to"), "--picked")
    said = " ".join(ended.err.split())
    assert f"no chosen picture is picked in {made.path / 'tiny.picks.csv'}: " in said
    assert f"`spark-batch review {made.recipe} --sandbox --open`" in said
    choose(made, "pick")
    ended = call("export", made.recipe, "--sandbox", "--to", str(made.path / "to"), "--picked")
    assert ended.err == ""


def test_mirror_does_not_delete_all_because_the_picks_are_gone(made: Folder, call: Call) -> None:
    """A file that is missing or empty is no wish to deliver nothing."""
    choose(made, "pick", "pick")
    _export(call, made, "--picked")
    before = _files(made.path / "to")
    picks = made.path / "tiny.picks.csv"
    for gone in (picks.unlink, lambda: picks.write_text("")):
        gone()
        code, error = _export(call, made, "--picked", "--mirror")
        assert (code, "would delete all 2 delivered pictures" in error) == (2, True)
        assert _files(made.path / "to") == before


def test_picked_jobs_that_the_recipe_no_longer_has_are_counted(made: Folder, call: Call) -> None:
    """A changed word of a prompt makes other jobs, on which there is no verdict yet."""
    choose(made, "pick", "reject", "pick")
    made.edit("[Beach, Snow]", "[Beach, {id: snow, text: Deep snow}]")
    call("run", made.recipe, "--sandbox")
    assert _export(call, made, "--picked") == (
        0,
        "1 picture copied, 0 there already, 1 picked job that the recipe does not have left out",
    )
    assert _export(call, made) == (0, "3 pictures copied, 1 there already")
    assert _export(call, made, "--picked", "--only", "prompt=beach", "--mirror") == (
        0,
        "0 pictures copied, 1 there already, 3 deleted",
    )


def test_mirror_keeps_the_only_copy_of_a_chosen_picture(made: Folder, call: Call) -> None:
    """Its original was pruned since; whoever chooses others has it deleted."""
    pruned, *_ = choose(made, "reject", "pick")
    assert _export(call, made)[0] == 0
    assert call("prune", made.recipe, "--sandbox", "--rejected", "--yes").code == 0
    assert not (made.previews / pruned["output"]).exists()
    assert _export(call, made, "--mirror") == (
        0,
        "0 pictures copied, 3 there already, 0 deleted, 1 job without a picture left out",
    )
    assert _listed(made.path / "to")[pruned["output"]] == pruned["sha256"]
    assert _export(call, made, "--picked", "--mirror")[1].endswith("3 deleted")
    assert not (made.path / "to" / pruned["output"]).exists()


def test_mirror_deletes_what_export_wrote_and_nothing_else(made: Folder, call: Call) -> None:
    """A file of somebody else stays, and so does one that somebody changed."""
    _export(call, made)
    changed, *others = sorted(_listed(made.path / "to"))
    (made.path / "to" / changed).write_bytes(b"mine")
    (made.path / "to" / "foreign.jpg").write_bytes(b"foreign")
    choose(made, "", "", "", "pick")
    last = rows_of(made)[3]["output"]
    assert changed != last
    assert _export(call, made, "--picked", "--mirror")[1].endswith("2 deleted")
    assert set(_files(made.path / "to")) == {changed, last, "foreign.jpg", "tiny.export.csv"}
    assert set(_listed(made.path / "to")) == {last}
    assert len(others) == 3


def test_mirror_leaves_what_another_recipe_of_that_name_delivered(made: Folder, call: Call) -> None:
    """Both have one manifest in the folder."""
    _export(call, made)
    delivered = _files(made.path / "to")
    other = made.path / "other" / made.recipe.name
    other.parent.mkdir()
    text = made.recipe.read_text().replace("[Beach, Snow]", "[Rain]")
    other.write_text(text)
    for picture in made.path.glob("*.jpg"):
        (other.parent / picture.name).write_bytes(picture.read_bytes())
    assert call("run", other, "--sandbox").code == 0
    to = ("--sandbox", "--to", str(made.path / "to"))
    for more in ((), ("--mirror",)):
        ended = call("export", other, *to, *more)
        assert "4 of jobs that this recipe's checkpoint does not have" in " ".join(
            ended.out.split()
        )
        assert "--mirror deletes them" not in ended.out
    found = _files(made.path / "to")
    assert {name: found.get(name) for name in delivered if name != "tiny.export.csv"} == {
        name: sha256 for name, sha256 in delivered.items() if name != "tiny.export.csv"
    }
    assert len(_listed(made.path / "to")) == 6
    assert _export(call, made, "--mirror")[0] == 0
    assert len(_files(made.path / "to")) == 7


def test_names_that_collide_are_an_error_before_anything_is_copied(
    made: Folder, call: Call
) -> None:
    """The message names both pictures."""
    code, error = _export(call, made, "--name", "${prompt}")
    assert (code, "would both be" in error) == (2, True)
    assert not (made.path / "to").exists()


@pytest.mark.parametrize("name", ["../${job}", "/x/${job}", "${nobody}", "a$", "nul/${job}", ""])
def test_a_name_that_is_not_allowed_is_an_error(made: Folder, call: Call, name: str) -> None:
    """By the rules of output.name."""
    code, error = _export(call, made, "--name", name)
    assert (code, "--name" in error) == (2, True)
    assert not (made.path / "to").exists()


def test_a_file_that_export_did_not_write_is_not_replaced(made: Folder, call: Call) -> None:
    """An error before anything is copied."""
    name = rows_of(made)[2]["output"]
    target = made.path / "to" / name
    target.parent.mkdir(parents=True)
    target.write_bytes(b"mine")
    code, error = _export(call, made)
    assert (code, "that export did not write" in error) == (2, True)
    assert _files(made.path / "to") == {name: hashlib.sha256(b"mine").hexdigest()}


def test_a_changed_original_is_not_delivered(made: Folder, call: Call) -> None:
    """What is delivered has the recorded SHA-256."""
    (made.previews / rows_of(made)[1]["output"]).write_bytes(b"other")
    code, error = _export(call, made)
    assert (code, "its SHA-256 is not the recorded one" in error) == (2, True)
    assert not (made.path / "to").exists()


def test_nothing_is_written_through_a_link(made: Folder, call: Call) -> None:
    """A link at a picture's name, which leads to a file elsewhere."""
    elsewhere = made.path / "elsewhere"
    elsewhere.write_bytes(b"kept")
    link = made.path / "to" / rows_of(made)[0]["output"]
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere)
    code, error = _export(call, made)
    assert (code, "symbolic link" in error) == (2, True)
    assert elsewhere.read_bytes() == b"kept"


@pytest.mark.parametrize("row", ["../../photo.jpg", "/etc/passwd", "a//b", "c:x"])
def test_a_manifest_that_leads_away_is_refused(made: Folder, call: Call, row: str) -> None:
    """Mirror deletes nothing that such a manifest names."""
    digest = hashlib.sha256((made.path / "photo.jpg").read_bytes()).hexdigest()
    (made.path / "to").mkdir()
    text = f"file,sha256,job,output\n{row},{digest},{'a' * 16},x\n"
    (made.path / "to" / "tiny.export.csv").write_text(text)
    code, error = _export(call, made, "--mirror")
    assert (code, "is not the manifest of an export" in error) == (2, True)
    assert (made.path / "photo.jpg").exists()


def test_the_originals_are_no_destination(made: Folder, call: Call) -> None:
    """The output folder, a folder in it, that of paid pictures, a file."""
    for to in (made.previews, made.previews / "x", made.out, made.recipe):
        assert call("export", made.recipe, "--sandbox", "--to", str(to)).code == 2


@pytest.mark.parametrize(("to", "name"), [("out", "tiny/sandbox/"), (".", "out/tiny/sandbox/")])
def test_names_that_lead_into_an_output_folder_are_refused(
    made: Folder, call: Call, to: str, name: str
) -> None:
    """A mirror would delete originals, which it takes for copies that it has made."""
    job = rows_of(made)[0]
    inside = name + job["output"].removesuffix(".jpg")
    wanted = ("--sandbox", "--to", str(made.path / to), "--only", f"job={job['job']}")
    ended = call("export", made.recipe, *wanted, "--name", inside)
    assert (ended.code, "is in an output folder" in ended.err) == (2, True)
    assert not list(made.path.rglob("tiny.export*"))


def test_another_recipes_output_folder_is_no_destination(made: Folder, call: Call) -> None:
    """Nor a folder in it: its pictures may be the same."""
    other = made.path / "other.yaml"
    other.write_text(made.recipe.read_text().replace("name: tiny", "name: other"))
    for to in (made.previews, made.previews / "x"):
        assert call("run", other, "--sandbox", "--pay-again").code == 0
        ended = call("export", other, "--sandbox", "--to", str(to))
        assert (ended.code, "holds the originals" in ended.err) == (2, True)


def test_a_disk_that_fails_in_the_middle_is_continued(
    made: Folder, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manifest lists what was written before the error, so that the next export goes on."""
    write, written = FolderDestination.write, []

    def fails(self: FolderDestination, name: str, content: bytes) -> None:
        if len(written) == 3:  # the manifest and two pictures
            raise OutputError("the disk is full")
        written.append(name)
        write(self, name, content)

    with monkeypatch.context() as patched:
        patched.setattr(FolderDestination, "write", fails)
        assert _export(call, made)[0] == 1
    choose(made, "pick")
    assert _export(call, made, "--picked", "--mirror") == (
        0,
        "0 pictures copied, 1 there already, 1 deleted",
    )
    assert len(_files(made.path / "to")) == 2


_KILLED = """
import os, signal, sys
from spark_batch.project import destinations
write, written = destinations.FolderDestination.write, []
def fails(self, name, content):
    if len(written) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    written.append(name)
    write(self, name, content)
destinations.FolderDestination.write = fails
from spark_batch.cli import main
sys.argv = ["spark-batch", *sys.argv[1:]]
main()
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_an_export_that_is_killed_is_continued(made: Folder, call: Call) -> None:
    """A real process, killed after the manifest and one picture."""
    to = str(made.path / "to")
    command = [sys.executable, "-c", _KILLED, "export", str(made.recipe), "--sandbox", "--to", to]
    killed = subprocess.run(command, check=False, capture_output=True, timeout=60)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert _export(call, made) == (0, "3 pictures copied, 1 there already")
    assert set(_listed(made.path / "to")) == set(_files(made.path / "to")) - {"tiny.export.csv"}
