"""`--shard` and `merge`: many processes, one recipe, each job paid for once."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from spark_batch import load, matrix
from spark_batch.checkpoint import CheckpointReader, Lock, lock_path
from spark_batch.errors import ExitCode
from spark_batch.sandbox import Served
from tests.cli.conftest import RECIPE, Call, Ended, Folder, start

MakeServer = Callable[..., Served]
# What another run of the same recipe has of its own.
OWN = {"task_id", "remote_job_id", "submitted_at", "completed_at", "seconds"}


def shard_checkpoint(out: Path, shard: str) -> Path:
    """Where the checkpoint of a shard stands."""
    index, count = shard.split("/")
    return out / ".spark-batch" / f"tiny.shard-{index}-of-{count}.checkpoint"


def rows(path: Path) -> list[dict[str, str]]:
    """A manifest's lines, as any CSV reader gives them."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def masked(out: Path) -> list[dict[str, str]]:
    """The manifest without what differs from run to run."""
    found = rows(out / "tiny.manifest.csv")
    return [{name: cell for name, cell in row.items() if name not in OWN} for row in found]


def fingerprints(folder: Folder) -> list[str]:
    """What the sandbox accepted, request by request."""
    return [json.loads(line)["fingerprint"] for line in folder.ledger()]


def split(folder: Folder, call: Call, *options: object, count: int = 4) -> list[Ended]:
    """A run of every shard, one after the other."""
    shards = [f"{index}/{count}" for index in range(1, count + 1)]
    return [call("run", folder.recipe, "--shard", each, *options) for each in shards]


def another(tmp_path: Path, name: str) -> Folder:
    """The same recipe in another folder, as on another machine."""
    folder = Folder(tmp_path / name)
    folder.path.mkdir()
    Image.new("RGB", (96, 64), (200, 120, 40)).save(folder.path / "photo.jpg", "JPEG")
    folder.recipe.write_text(RECIPE)
    return folder


@pytest.fixture
def unsharded(tmp_path: Path, call: Call) -> list[dict[str, str]]:
    """The manifest of a run of the whole recipe."""
    folder = another(tmp_path, "unsharded")
    folder.edit("seed: 7", "seed: [7, 8, 9]")
    assert call("run", folder.recipe, "--sandbox").code == ExitCode.DONE
    return masked(folder.previews)


def test_four_processes_at_once_make_what_one_makes(
    folder: Folder, call: Call, unsharded: list[dict[str, str]]
) -> None:
    """One folder, four checkpoints; one is killed and rescued; merged it is as if there was one."""
    folder.edit("seed: 7", "seed: [7, 8, 9]")
    shards = [f"{index}/4" for index in range(1, 5)]
    processes = {
        shard: start("run", folder.recipe, "--sandbox", "--shard", shard) for shard in shards
    }
    victim = largest(folder)
    _kill_when_all_is_sent(folder, processes.pop(victim), victim)
    for process in processes.values():
        assert process.communicate(timeout=60)[1].count("Traceback") == 0
        assert process.returncode == ExitCode.DONE
    assert call("rescue", folder.recipe, "--sandbox", "--shard", victim).code == ExitCode.DONE
    assert call("run", folder.recipe, "--sandbox", "--shard", victim).code == ExitCode.DONE
    ended = call("merge", folder.recipe, "--sandbox")
    assert (ended.code, "12 done" in ended.out, "paid twice" in ended.out) == (0, True, False)
    assert len(fingerprints(folder)) == len(set(fingerprints(folder))) == 12
    assert masked(folder.previews) == unsharded
    assert len(folder.pictures()) == 12
    assert "0 changed or missing" in call("verify", folder.recipe, "--sandbox").out
    assert "nothing to do: 12 jobs done" in call("run", folder.recipe, "--sandbox").out


def largest(folder: Folder) -> str:
    """The shard of four with the most jobs."""
    keys = [job.key for job in matrix.jobs(load(folder.recipe).recipe)]
    shards = [matrix.Shard(index, 4) for index in range(1, 5)]
    return str(max(shards, key=lambda shard: sum(map(shard.owns, keys))))


