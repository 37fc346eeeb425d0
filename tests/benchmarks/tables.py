"""A table of 100 000 rows planned through the real command, against reading it as CSV."""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

ROWS = 100_000


def main() -> None:
    """Print seconds and the ratio, for a table of prompts and for one of products."""
    prompts = "".join(f"photo.jpg,Make it number {n}\n" for n in range(ROWS))
    measure("prompts", f"image,prompt\n{prompts}", "")
    products = "".join(f"photo.jpg,SKU-{n},wall {n % 977},Headline {n}\n" for n in range(ROWS))
    measure(
        "products",
        f"image,sku,background,headline\n{products}",
        "prompts: ['Write ${headline} on a ${background}']\noutput: {name: '${sku}-${prompt}'}\n",
    )


def measure(name: str, table: str, recipe: str) -> None:
    """Plan a table with the rest of its recipe."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        Image.new("RGB", (2000, 1500), (200, 120, 40)).save(folder / "photo.jpg")
        (folder / "rows.csv").write_text(table)
        path = folder / "recipe.yaml"
        path.write_text(f"version: 1\nname: {name}\nrows: rows.csv\nprice: 0.03\n{recipe}")
        start = time.perf_counter()
        with (folder / "rows.csv").open(newline="") as file:
            count = sum(1 for _ in csv.reader(file)) - 1
        reading = time.perf_counter() - start
        start = time.perf_counter()
        command = [sys.executable, "-m", "spark_batch", "plan", str(path)]
        subprocess.run(command, check=True, capture_output=True)
        planning = time.perf_counter() - start
        ratio = planning / reading
        print(f"{count} rows of {name}: planned in {planning:.1f} s, ratio {ratio:.0f}")


if __name__ == "__main__":
    main()
