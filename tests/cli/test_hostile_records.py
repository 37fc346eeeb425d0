"""Checkpoints, manifests and devices that a stranger put into the tree: an error, and no money."""

from __future__ import annotations

import contextlib
import csv
import os
import re
import sqlite3
from pathlib import Path

import pytest
from PIL import Image

from spark_batch.jobs.checks import CheckResult, results_text
from tests.cli.conftest import Call, Folder
from tests.makers import a_journal

ODD_COLUMN = "state = 'failed', number"


def _spoil(path: Path, script: str) -> None:
    database = sqlite3.connect(path)
    database.executescript(script)
    database.close()


def _previewed(folder: Folder, call: Call) -> Path:
    """A preview of everything; gives its checkpoint."""
    assert call("run", folder.recipe, "--sandbox").code == 0
    return folder.previews / ".spark-batch/tiny.checkpoint"


def test_a_cost_below_nothing_raises_no_limit(folder: Folder, call: Call) -> None:
    """No command uses the checkpoint, and it stays as it is."""
    path = _previewed(folder, call)
    _spoil(path, "UPDATE attempt SET cost = '-1000'")
    before = path.read_bytes()
    for command in ("plan", "run", "status", "report"):
        ended = call(command, folder.recipe, "--sandbox")
        assert ended.code == 1
        assert "a row of its table attempt has a cost" in ended.err
    assert path.read_bytes() == before


def test_a_column_of_a_source_is_no_sql(folder: Folder, call: Call, tmp_path: Path) -> None:
    """Its name would have set all attempts to failed, to be paid for again."""
    path = _previewed(folder, call)
    source = tmp_path / "artifact.checkpoint"
    source.write_bytes(path.read_bytes())
    _spoil(source, f'ALTER TABLE attempt ADD COLUMN "{ODD_COLUMN}" TEXT')
    ended = call("merge", folder.recipe, source, "--sandbox")
    assert (ended.code, "nothing was merged" in ended.err) == (1, True)
    assert "nothing to pay" in call("plan", folder.recipe, "--sandbox").out


@pytest.mark.parametrize("command", ["trace", "merge"])
def test_a_journal_beside_a_checkpoint_of_others_changes_nothing(
    folder: Folder, call: Call, tmp_path: Path, command: str
) -> None:
    """A branch may bring it beside a checkpoint that only this clone has."""
    path = _previewed(folder, call)
    before = path.read_bytes()
    other = tmp_path / "other" / path.relative_to(folder.out)
    other.parent.mkdir(parents=True)
    other.write_bytes(before)
    _spoil(other, "UPDATE attempt SET suspect = 'later'")
    later = other.read_bytes()
    other.with_name(f"{other.name}-journal").write_bytes(a_journal(before))
    picture = other.parent.parent / "any.jpg"
    picture.write_bytes(next(folder.previews.glob("*/*.jpg")).read_bytes())
    given = [picture] if command == "trace" else [folder.recipe, other, "--sandbox"]
    assert call(command, *given).code == 0
    assert other.read_bytes() == later


def test_a_link_in_a_source_brings_no_other_file(
    folder: Folder, call: Call, tmp_path: Path
) -> None:
    """A picture that a source has only as a link out of it is one that it does not have."""
    path = _previewed(folder, call)
    source = tmp_path / "artifact"
    (source / "sandbox/.spark-batch").mkdir(parents=True)
    path.replace(source / "sandbox/.spark-batch/tiny.checkpoint")
    pictures = sorted(folder.previews.glob("[!.]*/*.jpg"))
    for picture in pictures:
        elsewhere = picture.replace(tmp_path / picture.name)
        link = source / "sandbox" / picture.relative_to(folder.previews)
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(elsewhere)
    ended = call("merge", folder.recipe, source, "--sandbox")
    assert ended.code in (0, 1)
    assert not list(folder.previews.glob("[!.]*/*.jpg"))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("attempts", "9" * 30),
        ("attempts", "9" * 5000),
        ("bytes", "9" * 30),
        ("output", "../../../outside.jpg"),
        ("output", "/etc/passwd"),
        ("output", ".."),
        ("submitted_at", "2026-13-45T99:99:99Z"),
        ("cost_usd", "99999999999999"),
        ("api", "x" * 5000),
    ],
)
def test_a_row_that_no_checkpoint_may_hold_is_not_taken_over(
    folder: Folder, call: Call, column: str, value: str
) -> None:
    """The line is named, and the next run finds a checkpoint that it can use."""
    path = _previewed(folder, call)
    path.unlink()
    manifest = folder.previews / "tiny.manifest.csv"
    with manifest.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[0][column] = value
    with manifest.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    ended = call("run", folder.recipe, "--sandbox")
    assert ended.code == 2
    assert "line 2 of the manifest is not one that spark-batch wrote" in ended.err
    manifest.unlink()
    assert call("run", folder.recipe, "--sandbox").code == 0