def _kill_when_all_is_sent(folder: Folder, process: subprocess.Popen[str], shard: str) -> None:
    """SIGKILL, with every task known and some of them at work."""
    path = shard_checkpoint(folder.previews, shard)
    keys = [job.key for job in matrix.jobs(load(folder.recipe).recipe)]
    wanted = sum(map(matrix.read_shard(shard).owns, keys))
    deadline = time.monotonic() + 30
    known = 0
    while known < wanted and time.monotonic() < deadline:
        with CheckpointReader.peek(path) as reader:
            known = sum(bool(s.attempt and s.attempt.task_id) for s in reader.standings())
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    assert known == wanted


def test_each_shard_has_its_own_lines(folder: Folder, call: Call) -> None:
    """Together they are the recipe's; each is told how to be joined."""
    for ended in split(folder, call, "--sandbox"):
        assert ended.code == ExitCode.DONE
        assert "spark-batch merge RECIPE --sandbox" in ended.err
    manifests = sorted(folder.previews.glob("tiny.shard-*.manifest.csv"))
    jobs = [row["job"] for path in manifests for row in rows(path)]
    assert len(manifests) == 4
    assert sorted(jobs) == sorted(job.key for job in matrix.jobs(load(folder.recipe).recipe))
    assert not (folder.previews / "tiny.manifest.csv").exists()
    state = folder.previews / ".spark-batch"
    assert not (state / "tiny.checkpoint").exists()
    # Attempts are counted alike in each: their downloads must not meet.
    busy = {path.name.removesuffix(".manifest.csv") for path in manifests if rows(path)}
    assert {path.name for path in (state / "parts").iterdir()} == busy


@pytest.mark.parametrize(
    "value", ["0/4", "5/4", "x", "1/0", "", "1/4/2", "-1/4", "1/9999", "\u0661/4"]
)
@pytest.mark.parametrize("command", ["run", "plan", "retry", "rescue", "status", "report"])
def test_what_is_no_shard_is_refused_in_one_line(
    folder: Folder, call: Call, value: str, command: str
) -> None:
    """Exit 2, the value, and how one is written."""
    ended = call(command, folder.recipe, "--sandbox", "--shard", value)
    assert ended.code == ExitCode.WRONG
    assert ended.err.startswith(f"spark-batch: {value!r} is no shard: write I/N")
    assert ended.err.count("\n") == 1
    assert not folder.previews.exists()


@pytest.mark.parametrize(
    ("arguments", "gone"),
    [
        (["run"], "*.manifest.csv"),
        (["run"], ".spark-batch/*.checkpoint"),
        (["retry"], "none"),
        (["plan"], "none"),
        (["run", "--shard", "1/3"], "none"),
        (["plan", "--shard", "1/3"], "none"),
    ],
)
def test_beside_shards_that_are_not_merged_nothing_else_may_pay(
    folder: Folder, call: Call, arguments: list[str], gone: str
) -> None:
    """A run of the whole recipe, or of another number of shards, does not know what they paid.

    Of a shard the checkpoint may be there alone, or the manifest.
    """
    split(folder, call, "--sandbox", count=2)
    for path in folder.previews.glob(gone):
        path.unlink()
    command, *rest = arguments
    before = folder.ledger()
    ended = call(command, folder.recipe, "--sandbox", *rest)
    assert ended.code == ExitCode.WRONG
    assert "not merged (1/2, 2/2)" in ended.err
    assert "merge first: spark-batch merge RECIPE --sandbox" in ended.err
    assert not (folder.previews / ".spark-batch" / "tiny.checkpoint").exists()
    assert not shard_checkpoint(folder.previews, "1/3").exists()
    assert call("merge", folder.recipe, "--sandbox").code == ExitCode.DONE
    assert call(command, folder.recipe, "--sandbox", *rest).code == ExitCode.DONE
    assert folder.ledger() == before


