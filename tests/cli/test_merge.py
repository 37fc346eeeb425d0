"""`merge`: shards, machines and branches joined; what was paid for is known, twice or once."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from spark_batch.checkpoint import Checkpoint
from spark_batch.errors import ExitCode
from spark_batch.jobs import matrix
from spark_batch.jobs.shard import read_shard
from spark_batch.project import load
from tests.cli.conftest import Call, Folder, MakeServer, start
from tests.cli.sharding import (
    another,
    fingerprints,
    largest,
    rows,
    shard_checkpoint,
    shard_manifest,
    split,
)

RANDOM = """\
version: 1
name: tiny
inputs: [photo.jpg]
prompts: [{{id: p, text: {prompt}}}]
variants: {{seed: -1}}
"""


@pytest.mark.parametrize("what", ["folder", "checkpoint", "manifest"])
def test_shards_of_other_machines(tmp_path: Path, folder: Folder, call: Call, what: str) -> None:
    """Two machines, half of the recipe each: joined with their pictures, each as it comes."""
    others = [another(tmp_path, f"machine{index}") for index in (1, 2)]
    given: list[Path] = []
    for index, other in enumerate(others, 1):
        call("run", other.recipe, "--sandbox", "--shard", f"{index}/2")
        given += {
            "folder": [other.out],
            "checkpoint": [shard_checkpoint(other.previews, f"{index}/2")],
            "manifest": [shard_manifest(other, f"{index}/2")],
        }[what]
    before = {path: path.read_bytes() for other in others for path in other.path.rglob("*.csv")}
    ended = call("merge", folder.recipe, "--sandbox", *given)
    assert ended.code == ExitCode.DONE
    assert "4 done; 4 pictures copied" in ended.out
    assert [row["cost_usd"] for row in rows(folder.previews / "tiny.manifest.csv")] == ["0.03"] * 4
    assert "0 changed or missing" in call("verify", folder.recipe, "--sandbox").out
    assert "nothing to do: 4 jobs done" in call("run", folder.recipe, "--sandbox").out
    assert {path: path.read_bytes() for path in before} == before
    everything = _state(folder)
    again = call("merge", folder.recipe, "--sandbox", *given, *given[::-1])
    assert (again.code, "copied" in again.out) == (ExitCode.DONE, False)
    assert _state(folder) == everything


def _state(folder: Folder) -> tuple[object, ...]:
    """The manifest, the pictures, and all that the checkpoint knows."""
    database = sqlite3.connect(folder.previews / ".spark-batch" / "tiny.checkpoint")
    tables = [
        database.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
        for table in ("request", "placement", "attempt", "event")
    ]
    database.close()
    pictures = {path: path.read_bytes() for path in folder.pictures()}
    return tables, pictures, (folder.previews / "tiny.manifest.csv").read_bytes()


def test_a_job_that_two_branches_paid_for_is_told(
    tmp_path: Path, folder: Folder, call: Call
) -> None:
    """Both task ids and the cost of one too many, every time; the picture that stands stays."""
    other = another(tmp_path, "branch")
    call("run", folder.recipe, "--sandbox", "--limit", "1")
    call("run", other.recipe, "--sandbox")
    before = {path.name: path.read_bytes() for path in folder.pictures()}
    tasks = [
        row["task_id"]
        for out in (folder.previews, other.previews)
        for row in rows(out / "tiny.manifest.csv")[:1]
    ]
    for _ in range(2):
        ended = call("merge", folder.recipe, "--sandbox", other.out)
        (told,) = [line for line in ended.out.splitlines() if line.startswith("paid twice: ")]
        assert "0.03 USD too much" in told
        assert all(task in told for task in tasks)
    assert "would be about 0.15 USD" in call("status", folder.recipe, "--sandbox").out
    assert {path.name: path.read_bytes() for path in folder.pictures()}.items() >= before.items()
    assert call("run", folder.recipe, "--sandbox").code == ExitCode.DONE
    assert len(folder.ledger()) == 1


def test_of_two_pictures_of_a_job_the_recorded_one_is_in_its_place(
    tmp_path: Path, folder: Folder, call: Call
) -> None:
    """The same job of a random seed on two machines: the later one counts, the other is kept."""
    other = another(tmp_path, "machine")
    for one in (folder, other):
        one.recipe.write_text(RANDOM.format(prompt="Beach"))
        call("run", one.recipe, "--sandbox")
    (mine,), (theirs,) = ([path.read_bytes() for path in one.pictures()] for one in (folder, other))
    assert mine != theirs
    ended = call("merge", folder.recipe, "--sandbox", other.out)
    assert "1 picture replaced by a later one of the same job" in ended.err
    assert [path.read_bytes() for path in folder.pictures()] == [theirs]
    kept = folder.previews / ".spark-batch" / "kept"
    assert [path.read_bytes() for path in kept.iterdir()] == [mine]
    assert call("verify", folder.recipe, "--sandbox").code == ExitCode.DONE
    again = call("merge", folder.recipe, "--sandbox", other.out)
    assert "replaced" not in again.err


def test_a_picture_whose_name_another_job_has_is_kept(
    tmp_path: Path, folder: Folder, call: Call
) -> None:
    """Another prompt of the same id on a branch: back on it, the picture is there for nothing."""
    other = another(tmp_path, "branch")
    for one, prompt in ((folder, "Beach"), (other, "Snow")):
        one.recipe.write_text(RANDOM.format(prompt=prompt))
        call("run", one.recipe, "--sandbox")
    (theirs,) = (path.read_bytes() for path in other.pictures())
    assert "1 picture copied" in call("merge", folder.recipe, "--sandbox", other.out).out
    assert "copied" not in call("merge", folder.recipe, "--sandbox", other.out).out
    shutil.rmtree(other.path)
    folder.recipe.write_text(RANDOM.format(prompt="Snow"))
    assert call("run", folder.recipe, "--sandbox").code == ExitCode.DONE
    assert [path.read_bytes() for path in folder.pictures()] == [theirs]
    assert len(folder.ledger()) == 1


def test_what_a_killed_shard_was_sending_is_uncertain(
    tmp_path: Path, folder: Folder, call: Call
) -> None:
    """Merged without a further run of it: counted, told, and not sent again by the whole."""
    shard = largest(folder, 2)
    call("run", folder.recipe, "--sandbox", "--shard", shard, "--limit", "0")
    place = load(folder.recipe).recipe
    with Checkpoint.open(shard_checkpoint(folder.previews, shard)) as checkpoint:
        job = next(read_shard(shard).of(matrix.jobs(place)))
        checkpoint.sync_jobs([job])
        checkpoint.begin_attempt(job.key, number=1, reserved=Decimal("0.03"), api="sandbox")
    merged = call("merge", folder.recipe, "--sandbox")
    assert "3 pending, 1 uncertain" in merged.out
    assert call("run", folder.recipe, "--sandbox").code == ExitCode.UNCERTAIN
    assert len(folder.ledger()) == 3
    assert (
        "would be about 0.09 USD, 0.03 USD reserved"
        in call("status", folder.recipe, "--sandbox").out
    )


def test_without_anything_to_merge(folder: Folder, call: Call) -> None:
    """Before the first run, and when all is merged: said, exit 0, no file made."""
    ended = call("merge", folder.recipe, "--sandbox")
    assert (ended.code, "nothing to merge" in ended.out) == (ExitCode.DONE, True)
    assert not folder.out.exists()
    call("run", folder.recipe, "--sandbox")
    for source in ([], [folder.out]):
        assert "nothing to merge" in call("merge", folder.recipe, "--sandbox", *source).out


def test_nothing_is_overwritten(tmp_path: Path, folder: Folder, call: Call) -> None:
    """A file that stands in the way of a picture is kept."""
    other = another(tmp_path, "other")
    call("run", other.recipe, "--sandbox")
    mine = folder.previews / other.pictures()[0].relative_to(other.previews)
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    assert call("merge", folder.recipe, "--sandbox", other.out).code == ExitCode.DONE
    kept = folder.previews / ".spark-batch" / "kept"
    assert [path.read_bytes() for path in kept.iterdir()] == [b"mine"]
    assert mine.read_bytes() == other.pictures()[0].read_bytes()


def test_a_picture_that_is_spoilt_on_its_way_is_not_taken(
    tmp_path: Path, folder: Folder, call: Call
) -> None:
    """Its SHA-256 is another one: told as missing, and fetched again by its task."""
    other = another(tmp_path, "other")
    call("run", other.recipe, "--sandbox")
    other.pictures()[0].write_bytes(b"spoilt")
    ended = call("merge", folder.recipe, "--sandbox", other.out)
    assert "3 pictures copied" in ended.out
    assert "1 picture missing" in ended.err
    assert len(folder.pictures()) == 3


def test_a_merge_that_is_stopped_in_the_middle_is_done_by_the_next(
    tmp_path: Path, folder: Folder, call: Call
) -> None:
    """What is paid for is written down first; the pictures and the manifest follow."""
    other = another(tmp_path, "other")
    split(other, call, "--sandbox", count=2)
    in_the_way = folder.previews / "photo"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("")
    ended = call("merge", folder.recipe, "--sandbox", other.out)
    assert (ended.code, "photo" in ended.err) == (ExitCode.FAILED, True)
    assert "Traceback" not in ended.err
    plan = call("plan", folder.recipe, "--sandbox")
    assert "to create" not in plan.out
    in_the_way.unlink()
    assert call("merge", folder.recipe, "--sandbox", other.out).code == ExitCode.DONE
    assert len(folder.pictures()) == 4
    assert "nothing to do" in call("run", folder.recipe, "--sandbox").out


@pytest.mark.proof
@pytest.mark.parametrize("sign", ["tiny.checkpoint", "first picture", "tiny.manifest.csv"])
def test_a_killed_merge_is_done_by_the_next(
    tmp_path: Path, folder: Folder, call: Call, sign: str
) -> None:
    """SIGKILL as soon as a file is there; then the same state as of a merge that nothing hit."""
    other, calm = another(tmp_path, "other"), another(tmp_path, "calm")
    split(other, call, "--sandbox", count=2)
    assert call("merge", calm.recipe, "--sandbox", other.out).code == ExitCode.DONE
    signs: dict[str, Callable[[], object]] = {
        "tiny.checkpoint": (folder.previews / ".spark-batch" / sign).exists,
        "first picture": folder.pictures,
        "tiny.manifest.csv": (folder.previews / sign).exists,
    }
    process = start("merge", folder.recipe, "--sandbox", other.out)
    while not signs[sign]() and process.poll() is None:
        pass
    process.kill()
    process.communicate(timeout=10)
    assert signs[sign]()
    assert call("merge", folder.recipe, "--sandbox", other.out).code == ExitCode.DONE
    manifests = [each.previews / "tiny.manifest.csv" for each in (folder, calm)]
    assert manifests[0].read_bytes() == manifests[1].read_bytes()
    assert "nothing to do: 4 jobs done" in call("run", folder.recipe, "--sandbox").out


def test_an_uncertain_attempt_beside_a_finished_picture_can_be_resolved(
    tmp_path: Path,
    folder: Folder,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
    server: MakeServer,
) -> None:
    """The picture stands, the money is told, and what the user finds out settles it."""
    served = server(create=["cut-after"])
    monkeypatch.setenv("SPARK_API_KEY", "k")
    monkeypatch.setenv("SPARK_BASE_URL", served.url)
    other = another(tmp_path, "other")
    call("run", other.recipe, "--limit", "1")
    assert call("run", folder.recipe).code == ExitCode.DONE
    merged = call("merge", folder.recipe, other.out)
    (told,) = [line for line in merged.out.splitlines() if line.startswith("may be paid twice: ")]
    assert "and" in told.partition("tasks ")[2]
    assert "one that is uncertain" in told
    job = told.partition("(job ")[2].partition(")")[0]
    assert call("run", folder.recipe).code == ExitCode.UNCERTAIN
    assert call("resolve", folder.recipe, job, "--not-charged").code == ExitCode.DONE
    assert call("run", folder.recipe).code == ExitCode.DONE
    assert "may be paid twice" not in call("merge", folder.recipe, other.out).out
    assert len(served.ledger.accepted()) == 5


def test_merging_again_and_splitting_again(folder: Folder, call: Call) -> None:
    """Merged shards are put aside; a later split, also with another number, begins from there."""
    split(folder, call, "--sandbox", "--limit", "1", count=2)
    call("merge", folder.recipe, "--sandbox")
    assert "nothing to merge" in call("merge", folder.recipe, "--sandbox").out
    split(folder, call, "--sandbox", count=3)
    ended = call("merge", folder.recipe, "--sandbox")
    assert "4 done" in ended.out
    assert len(fingerprints(folder)) == len(set(fingerprints(folder))) == 4
    aside = folder.previews / ".spark-batch"
    assert len(list(aside.glob("tiny.shard-*.checkpoint.merged"))) == 5
    assert not list(folder.previews.glob("tiny.shard-*"))


def test_what_cannot_be_merged_is_told_and_changes_nothing(
    tmp_path: Path, folder: Folder, call: Call
) -> None:
    """One clear line each, before anything is written."""
    call("run", folder.recipe, "--sandbox")
    other = another(tmp_path, "other")
    other.edit("name: tiny", "name: large")
    call("run", other.recipe, "--sandbox")
    large = other.path / "out" / "large" / "sandbox"
    state = folder.previews / ".spark-batch"
    damaged, newer = tmp_path / "damaged.checkpoint", tmp_path / "newer.checkpoint"
    damaged.write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    shutil.copy(state / "tiny.checkpoint", newer)
    database = sqlite3.connect(newer)
    database.execute("PRAGMA user_version = 999")
    database.close()
    broken = tmp_path / "broken.csv"
    broken.write_text("job,status\n")
    (tmp_path / "empty").mkdir()
    before = _state(folder)
    for source, code, words in (
        (tmp_path / "nowhere", ExitCode.WRONG, "there is no"),
        (tmp_path / "empty", ExitCode.WRONG, "holds no checkpoint and no manifest of recipe tiny"),
        (state / "tiny.checkpoint", ExitCode.WRONG, "is the target of the merge"),
        (folder.previews / "tiny.manifest.csv", ExitCode.WRONG, "is the target of the merge"),
        (large / ".spark-batch" / "large.checkpoint", ExitCode.WRONG, "belongs to recipe large"),
        (large / "large.manifest.csv", ExitCode.WRONG, "belongs to recipe large"),
        (damaged, ExitCode.FAILED, "nothing was merged"),
        (newer, ExitCode.FAILED, "newer spark-batch"),
        (broken, ExitCode.WRONG, "it has no column"),
    ):
        ended = call("merge", folder.recipe, "--sandbox", source)
        assert (ended.code, words in ended.err) == (code, True), ended
        assert ended.err.splitlines()[-1].startswith("spark-batch: ")
        assert "Traceback" not in ended.err
    assert _state(folder) == before
    ended = call("merge", folder.recipe, folder.previews)
    assert ended.code == ExitCode.WRONG
    assert "previews: to merge them, add --sandbox" in ended.err
    assert not (folder.out / ".spark-batch").exists()
