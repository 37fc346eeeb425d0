"""A million jobs over two models planned through the real command, against as many over one."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.benchmarks.planning import planned, write_recipe

JOBS = 1_000_000
OTHER = "volces_jimeng_i2i_3_0"  # it has a scale and a seed as the default model has
PICTURE = "https://a.example/photo.jpg"  # that both take


def main() -> None:
    """Print processor seconds, peak memory and the ratio."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one = planned(write_recipe(folder, JOBS, picture=PICTURE))
        both = f"model: [spark_i2i_3_0, {OTHER}]\n"
        two = planned(write_recipe(folder, JOBS // 2, picture=PICTURE, model=both))
    print(
        f"{JOBS} jobs over two models: {two.seconds:.1f} s of processor time and"
        f" {two.megabytes} MB; over one {one.seconds:.1f} s and {one.megabytes} MB, ratio"
        f" {two.seconds / one.seconds:.2f}"
    )


if __name__ == "__main__":
    main()