def test_a_shard_begins_with_what_the_whole_recipe_knows(folder: Folder, call: Call) -> None:
    """Two of four jobs are done: the shards make the others, and keep what is there."""
    call("run", folder.recipe, "--sandbox", "--limit", "2")
    (folder.previews / "tiny.manifest.csv").unlink()
    ended = split(folder, call, "--sandbox")
    assert {each.code for each in ended} == {ExitCode.DONE}
    assert len(fingerprints(folder)) == len(set(fingerprints(folder))) == 4
    assert call("merge", folder.recipe, "--sandbox").code == ExitCode.DONE
    assert "0.12 USD spent" in call("status", folder.recipe, "--sandbox").out


def test_a_shard_begins_with_the_manifest_where_there_is_no_checkpoint(
    folder: Folder, call: Call
) -> None:
    """Four fresh runners have the manifest and the pictures from git: nothing is made again."""
    call("run", folder.recipe, "--sandbox")
    (folder.previews / ".spark-batch" / "tiny.checkpoint").unlink()
    for ended in split(folder, call, "--sandbox"):
        assert ended.code == ExitCode.DONE
        assert "nothing to do" in ended.out
    assert len(fingerprints(folder)) == 4
    ended = call("plan", folder.recipe, "--sandbox", "--shard", "1/4", "--detailed-exitcode")
    assert ended.code == ExitCode.DONE


def test_what_is_uncertain_is_one_shards(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, server: MakeServer
) -> None:
    """It is not sent again by any of them, and can be settled in its own; then merged."""
    served = server(create=["cut-after"])
    monkeypatch.setenv("SPARK_API_KEY", "k")
    monkeypatch.setenv("SPARK_BASE_URL", served.url)
    assert call("run", folder.recipe, "--limit", "1").code == ExitCode.UNCERTAIN
    (uncertain,) = [
        r["job"] for r in rows(folder.out / "tiny.manifest.csv") if r["attempts"] != "0"
    ]
    codes = [each.code for each in split(folder, call)]
    owner = 1 + int(uncertain, 16) % 4
    assert [index for index, code in enumerate(codes, 1) if code] == [owner]
    assert codes[owner - 1] == ExitCode.UNCERTAIN
    assert len(served.ledger.accepted()) == 4
    task, shard = served.ledger.accepted()[0].id, f"{owner}/4"
    settled = call("resolve", folder.recipe, uncertain, "--task-id", task, "--shard", shard)
    assert settled.code == ExitCode.DONE
    assert call("rescue", folder.recipe, "--shard", shard).code == ExitCode.DONE
    merged = call("merge", folder.recipe)
    assert (merged.code, "4 done" in merged.out) == (ExitCode.DONE, True)
    assert "0.12 USD spent\n" in call("status", folder.recipe).out


def test_all_shards_together_keep_the_limit(folder: Folder, call: Call) -> None:
    """0.03 of 0.10 USD is spent: four shards may spend 0.0175 each, two 0.035, that is one job."""
    folder.edit("submit_rate: 100", "submit_rate: 100, max_cost: 0.10")
    call("run", folder.recipe, "--sandbox", "--limit", "1")
    for ended in split(folder, call, "--sandbox"):
        assert ended.code in (ExitCode.OVER_BUDGET, ExitCode.DONE)
        assert "its part of the limit" in ended.err
    assert len(folder.ledger()) == 1
    call("merge", folder.recipe, "--sandbox")
    for _ in range(2):
        split(folder, call, "--sandbox", count=2)
        assert len(folder.ledger()) in (2, 3)
    call("merge", folder.recipe, "--sandbox")
    assert call("run", folder.recipe, "--sandbox").code == ExitCode.OVER_BUDGET
    assert len(folder.ledger()) == 3


def test_without_a_price_shards_do_not_feel_for_the_limit(folder: Folder, call: Call) -> None:
    """Each would make a picture to learn it; when one has been made, all know the price."""
    folder.edit("price: 0.03\n", "")
    ended = call("run", folder.recipe, "--sandbox", "--shard", "1/1", "--max-cost", "1")
    assert ended.code == ExitCode.WRONG
    assert "give the recipe a price" in ended.err
    assert folder.ledger() == []
    call("merge", folder.recipe, "--sandbox")
    call("run", folder.recipe, "--sandbox", "--limit", "1")
    for ended in split(folder, call, "--sandbox", "--max-cost", "1"):
        assert ended.code == ExitCode.DONE
    assert len(folder.ledger()) == 4


