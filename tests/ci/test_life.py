"""A recipe's whole life in CI: planned, made by four machines of which one is killed, merged."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from spark_batch import project
from spark_batch.checkpoint import CheckpointReader
from spark_batch.sandbox import Served
from tests.ci.cloud import Cloud, git
from tests.ci.conftest import RECIPE, ROOT, commit, printed, results, started, steps_with_key
from tests.ci.runner import Ran

WORKFLOW = ROOT / ".github" / "workflows" / "pictures.yml"
KILL_SECONDS = 60


pytestmark = [pytest.mark.proof, pytest.mark.usefixtures("installed")]


def killer(cloud: Cloud, shard: int) -> Callable[..., None]:
    """Kills one shard's run, with all of its processes, once it has a task that is paid for."""

    def watch(job: str, place: Any, step: str, process: subprocess.Popen[str]) -> None:
        if (job, place, step) != ("make", shard, "run"):
            return
        state = cloud.folder / "machines" / f"{cloud.runs}-make-{shard}-{cloud.attempt}" / "work"
        deadline = time.monotonic() + KILL_SECONDS
        while not _has_task(state) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)

    return watch


def _has_task(workspace: Path) -> bool:
    for path in workspace.rglob("*.checkpoint"):
        with CheckpointReader.open_readonly(path) as checkpoint:
            if any(attempt.task_id for attempt in checkpoint.open_attempts()):
                return True
    return False


def manifest(path: Path) -> list[dict[str, str]]:
    """The manifest's lines without times and without what the API calls a task."""
    mine = {"task_id", "remote_job_id", "submitted_at", "completed_at", "seconds"}
    with path.open(encoding="utf-8", newline="") as file:
        return [{k: v for k, v in row.items() if k not in mine} for row in csv.DictReader(file)]


