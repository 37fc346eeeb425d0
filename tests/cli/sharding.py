"""What the tests of shards and of merging share."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from PIL import Image

from spark_batch.jobs import matrix
from spark_batch.jobs.shard import Shard
from spark_batch.project import load
from tests.cli.conftest import RECIPE, Call, Ended, Folder

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


def shard_manifest(folder: Folder, shard: str) -> Path:
    """Where the manifest of a shard stands."""
    index, count = shard.split("/")
    return folder.previews / f"tiny.shard-{index}-of-{count}.manifest.csv"


def largest(folder: Folder, count: int) -> str:
    """The shard of so many with the most jobs."""
    keys = [job.key for job in matrix.jobs(load(folder.recipe).recipe)]
    shards = [Shard(index, count) for index in range(1, count + 1)]
    return str(max(shards, key=lambda shard: sum(map(shard.owns, keys))))