def test_whole_and_shards_do_not_run_beside_each_other(folder: Folder, call: Call) -> None:
    """Either holds the checkpoint of the whole recipe, the shards together."""
    path = folder.previews / ".spark-batch" / "tiny.checkpoint"
    path.parent.mkdir(parents=True)
    lock = lock_path(path)
    with Lock(lock):
        ended = call("run", folder.recipe, "--sandbox", "--shard", "1/2")
        assert (ended.code, "pid" in ended.err) == (ExitCode.FAILED, True)
    assert not shard_checkpoint(folder.previews, "1/2").exists()
    with Lock(lock, seat=1):
        assert call("run", folder.recipe, "--sandbox", "--shard", "2/2").code == ExitCode.DONE
        ended = call("merge", folder.recipe, "--sandbox")
        assert (ended.code, "the runs of its shards" in ended.err) == (ExitCode.FAILED, True)
    with Lock(lock_path(shard_checkpoint(folder.previews, "2/2"))):
        assert call("merge", folder.recipe, "--sandbox").code == ExitCode.FAILED
    assert call("merge", folder.recipe, "--sandbox").code == ExitCode.DONE


def test_looking_at_shards(folder: Folder, call: Call) -> None:
    """Each by itself; the whole says that they are not counted."""
    ended = call("status", folder.recipe, "--sandbox")
    assert "nothing has been run yet" in ended.err
    split(folder, call, "--sandbox", count=2)
    shards = (["--shard", "1/2"], ["--shard", "2/2"])
    told = [call("status", folder.recipe, "--sandbox", "--json", *each).out for each in shards]
    assert sum(json.loads(each)["jobs"]["done"] for each in told) == 4
    for each in shards:
        assert call("verify", folder.recipe, "--sandbox", *each).code == ExitCode.DONE
        assert call("report", folder.recipe, "--sandbox", *each).code == ExitCode.DONE
        (job, *_) = [row["job"] for row in rows(_manifest(folder, each[1]))]
        assert "done" in call("why", folder.recipe, job, "--sandbox", *each).out
    ended = call("status", folder.recipe, "--sandbox")
    assert (ended.code, "there are shards" in ended.err) == (ExitCode.WRONG, True)
    call("merge", folder.recipe, "--sandbox")
    split(folder, call, "--sandbox", count=2)
    assert "2 shards not merged" in call("status", folder.recipe, "--sandbox").err


def _manifest(folder: Folder, shard: str) -> Path:
    index, count = shard.split("/")
    return folder.previews / f"tiny.shard-{index}-of-{count}.manifest.csv"


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
            "manifest": [_manifest(other, f"{index}/2")],
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
    assert "0.15 USD spent" in call("status", folder.recipe, "--sandbox").out
    assert {path.name: path.read_bytes() for path in folder.pictures()}.items() >= before.items()
    assert call("run", folder.recipe, "--sandbox").code == ExitCode.DONE
    assert len(folder.ledger()) == 1


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
        (state / "tiny.checkpoint", ExitCode.WRONG, "is what is merged into"),
        (folder.previews / "tiny.manifest.csv", ExitCode.WRONG, "is what is merged into"),
        (large / ".spark-batch" / "large.checkpoint", ExitCode.WRONG, "of recipe large"),
        (large / "large.manifest.csv", ExitCode.WRONG, "of recipe large"),
        (damaged, ExitCode.FAILED, "cannot be read"),
        (newer, ExitCode.FAILED, "newer spark-batch"),
        (broken, ExitCode.WRONG, "no manifest of this version"),
    ):
        ended = call("merge", folder.recipe, "--sandbox", source)
        assert (ended.code, words in ended.err) == (code, True), ended
        assert ended.err.splitlines()[-1].startswith("spark-batch: ")
        assert "Traceback" not in ended.err
    assert _state(folder) == before
    ended = call("merge", folder.recipe, folder.previews)
    assert (ended.code, "previews: merge it with --sandbox" in ended.err) == (ExitCode.WRONG, True)
    assert not (folder.out / ".spark-batch").exists()
