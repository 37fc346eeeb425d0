"""What `--help` costs, against Python's own start."""

from __future__ import annotations

import subprocess
import sys
import time


def seconds(*arguments: str) -> float:
    """The shortest of ten."""
    best = float("inf")
    for _ in range(10):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
        best = min(best, time.perf_counter() - start)
    return best


def main() -> None:
    """Print both and their difference."""
    bare, whole = seconds("-c", "pass"), seconds("-m", "spark_batch", "--help")
    print(
        f"starting: --help {whole * 1000:.0f} ms, python alone {bare * 1000:.0f} ms,"
        f" ratio {whole / bare:.1f}"
    )


if __name__ == "__main__":
    main()
