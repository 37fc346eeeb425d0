"""Many tasks in flight: 2 000 against 20, through the real command.

The sandbox stands in a process of its own; each task takes four to six seconds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

JOBS = 2000
FEW = 20


def run(folder: Path, url: str, *, jobs: int, concurrency: int) -> tuple[float, int]:
    """Seconds and peak memory in MB of a run of so many jobs."""
    seeds = ", ".join(str(n) for n in range(1, jobs + 1))
    path = folder / f"recipe{jobs}.yaml"
    path.write_text(
        f"version: 1\nname: flights{jobs}\ninputs: [photo.jpg]\nprompts: [Beach]\n"
        f"variants: {{size: 512x512, seed: [{seeds}]}}\n"
        f"run: {{concurrency: {concurrency}, submit_rate: 1000}}\nprice: 0.03\n"
    )
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "spark_batch", "run", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "SPARK_BASE_URL": url, "SPARK_API_KEY": "k"},
    )
    assert process.stdout is not None
    text = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, text
    return time.perf_counter() - start, usage.ru_maxrss // 1024


def main() -> None:
    """Print both and the ratio of jobs a second."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Image.new("RGB", (96, 64), (200, 120, 40)).save(folder / "photo.jpg")
        server = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "spark_batch",
                "sandbox",
                "--task-seconds",
                "4:6",
                f"--dir={folder}",
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert server.stdout is not None
            url = server.stdout.readline().split()[2]
            few, few_memory = run(folder, url, jobs=FEW * 5, concurrency=FEW)
            many, many_memory = run(folder, url, jobs=JOBS, concurrency=JOBS)
        finally:
            server.terminate()
            server.wait()
    ratio = (JOBS / many) / (FEW * 5 / few)
    print(
        f"flights: {JOBS} jobs, {JOBS} in flight: {many:.1f} s, {many_memory} MB;"
        f" {FEW * 5} jobs, {FEW} in flight: {few:.1f} s, {few_memory} MB;"
        f" ratio of jobs a second {ratio:.1f}"
    )


if __name__ == "__main__":
    main()
