"""A table of 100 000 rows planned through the real command, against reading it as CSV.

One of prompts for one picture, and one of products with a hundred pictures in turn.
"""

from __future__ import annotations

import csv
import tempfile
import time
from pathlib import Path

from PIL import Image

from tests.benchmarks.planning import planned

ROWS = 100_000
PICTURES = 100


def main() -> None:
    """Print seconds and the ratio, for a table of prompts and for one of products."""
    prompts = "".join(f"photo-0.jpg,Make it number {n}\n" for n in range(ROWS))
    measure("prompts", f"image,prompt\n{prompts}", "")
    products = "".join(
        f"photo-{n % PICTURES}.jpg,SKU-{n},wall {n % 977},Headline {n}\n" for n in range(ROWS)
    )
    measure(
        "products",
        f"image,sku,background,headline\n{products}",
        "prompts: ['Write ${headline} on a ${background}']\noutput: {name: '${sku}-${prompt}'}\n",
    )


def measure(name: str, table: str, recipe: str) -> None:
    """Plan a table with the rest of its recipe."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for n in range(PICTURES):
            Image.new("RGB", (600, 450), (200, 120, n)).save(folder / f"photo-{n}.jpg")
        (folder / "rows.csv").write_text(table)
        path = folder / "recipe.yaml"
        path.write_text(f"version: 1\nname: {name}\nrows: rows.csv\nprice: 0.03\n{recipe}")
        start = time.process_time()
        with (folder / "rows.csv").open(newline="") as file:
            count = sum(1 for _ in csv.reader(file)) - 1
        reading = time.process_time() - start
        found = planned(path)
    print(
        f"{count} rows of {name}: planned in {found.seconds:.1f} s of processor time with"
        f" {found.megabytes} MB at most, ratio {found.seconds / reading:.0f}"
    )


if __name__ == "__main__":
    main()
