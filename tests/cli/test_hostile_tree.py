"""Trees that somebody else has prepared: links, and files of others at the reports' names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spark_batch.errors import ExitCode
from tests.cli.conftest import Call, Folder
from tests.repositories import a_repository

PRECIOUS = "precious"
STATE = ".spark-batch"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder outside of the output folder, with a file in it."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "file").write_text(PRECIOUS)
    return folder


def untouched(outside: Path) -> bool:
    """Whether nothing was written there."""
    return [path.read_text() for path in outside.iterdir()] == [PRECIOUS]


@pytest.mark.parametrize(
    "name",
    [
        f"{STATE}/tiny.checkpoint",
        f"{STATE}/tiny.checkpoint.lock",
        f"{STATE}/tiny.checkpoint-journal",
        f"{STATE}/tiny.checkpoint-wal",
        f"{STATE}/tiny.checkpoint.new",
        f"{STATE}/parts/tiny/1.part",
        f"{STATE}/kept/0123.jpg",
        f"{STATE}/sandbox/ledger.jsonl",
        f"{STATE}/sandbox/secret",
        "tiny.manifest.csv",
        "tiny.html",
        "tiny.junit.xml",
        "tiny.md",
        "tiny.json",
        "photo/beach_s0.4.jpg",
    ],
)
@pytest.mark.parametrize("there", [True, False], ids=["to a file", "to nothing"])
def test_a_link_at_a_file_is_refused_before_anything_is_sent(
    folder: Folder, call: Call, outside: Path, name: str, *, there: bool
) -> None:
    """Whatever the link leads to: `plan` says it as well, and no command writes through it."""
    target = folder.previews / (picture(folder, call) if name.startswith("photo") else name)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(outside / ("file" if there else "none"))
    ended = call("run", folder.recipe, "--sandbox")
    assert (ended.code, folder.ledger()) == (ExitCode.WRONG, []), ended.err
    assert target.name in ended.err
    assert "symbolic link" in ended.err
    assert untouched(outside)


def picture(folder: Folder, call: Call) -> str:
    """The name of one of the recipe's pictures, below the output folder."""
    ended = call("plan", folder.recipe, "--sandbox", "--json")
    assert ended.code == ExitCode.DONE, ended.err
    line = next(line for line in ended.out.splitlines() if '"output"' in line)
    return line.split('"output": "')[1].split('"')[0] + ".jpg"


@pytest.mark.parametrize(
    "name", [STATE, f"{STATE}/parts", f"{STATE}/kept", f"{STATE}/sandbox", "photo", "."]
)
def test_a_link_at_a_folder_is_refused_before_anything_is_sent(
    folder: Folder, call: Call, outside: Path, name: str
) -> None:
    """Also at the folder of the sandbox itself."""
    target = folder.previews / (Path(picture(folder, call)).parts[0] if name == "photo" else name)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(outside, target_is_directory=True)
    ended = call("run", folder.recipe, "--sandbox")
    assert (ended.code, "link" in ended.err) == (ExitCode.WRONG, True), ended.err
    assert untouched(outside)


@pytest.mark.parametrize("command", ["rescue", "retry", "report", "merge", "status", "plan"])
def test_no_command_writes_into_a_linked_state_folder(
    folder: Folder, call: Call, outside: Path, command: str
) -> None:
    """Looking counts as writing: SQLite rolls a journal back."""
    folder.previews.mkdir(parents=True)
    (folder.previews / STATE).symlink_to(outside, target_is_directory=True)
    ended = call(command, folder.recipe, "--sandbox")
    assert (ended.code, "symbolic link" in ended.err) == (ExitCode.WRONG, True), ended.err
    assert untouched(outside)


@pytest.mark.parametrize(
    "name",
    ["tiny.manifest.csv", "tiny.html", "tiny.junit.xml", "tiny.md", "tiny.json"],
)
def test_a_link_at_a_temporary_name_is_not_written_through(
    folder: Folder, call: Call, outside: Path, name: str
) -> None:
    """Temporary names are random: one that can be guessed is nobody's."""
    folder.previews.mkdir(parents=True)
    (folder.previews / f"{name}.part").symlink_to(outside / "file")
    assert call("run", folder.recipe, "--sandbox").code == ExitCode.DONE
    assert untouched(outside)