@pytest.mark.parametrize("cost", ["9e999999", "-5", "NaN", "much"])
def test_a_cost_that_is_none_in_a_manifest_nearby_ends_no_plan(
    folder: Folder, call: Call, cost: str
) -> None:
    """Sums of such costs would overflow; the jobs are paid for all the same."""
    _previewed(folder, call).unlink()
    manifest = folder.previews / "tiny.manifest.csv"
    manifest.write_text(manifest.read_text().replace(",0.03,", f",{cost},"))
    assert f",{cost}," in manifest.read_text()
    folder.edit("name: tiny", "name: small\noutput: {dir: out/tiny}")
    ended = call("plan", folder.recipe, "--sandbox")
    assert (ended.code, "made before for 0 USD" in ended.err + ended.out) == (0, True), ended
    ended = call("plan", folder.recipe, "--sandbox", "--against", manifest)
    assert (ended.code, "line 2 of" in ended.err) == (2, True), ended


@pytest.mark.parametrize("kind", ["a FIFO", "/dev/zero"])
@pytest.mark.parametrize(
    "file",
    [
        "photo.jpg",
        "recipe.yaml",
        "out/tiny/sandbox/tiny.manifest.csv",
        "out/tiny/sandbox/.spark-batch/tiny.checkpoint",
        "the first picture",
    ],
)
def test_what_never_ends_keeps_no_command_waiting(
    folder: Folder, call: Call, file: str, kind: str
) -> None:
    """Wherever a file is expected."""
    _previewed(folder, call)
    picture = next(iter(folder.previews.glob("[!.]*/*.jpg")))
    path = picture if file == "the first picture" else folder.path / file
    path.unlink()
    if kind == "a FIFO":
        os.mkfifo(path)
    else:
        path.symlink_to(kind)
    for command in ("plan", "run"):
        ended = call(command, folder.recipe, "--sandbox")
        assert "unexpected" not in ended.err
        assert ended.code in (0, 1, 2)


def test_a_name_that_the_disk_does_not_take_is_an_error_before_anything_is_sent(
    folder: Folder, call: Call
) -> None:
    """And the checkpoint can be used when it is shorter."""
    folder.edit("prompts: [Beach, Snow]", f"prompts: [{{id: {'p' * 100}, text: Beach}}]")
    name = "/".join(["${prompt}${prompt}"] * 20)
    folder.edit("price: 0.03", f"output: {{name: '{name}/${{scale}}'}}\nprice: 0.03")
    ended = call("run", folder.recipe, "--sandbox")
    assert (ended.code, "the disk takes no name as long as" in ended.err) == (2, True)
    assert folder.ledger() == []
    folder.edit(name, "pictures")
    assert call("run", folder.recipe, "--sandbox").code == 0


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("request", "prompt"),
        ("request", "fit"),
        ("request", "model"),
        ("placement", "input"),
        ("attempt", "api"),
        ("attempt", "task_id"),
        ("attempt", "checks"),
        ("event", "detail"),
    ],
)
def test_a_checkpoint_steers_no_terminal(
    folder: Folder, call: Call, table: str, column: str
) -> None:
    """Click takes out the sequences of colours alone, and not at a terminal."""
    path = _previewed(folder, call)
    text = "\x1b]0;x" if column != "checks" else results_text([CheckResult("x", False, "\x1b]0;x")])
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        query = f"UPDATE {table} SET {column} = ? WHERE rowid = 1"
        if table in ("request", "placement"):
            query = f"UPDATE {table} SET {column} = ? WHERE key = (SELECT min(key) FROM request)"
        database.execute(query, (text,))
        ((key,),) = database.execute("SELECT key FROM attempt WHERE id = 1")
        (least,) = database.execute("SELECT min(key) FROM request").fetchone()
    for command in (("why", key), ("why", least), ("verify",), ("status",)):
        ended = call(command[0], folder.recipe, *command[1:], "--sandbox")
        assert "\x1b" not in ended.out + ended.err
        assert ended.code in (0, 1)


def test_half_a_character_in_a_checkpoint_ends_no_export(
    folder: Folder, call: Call, tmp_path: Path
) -> None:
    """JSON can write one; a name is made of it all the same."""
    path = _previewed(folder, call)
    _spoil(path, """UPDATE placement SET variables = '{"x": "\\ud800"}'""")
    to = tmp_path / "shop"
    ended = call("export", folder.recipe, "--sandbox", "--to", to, "--name", "${x}-${job}")
    assert (ended.code, "4 pictures copied" in ended.out) == (0, True), ended


@pytest.mark.parametrize("image", ["../private.png", "out/../../private.png", "{}"])
def test_a_checkpoint_shows_no_picture_of_the_disk(
    folder: Folder, call: Call, tmp_path: Path, image: str
) -> None:
    """The page of a stranger's branch may be kept as an artifact. The input of its own is shown."""
    private = folder.path.parent / "private.png"
    Image.new("RGB", (96, 64), "teal").save(private)
    (folder.path / ".git").mkdir()
    path = _previewed(folder, call)
    assert call("report", folder.recipe, "--sandbox").code == 0
    page = folder.previews / "tiny.html"
    whole = _pictures_in(page)
    _spoil(path, "UPDATE placement SET image = 'copy.jpg'")  # as the input, which is not there
    assert call("report", folder.recipe, "--sandbox").code == 0
    without = _pictures_in(page)
    assert without < whole
    _spoil(path, f"UPDATE placement SET image = '{image.format(private)}'")
    assert call("report", folder.recipe, "--sandbox").code == 0
    assert _pictures_in(page) == without
    assert call("report", folder.recipe, "--sandbox", "--allow-outside").code == 0
    assert _pictures_in(page) > without


def _pictures_in(page: Path) -> int:
    return len(re.findall("data:image/|/9j/", page.read_text()))
