"""What it costs to fit a picture of 24 megapixels: deciding and making, against Pillow alone."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from PIL import Image

from spark_batch.jobs import Fit
from tests.makers import fitted, probe

ROUNDS = 5
SIZE = (6000, 4000)


def seconds(call: Callable[[], object]) -> float:
    """The shortest of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def main() -> None:
    """Print what a plan and a run spend on a TIFF, and what `convert` and `save` alone do."""
    with tempfile.TemporaryDirectory() as folder:
        path, plain = Path(folder) / "scan.tif", Path(folder) / "plain.jpg"
        coarse = Image.frombytes("RGB", (750, 500), Random(1).randbytes(750 * 500 * 3))
        coarse.resize(SIZE, Image.Resampling.BICUBIC).save(path)
        fit = Fit(ratio="pad", background="#ffffff", format="auto")
        picture = probe(path, fit)

        def alone() -> None:
            with Image.open(path) as image:
                image.convert("RGB").save(plain, quality=95, subsampling=0)

        planned = seconds(lambda: probe(path, fit))
        made, simple = seconds(lambda: fitted(path, picture)), seconds(alone)
    print(
        f"fitting: {SIZE[0]}x{SIZE[1]} TIFF, planned {planned:.2f} s, made {made:.2f} s,"
        f" convert and save alone {simple:.2f} s, ratios {planned / simple:.1f}"
        f" and {made / simple:.1f}"
    )


if __name__ == "__main__":
    main()
