"""Planning a million jobs through the real command, against making their keys alone."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from spark_batch import pictures, recipe
from spark_batch.jobs import matrix

JOBS = 1_000_000


def write_recipe(folder: Path, jobs: int, *, picture: str = "photo.jpg", model: str = "") -> Path:
    """A recipe of one picture, a hundred prompts, ten scales and as many seeds as it takes.

    `jobs` are those of one model; `model` is the recipe's line of models, empty for the default.
    """
    Image.new("RGB", (96, 64), (200, 120, 40)).save(folder / "photo.jpg")
    prompts = ", ".join(f"Change the colour of item {n}" for n in range(100))
    seeds = ", ".join(str(n) for n in range(1, jobs // 1000 + 1))
    scales = ", ".join(f"0.{n}" for n in range(10))
    path = folder / "recipe.yaml"
    path.write_text(
        f"version: 1\nname: big\n{model}inputs: ['{picture}']\nprompts: [{prompts}]\n"
        f"variants: {{scale: [{scales}], seed: [{seeds}]}}\nprice: 0.03\n"
    )
    return path


class Planned(NamedTuple):
    """What `spark-batch plan` printed, its processor time, and its peak memory."""

    lines: list[str]
    seconds: float
    megabytes: int


def planned(recipe: Path) -> Planned:
    """Plan a recipe in a process of its own.

    Processor time, since a shared machine makes a process wait.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "spark_batch", "plan", str(recipe)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    lines = process.stdout.read().decode().splitlines()
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, lines
    return Planned(lines, usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024)


def main() -> None:
    """Print seconds, peak memory and the ratio."""
    with tempfile.TemporaryDirectory() as name:
        path = write_recipe(Path(name), JOBS)
        loaded = recipe.load(path, probe=pictures.probe).recipe
        start = time.process_time()
        count = sum(1 for _ in matrix.jobs(loaded))
        keys = time.process_time() - start
        found = planned(path)
    print(found.lines[-3])
    print(
        f"planning: {count} jobs in {found.seconds:.1f} s of processor time with"
        f" {found.megabytes} MB at most; their keys alone {keys:.1f} s,"
        f" ratio {found.seconds / keys:.1f}"
    )


if __name__ == "__main__":
    main()
