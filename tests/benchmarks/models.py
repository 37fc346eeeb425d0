"""A million jobs over two models planned through the real command, against as many over one."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.benchmarks.planning import planned

JOBS = 1_000_000
OTHER = "volces_jimeng_i2i_3_0"  # it has a scale and a seed as the default model has


def write_recipe(folder: Path, models: str, jobs: int) -> Path:
    """A recipe of one picture by URL, a hundred prompts, ten scales and as many seeds as needed."""
    prompts = ", ".join(f"Change the colour of item {n}" for n in range(100))
    seeds = ", ".join(str(n) for n in range(1, jobs // 1000 + 1))
    scales = ", ".join(f"0.{n}" for n in range(10))
    path = folder / "recipe.yaml"
    path.write_text(
        f"version: 1\nname: big\nmodel: {models}\ninputs: ['https://a.example/photo.jpg']\n"
        f"prompts: [{prompts}]\nvariants: {{scale: [{scales}], seed: [{seeds}]}}\nprice: 0.03\n"
    )
    return path


def main() -> None:
    """Print processor seconds, peak memory and the ratio."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one = planned(write_recipe(folder, "spark_i2i_3_0", JOBS))
        two = planned(write_recipe(folder, f"[spark_i2i_3_0, {OTHER}]", JOBS // 2))
    print(
        f"{JOBS} jobs over two models: {two.seconds:.1f} s of processor time and"
        f" {two.megabytes} MB; over one {one.seconds:.1f} s and {one.megabytes} MB, ratio"
        f" {two.seconds / one.seconds:.2f}"
    )


if __name__ == "__main__":
    main()
