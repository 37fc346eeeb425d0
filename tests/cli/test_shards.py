"""`--shard`: many processes, one recipe, each job paid for once."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from random import Random

import pytest

from spark_batch.checkpoint import CheckpointReader, Lock
from spark_batch.errors import ExitCode
from spark_batch.jobs import matrix
from spark_batch.jobs.shard import read_shard
from spark_batch.paths import lock_path
from spark_batch.project import load
from tests.cli.conftest import Call, Folder, MakeServer, start
from tests.cli.sharding import (
    another,
    fingerprints,
    largest,
    masked,
    rows,
    shard_checkpoint,
    shard_manifest,
    split,
)


@pytest.fixture
def unsharded(tmp_path: Path, call: Call) -> list[dict[str, str]]:
    """The manifest of a run of the whole recipe."""
    folder = another(tmp_path, "unsharded")
    folder.edit("seed: 7", "seed: [7, 8, 9]")
    assert call("run", folder.recipe, "--sandbox").code == ExitCode.DONE
    return masked(folder.previews)


@pytest.mark.proof
def test_four_processes_at_once_make_what_one_makes(
    folder: Folder, call: Call, unsharded: list[dict[str, str]]
) -> None:
    """One folder, four checkpoints; one is killed and rescued; merged it is as if there was one."""
    folder.edit("seed: 7", "seed: [7, 8, 9]")
    shards = [f"{index}/4" for index in range(1, 5)]
    processes = {
        shard: start("run", folder.recipe, "--sandbox", "--shard", shard) for shard in shards
    }
    victim = largest(folder, 4)
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


def _kill_when_all_is_sent(folder: Folder, process: subprocess.Popen[str], shard: str) -> None:
    """SIGKILL, with every task known and some of them at work."""
    path = shard_checkpoint(folder.previews, shard)
    keys = [job.key for job in matrix.jobs(load(folder.recipe).recipe)]
    wanted = sum(map(read_shard(shard).owns, keys))
    deadline = time.monotonic() + 30
    known = 0
    while known < wanted and time.monotonic() < deadline:
        with CheckpointReader.open_readonly(path) as reader:
            known = sum(bool(s.attempt and s.attempt.task_id) for s in reader.records())
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    assert known == wanted


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(3))
def test_killed_at_any_moment_nothing_is_paid_for_twice(
    folder: Folder, call: Call, seed: int
) -> None:
    """Three shards in one folder, each killed twice at a random moment, and run to their end."""
    folder.edit("seed: 7", "seed: [7, 8, 9]")
    folder.edit("submit_rate: 100", "submit_rate: 20, max_uncertain: 99")
    rng = Random(seed)
    arguments = [("run", folder.recipe, "--sandbox", "--shard", f"{n}/3") for n in (1, 2, 3)]
    for _ in range(2):
        processes = [start(*each) for each in arguments]
        time.sleep(rng.uniform(0.3, 2.5))
        for process in processes:
            process.kill()
            process.communicate(timeout=10)
    for each in arguments:
        assert call(*each).code in (ExitCode.DONE, ExitCode.UNCERTAIN)
    assert call("merge", folder.recipe, "--sandbox").code == ExitCode.DONE
    lines = rows(folder.previews / "tiny.manifest.csv")
    statuses = [line["status"] for line in lines]
    uncertain = statuses.count("uncertain")
    assert statuses.count("done") + uncertain == 12
    assert len(fingerprints(folder)) == len(set(fingerprints(folder)))
    ids = {json.loads(line)["id"] for line in folder.ledger()}
    assert len(ids - {line["task_id"] for line in lines}) <= uncertain
    assert call("verify", folder.recipe, "--sandbox").code == ExitCode.DONE


def test_each_shard_has_its_own_lines(folder: Folder, call: Call) -> None:
    """Together they are the recipe's; each is told how to be joined."""
    for ended in split(folder, call, "--sandbox"):
        assert ended.code == ExitCode.DONE
        assert f"`spark-batch merge {folder.recipe} --sandbox` joins the shards" in ended.err
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
    assert ended.err.startswith(f"spark-batch: {value!r} is not a shard: write I/N")
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
    assert f"merge them first with `spark-batch merge {folder.recipe} --sandbox`" in ended.err
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
    assert "would be about 0.12 USD" in call("status", folder.recipe, "--sandbox").out


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
    assert settled.out.endswith(f"now `spark-batch rescue {folder.recipe} --shard {shard}`\n")
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
        assert "its share of max_cost" in ended.err
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
    assert f"`spark-batch run {folder.recipe} --sandbox --limit 1`" in ended.err
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
        (job, *_) = [row["job"] for row in rows(shard_manifest(folder, each[1]))]
        assert "done" in call("why", folder.recipe, job, "--sandbox", *each).out
    ended = call("status", folder.recipe, "--sandbox")
    assert (ended.code, "there are shards" in ended.err) == (ExitCode.WRONG, True)
    call("merge", folder.recipe, "--sandbox")
    split(folder, call, "--sandbox", count=2)
    assert "2 shards not merged" in call("status", folder.recipe, "--sandbox").err


def test_the_page_of_a_shard_offers_the_picks_file_of_the_whole_recipe(
    folder: Folder, call: Call
) -> None:
    """A verdict is about a job, wherever it was made."""
    assert call("run", folder.recipe, "--sandbox", "--shard", "1/2").code == ExitCode.DONE
    (page,) = folder.previews.glob("tiny.shard-1-of-2.html")
    assert '"file":"tiny.picks.csv"' in page.read_text(encoding="utf-8")