def masked(path: Path) -> str:
    """A report without what differs from run to run: times, durations, the ids of tasks."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?", "TIME", text)
    # A task that was rescued has been taken up by a second process.
    text = text.replace(',["TIME","taken up",null]', "")
    text = re.sub(r'(time=|"seconds": ?|"took": ?)"?[\d.]+"?', r"\1SECONDS", text)
    return re.sub(r"(sandbox|remote|job)-[0-9a-f]{16,}", "ID", text)


def look_at_the_pictures(cloud: Cloud, merge: Ran, sha: str, desk: Path) -> None:
    """The summary links a contact sheet, and its commands show all full pictures in a clone."""
    said = merge.step("where to look").summary
    assert f"[Contact sheet]({merge.outputs['sheet']})" in said
    run, _, sheet = merge.outputs["sheet"].partition("/runs/")[2].partition("/artifacts/")
    assert sheet == "poster.sheet.png"
    with Image.open(cloud.artifacts / run / sheet) as picture:
        assert picture.format == "PNG"
    assert f"    gh run download {run} --name pictures --dir out\n" in said
    assert "    spark-batch review poster.yaml --open\n" in said
    git("clone", "--quiet", cloud.repository.as_uri(), desk, cwd=cloud.folder)
    git("checkout", "--quiet", sha, cwd=desk)
    shutil.copytree(cloud.artifacts / run / "pictures", desk / "out")
    with project.review(project.load(desk / "poster.yaml").recipe, sandbox=False) as served:
        page = requests.get(served.url, timeout=30).text
        facts = re.search(r'id="facts">(.*?)</script>', page, re.DOTALL)
        assert facts
        for job in json.loads(facts[1])["jobs"]:
            shown = requests.get(served.url + job["link"], timeout=30).content
            assert shown == (desk / "out" / "poster" / job["file"]).read_bytes()


def test_a_whole_life(cloud: Cloud, served: Served, tmp_path: Path) -> None:
    """Plan comment, four shards, one killed and rescued, merged; the same as from one machine."""
    before = commit(cloud, {"poster.yaml": RECIPE.replace("  - Make it snow\n", "")})
    first = started(cloud, WORKFLOW, before, pull_request=False)
    assert results(first)["merge"] == ["success"], printed(first)
    assert len(served.ledger.accepted()) == 8
    assert steps_with_key(first) == {"run", "rescue"}

    change = commit(cloud, {"poster.yaml": RECIPE}, branch="snow")
    proposed = started(cloud, WORKFLOW, change, pull_request=True)
    assert results(proposed) == {
        "books": ["success"],
        "plan": ["success"],
        "base": ["skipped"],
        "make": ["skipped"],
        "merge": ["skipped"],
    }, printed(proposed)
    assert steps_with_key(proposed) == set()
    # A second push finds the comment of the first, and writes over it.
    started(cloud, WORKFLOW, change, pull_request=True)
    (comment,) = json.loads((cloud.folder / "comments.json").read_text())
    assert "4 new, 0 changed, 8 kept" in comment["body"]
    assert "expected 0.12 USD, 0.24 USD already paid" in comment["body"]
    assert proposed["plan"][0].step("plan").summary == comment["body"]
    assert len(served.ledger.accepted()) == 8

    git("checkout", "--quiet", "main", cwd=cloud.repository)
    git("merge", "--quiet", "--no-edit", "snow", cwd=cloud.repository)
    merged = git("rev-parse", "HEAD", cwd=cloud.repository)
    shard = a_shard_with_work(cloud, 4)
    cloud.watch = killer(cloud, shard)
    killed = started(cloud, WORKFLOW, merged, pull_request=False)
    cloud.watch = None
    assert results(killed)["make"].count("failure") == 1, printed(killed)
    victim = killed["make"][shard - 1]
    assert victim.step("run").code == -signal.SIGKILL
    assert "1 job rescued" in victim.step("rescue").out
    assert results(killed)["merge"] == ["success"], printed(killed)

    again = started(cloud, WORKFLOW, merged, pull_request=False)
    assert set(results(again)["make"]) == {"success"}, printed(again)
    outputs = again["merge"][0].outputs
    assert {name: outputs[name] for name in ("jobs", "done", "failed", "uncertain", "cost")} == {
        "jobs": "12",
        "done": "12",
        "failed": "0",
        "uncertain": "0",
        "cost": "0.36",
    }
    requests = [entry.fingerprint for entry in served.ledger.accepted()]
    assert len(requests) == len(set(requests)) == 12

    look_at_the_pictures(cloud, again["merge"][0], merged, tmp_path / "desk")
    workspace = again["merge"][0].workspace
    assert workspace is not None
    compare(workspace / "out" / "poster", one_machine(cloud, served, merged, tmp_path))
    everything = [path.read_bytes() for path in cloud.folder.rglob("*") if path.is_file()]
    assert not any(b"sk-canary-9f2b" in content for content in everything)
    assert "sk-canary-9f2b" not in printed(first) + printed(killed) + printed(again)


def test_failed_jobs_that_are_run_again_pay_for_nothing_twice(cloud: Cloud, served: Served) -> None:
    """Alone they send nothing; with all others they know what the first attempt paid for."""
    cloud.inputs = {**cloud.inputs, "shards": 2}
    sha = commit(cloud, {"poster.yaml": RECIPE})
    shard = a_shard_with_work(cloud, 2)
    cloud.watch = killer(cloud, shard)
    killed = started(cloud, WORKFLOW, sha, pull_request=False)
    cloud.watch = None
    assert results(killed)["make"].count("failure") == 1, printed(killed)
    paid = len(served.ledger.accepted())
    assert 0 < paid < 12
    alone = started(cloud, WORKFLOW, sha, pull_request=False, before=killed)
    assert '::error::Use "Re-run all jobs".' in printed(alone)
    assert results(alone)["make"].count("failure") == 1
    assert (results(alone)["merge"], len(served.ledger.accepted())) == (["failure"], paid)
    again = started(cloud, WORKFLOW, sha, pull_request=False, before=alone, all_jobs=True)
    assert results(again)["make"] == ["success"] * 2, printed(again)
    requests = [entry.fingerprint for entry in served.ledger.accepted()]
    assert len(requests) == len(set(requests)) == 12
    last = started(cloud, WORKFLOW, sha, pull_request=False)
    assert last["merge"][0].outputs["done"] == "12", printed(last)
    assert len(served.ledger.accepted()) == 12


def test_an_older_run_that_is_run_again_knows_what_a_later_one_paid_for(
    cloud: Cloud, served: Served
) -> None:
    """The artifacts of its killed shard are older than what the later run kept."""
    cloud.inputs = {**cloud.inputs, "shards": 2}
    sha = commit(cloud, {"poster.yaml": RECIPE.replace("  - Make it snow\n", "")})
    started(cloud, WORKFLOW, sha, pull_request=False)
    sha = commit(cloud, {"poster.yaml": RECIPE})
    cloud.watch = killer(cloud, a_shard_with_work(cloud, 2))
    older = started(cloud, WORKFLOW, sha, pull_request=False)
    cloud.watch = None
    assert results(older)["make"].count("failure") == 1, printed(older)
    assert len(served.ledger.accepted()) < 12
    started(cloud, WORKFLOW, sha, pull_request=False)
    assert len(served.ledger.accepted()) == 12
    cloud.runs = 2
    again = started(cloud, WORKFLOW, sha, pull_request=False, before=older, all_jobs=True)
    assert results(again)["make"] == ["success"] * 2, printed(again)
    assert len(served.ledger.accepted()) == 12, printed(again)


def test_what_lost_machines_paid_for_is_known(cloud: Cloud, served: Served) -> None:
    """Without the merge, and then without the cache: the next run pays for nothing again."""
    cloud.inputs = {**cloud.inputs, "shards": 2}
    cloud.lost = frozenset({"merge"})
    sha = commit(cloud, {"poster.yaml": RECIPE})
    first = started(cloud, WORKFLOW, sha, pull_request=False)
    assert results(first)["make"] == ["success"] * 2, printed(first)
    assert results(first)["merge"] == ["failure"]
    assert (len(served.ledger.accepted()), list(cloud.caches.iterdir())) == (12, [])

    cloud.lost = frozenset()
    second = started(cloud, WORKFLOW, sha, pull_request=False)
    assert results(second)["merge"] == ["success"], printed(second)
    assert second["merge"][0].outputs["done"] == "12"
    shutil.rmtree(next(cloud.caches.iterdir()))
    third = started(cloud, WORKFLOW, sha, pull_request=False)
    assert results(third)["merge"] == ["success"], printed(third)
    assert third["merge"][0].outputs["done"] == "12"
    assert len(served.ledger.accepted()) == 12


@pytest.mark.parametrize("kind", ["reusable", "starter"])
def test_what_a_person_paid_for_and_committed_is_known(
    cloud: Cloud, served: Served, kind: str
) -> None:
    """Manifest and pictures come with the push; the artifact is older, and laid over them."""
    cloud.environment = {**cloud.environment, "SPARK_BASE_URL": served.url}
    cloud.inputs = {**cloud.inputs, "recipe": "recipe.yaml", "shards": 2}
    workflow = WORKFLOW
    if kind == "starter":
        workflow = cloud.folder / "workflow.yml"
        text = (ROOT / "spark_batch" / "starter" / "pictures.yml").read_text()
        placeholder = "git+https://git.example.com/spark-batch@COMMIT"
        workflow.write_text(text.replace(placeholder, cloud.inputs["install"]))
    ignored = {".gitignore": ".spark-batch/\n"}
    sha = commit(cloud, {"recipe.yaml": RECIPE.replace("[7, 8]", "7"), **ignored})
    started(cloud, workflow, sha, pull_request=False)
    assert len(served.ledger.accepted()) == 6
    shutil.copytree(cloud.artifacts / "1" / "pictures", cloud.repository / "out")
    (cloud.repository / "recipe.yaml").write_text(RECIPE)
    key = {"SPARK_API_KEY": cloud.secrets["SPARK_API_KEY"], "SPARK_BASE_URL": served.url}
    subprocess.run(
        [cloud.python / "spark-batch", "run", "recipe.yaml", "--only", "scale=0.4"],
        cwd=cloud.repository,
        env={"PATH": os.environ["PATH"], **key},
        check=True,
    )
    assert len(served.ledger.accepted()) == 9
    change = commit(cloud, {}, branch="winter")
    planned = started(cloud, workflow, change, pull_request=True)
    assert "expected 0.09 USD" in planned["plan"][0].step("plan").summary, printed(planned)
    made = started(cloud, workflow, change, pull_request=False)
    assert set(results(made)["make"]) == {"success"}, printed(made)
    requests = [entry.fingerprint for entry in served.ledger.accepted()]
    assert len(requests) == len(set(requests)) == 12, printed(made)


def one_machine(cloud: Cloud, served: Served, sha: str, folder: Path) -> Path:
    """The output folder of an unsharded run, on a machine that knows of nothing before."""
    place = folder / "alone"
    git("clone", "--quiet", str(cloud.repository), str(place), cwd=folder)
    git("checkout", "--quiet", sha, cwd=place)
    environment = {
        "PATH": f"{cloud.python}:/usr/bin:/bin",
        "SPARK_API_KEY": cloud.secrets["SPARK_API_KEY"],
        "SPARK_BASE_URL": served.url,
    }
    command = ["spark-batch", "run", "poster.yaml"]
    subprocess.run(command, cwd=place, env=environment, check=True, capture_output=True)
    return place / "out" / "poster"


def compare(sharded: Path, alone: Path) -> None:
    """Manifest, page, JUnit XML and summary are the same but for times and tasks' ids."""
    name = "poster.manifest.csv"
    rows = manifest(sharded / name)
    assert rows == manifest(alone / name)
    assert [row["status"] for row in rows] == ["done"] * 12
    for row in rows:
        assert (sharded / row["output"]).read_bytes() == (alone / row["output"]).read_bytes()
    for name in ("poster.junit.xml", "poster.md", "poster.json", "poster.html"):
        assert masked(sharded / name) == masked(alone / name), name


def a_shard_with_work(cloud: Cloud, count: int) -> int:
    """A shard that has a new job to make: which one it is follows from the keys."""
    environment = {"PATH": f"{cloud.python}:/usr/bin:/bin"}
    for shard in range(1, count + 1):
        command = ["spark-batch", "plan", "poster.yaml", "--json", "--shard", f"{shard}/{count}"]
        told = subprocess.run(
            command, cwd=cloud.repository, env=environment, check=True, capture_output=True
        )
        jobs = json.loads(told.stdout)["jobs"]
        if any("snow" in job["output"] for job in jobs):
            return shard
    raise AssertionError("no shard has a job")
