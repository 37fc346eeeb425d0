"""Planning a million jobs through the real command, against making their keys alone."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from spark_batch import pictures, recipe
from spark_batch.jobs import matrix

JOBS = 1_000_000


def write_recipe(folder: Path, jobs: int) -> Path:
    """A recipe of one photo, a hundred prompts, ten scales and as many seeds as it takes."""
    Image.new("RGB", (96, 64), (200, 120, 40)).save(folder / "photo.jpg")
    prompts = ", ".join(f"Change the colour of item {n}" for n in range(100))
    seeds = ", ".join(str(n) for n in range(1, jobs // 1000 + 1))
    scales = ", ".join(f"0.{n}" for n in range(10))
    path = folder / "recipe.yaml"
    path.write_text(
        f"version: 1\nname: big\ninputs: [photo.jpg]\nprompts: [{prompts}]\n"
        f"variants: {{scale: [{scales}], seed: [{seeds}]}}\nprice: 0.03\n"
    )
    return path


def main() -> None:
    """Print seconds, peak memory and the ratio."""
    with tempfile.TemporaryDirectory() as name:
        path = write_recipe(Path(name), JOBS)
        loaded = recipe.load(path, probe=pictures.probe).recipe
        start = time.perf_counter()
        count = sum(1 for _ in matrix.jobs(loaded))
        keys = time.perf_counter() - start
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "spark_batch", "plan", str(path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        lines = process.stdout.read().decode().splitlines()
        _, _, usage = os.wait4(process.pid, 0)
        planned = time.perf_counter() - start
    print(lines[-3])
    print(
        f"planning: {count} jobs in {planned:.1f} s with {usage.ru_maxrss / 1024:.0f} MB at most;"
        f" their keys alone {keys:.1f} s, ratio {planned / keys:.1f}"
    )


if __name__ == "__main__":
    main()
