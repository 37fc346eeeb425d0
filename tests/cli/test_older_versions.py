"""What the first version wrote is continued: its checkpoint, its manifest, its job ids.

`v010/` was made by that version: a run of five jobs against its sandbox, of which two are done, one
was refused (003003002), one is uncertain (its answer was cut off), and one was called lost (its URL
answered 403 three times).
"""

from __future__ import annotations

import csv
import json
import shutil
from io import StringIO
from pathlib import Path

import pytest

from spark_batch.errors import ExitCode
from tests.cli.conftest import Call

HERE = Path(__file__).parent / "v010"
STANDS = {
    "b19e72b5c8c93ef7": "keep",
    "e46189062b93e69b": "keep",
    "bb93e314fc5b4527": "failed",
    "28ddf514eee60e7d": "uncertain",
    "68c48d43f874e03b": "expired",
}


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A copy of the folder, which may be changed."""
    shutil.copytree(HERE, tmp_path / "project")
    return tmp_path / "project"


def without(folder: Path, part: str) -> None:
    """Remove the checkpoint or the manifest, as a fresh clone or an evicted cache does."""
    path = {
        "checkpoint": folder / "pictures/.spark-batch/tiny.checkpoint",
        "manifest": folder / "pictures/tiny.manifest.csv",
        "nothing": folder / "pictures/none",
    }[part]
    path.unlink(missing_ok=True)


def rows_of(manifest: Path) -> list[dict[str, str]]:
    """The rows of a manifest."""
    return list(csv.DictReader(StringIO(manifest.read_text(encoding="utf-8"))))


@pytest.mark.parametrize("part", ["nothing", "checkpoint", "manifest"])
def test_a_plan_pays_for_nothing_again(older: Path, call: Call, part: str) -> None:
    """Every job stands where that version left it, under the id that it had."""
    without(older, part)
    ended = call("plan", older / "recipe.yaml", "--json")
    assert ended.code == ExitCode.DONE
    jobs = {job["job"]: job["action"] for job in json.loads(ended.out)["jobs"]}
    assert jobs == STANDS


def test_the_manifest_of_a_checkpoint_that_was_continued_is_the_same(
    older: Path, call: Call
) -> None:
    """But for the word of the expired job, and for columns that are new."""
    manifest = older / "pictures/tiny.manifest.csv"
    before = rows_of(manifest)
    manifest.unlink()
    assert call("report", older / "recipe.yaml").code == ExitCode.DONE
    assert [row["status"] for row in before].count("lost") == 1
    for row in before:
        row["status"] = row["status"].replace("lost", "expired")
    now = [{name: row[name] for name in before[0]} for row in rows_of(manifest)]
    assert now == before


def test_a_rescue_forgets_no_job_that_the_manifest_alone_knows(older: Path, call: Call) -> None:
    """It cannot name those that are not finished; without their rows a clone would pay again."""
    without(older, "checkpoint")
    manifest = older / "pictures/tiny.manifest.csv"
    before = manifest.read_bytes()
    (older / ".env").write_text("SPARK_API_KEY=k\n")
    call("rescue", older / "recipe.yaml", "--env-file", older / ".env")
    assert manifest.read_bytes() == before
    without(older, "checkpoint")
    test_a_plan_pays_for_nothing_again(older, call, "nothing")