def test_a_link_at_the_temporary_name_of_a_plan(folder: Folder, call: Call, outside: Path) -> None:
    """The plan is saved, and the file is left as it is."""
    plan = folder.path / "plan.json"
    plan.with_name("plan.json.part").symlink_to(outside / "file")
    ended = call("plan", folder.recipe, "--sandbox", "--out", plan, "--max-cost", "1")
    assert (ended.code, plan.is_file(), untouched(outside)) == (ExitCode.DONE, True, True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_in_the_state_folder_stops_nothing_for_ever(folder: Folder, call: Call) -> None:
    """Whoever opens one waits for another process."""
    (folder.previews / STATE).mkdir(parents=True)
    os.mkfifo(folder.previews / STATE / "tiny.checkpoint")
    ended = call("run", folder.recipe, "--sandbox")
    assert (ended.code, "neither a file nor a folder" in ended.err) == (ExitCode.WRONG, True)


@pytest.mark.parametrize(
    "name",
    [
        "tiny.checkpoint",
        "tiny.checkpoint.lock",
        "tiny.checkpoint-journal",
        "tiny.checkpoint-wal",
        "sandbox/ledger.jsonl",
    ],
)
def test_a_hard_link_is_not_written_into(
    folder: Folder, call: Call, outside: Path, name: str
) -> None:
    """An archive can bring one; these files are changed in place, and not replaced."""
    target = folder.previews / STATE / name
    target.parent.mkdir(parents=True)
    target.hardlink_to(outside / "file")
    ended = call("run", folder.recipe, "--sandbox")
    assert (ended.code, folder.ledger()) == (ExitCode.WRONG, []), ended.err
    assert f"{target.name} is a hard link" in ended.err
    assert untouched(outside)


def test_a_hard_link_to_a_file_that_is_replaced_is_no_matter(folder: Folder, call: Call) -> None:
    """As a backup by hard links has it: the other name keeps the older picture and report."""
    assert call("run", folder.recipe, "--sandbox").code == ExitCode.DONE
    files = [*folder.pictures(), *folder.previews.glob("tiny.*")]
    backups = {file.with_name(f"{file.name}.backup"): file.read_bytes() for file in files}
    for file in files:
        file.with_name(f"{file.name}.backup").hardlink_to(file)
    folder.edit("seed: 7", "seed: 8")
    assert call("run", folder.recipe, "--sandbox").code == ExitCode.DONE
    assert {backup: backup.read_bytes() for backup in backups} == backups


@pytest.mark.parametrize("command", ["run", "plan", "status", "rescue", "report"])
def test_a_journal_that_a_branch_brings_changes_no_checkpoint(
    folder: Folder, call: Call, command: str
) -> None:
    """SQLite would roll the checkpoint back to whatever it holds; one of a killed run it may."""
    assert call("run", folder.recipe, "--sandbox").code == ExitCode.DONE
    journal = folder.previews / STATE / "tiny.checkpoint-journal"
    repository = a_repository(folder.path)
    repository.commit(notes_md="mine")
    journal.write_bytes(b"what a killed run left")
    assert call(command, folder.recipe, "--sandbox").code == ExitCode.DONE
    journal.write_bytes(b"what a branch brings")
    repository.commit()
    ended = call(command, folder.recipe, "--sandbox")
    assert (ended.code, f"{journal.name} is in git" in ended.err) == (ExitCode.WRONG, True)


FOREIGN = {
    "tiny.manifest.csv": "name,amount\nbeach,2\n",
    "tiny.html": "<!doctype html><title>spark-batch</title><p>Ours</p>",
    "tiny.junit.xml": '<?xml version="1.0"?><testsuites name="pytest"/>',
    "tiny.md": "# Tiny\n\nHow we make pictures with spark-batch.\n",
    "tiny.json": '{"name": "tiny", "jobs": []}',
}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("command", ["run", "plan", "report", "rescue", "merge"])
def test_a_report_replaces_no_file_of_others(
    folder: Folder, call: Call, name: str, command: str
) -> None:
    """It is named before anything is sent, and left as it is."""
    folder.previews.mkdir(parents=True)
    (folder.previews / name).write_text(FOREIGN[name])
    ended = call(command, folder.recipe, "--sandbox")
    assert (ended.code, folder.ledger()) == (ExitCode.WRONG, [])
    assert f"{name} is there already" in ended.err
    assert (folder.previews / name).read_text() == FOREIGN[name]


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_a_folder_or_a_pipe_at_a_reports_name(
    folder: Folder, call: Call, name: str, kind: str
) -> None:
    """It is named before anything is sent: a run that is paid for has its manifest."""
    folder.previews.mkdir(parents=True)
    if kind == "folder":
        (folder.previews / name).mkdir()
    elif not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes here")
    else:
        os.mkfifo(folder.previews / name)
    ended = call("run", folder.recipe, "--sandbox")
    assert (ended.code, folder.ledger()) == (ExitCode.WRONG, [])
    assert f"{name} is there already" in ended.err


@pytest.mark.parametrize("name", FOREIGN)
def test_a_shard_does_not_pay_for_what_no_merge_could_report(
    folder: Folder, call: Call, name: str
) -> None:
    """The merge would refuse to write over the file, once the pictures are paid for."""
    folder.previews.mkdir(parents=True)
    (folder.previews / name).write_text(FOREIGN[name])
    ended = call("run", folder.recipe, "--sandbox", "--shard", "1/1")
    assert (ended.code, folder.ledger()) == (ExitCode.WRONG, [])
    assert f"{name} is there already" in ended.err


def test_a_recipe_called_like_a_file_of_its_folder(folder: Folder, call: Call) -> None:
    """`name: package` in `dir: .` would write package.json."""
    folder.edit("name: tiny", "name: package\noutput: {dir: .}")
    (folder.path / "package.json").write_text('{"name": "shop"}')
    assert call("plan", folder.recipe).code == ExitCode.WRONG
    assert (folder.path / "package.json").read_text() == '{"name": "shop"}'


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_reports_are_written_over_older_ones(folder: Folder, call: Call, end: str) -> None:
    """Also over those that an editor has saved with other line ends, and over empty files."""
    assert call("run", folder.recipe, "--sandbox").code == ExitCode.DONE
    for name in FOREIGN:
        text = (folder.previews / name).read_bytes().replace(b"\n", end.encode())
        (folder.previews / name).write_bytes(b"\xef\xbb\xbf" * (name != "tiny.json") + text)
    assert call("report", folder.recipe, "--sandbox").code == ExitCode.DONE
    for name in FOREIGN:
        (folder.previews / name).write_bytes(b"")
    assert call("report", folder.recipe, "--sandbox").code == ExitCode.DONE


@pytest.mark.parametrize("name", ["photos", ".github", ".github/workflows"])
def test_init_fills_no_linked_folder(tmp_path: Path, call: Call, outside: Path, name: str) -> None:
    """Nothing is written at all."""
    target = tmp_path / "new" / name
    target.parent.mkdir(parents=True)
    target.symlink_to(outside, target_is_directory=True)
    ended = call("init", tmp_path / "new")
    assert (ended.code, "symbolic link" in ended.err) == (ExitCode.WRONG, True)
    assert untouched(outside)
    assert not (tmp_path / "new" / "recipe.yaml").exists()


@pytest.mark.parametrize("command", ["init", "plan"])
def test_no_path_of_a_command_leads_out_of_a_repository(
    folder: Folder, call: Call, outside: Path, command: str
) -> None:
    """`init build/new` and `plan --out build/plan.json`, where a branch made a link of `build`."""
    (folder.path / ".git").mkdir()
    elsewhere = outside.parent.parent / f"{outside.parent.name}-elsewhere"
    elsewhere.mkdir()
    (folder.path / "build").symlink_to(elsewhere, target_is_directory=True)
    plan = ("plan", folder.recipe, "--sandbox", "--max-cost", "1", "--out")
    beginning = plan if command == "plan" else ("init",)
    ended = call(*beginning, folder.path / "build" / "new")
    assert (ended.code, "outside of the repository" in ended.err) == (ExitCode.WRONG, True)
    assert not list(elsewhere.iterdir())
    assert call(*beginning, elsewhere / "new").code == ExitCode.DONE


def test_the_command_after_init_is_one_for_a_shell(
    tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder's name may have spaces and quotes."""
    monkeypatch.chdir(tmp_path)
    assert "now: cd 'sp ace' && spark-batch run" in call("init", "sp ace").out
