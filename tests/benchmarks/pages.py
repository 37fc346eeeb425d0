"""A page of 2 000 jobs written, cold and with warm thumbnails, against decoding its pictures."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from spark_batch.pictures import accept
from tests.reports.page import showcase

JOBS = 2000
SIDES = (1328, 1328)
SAMPLE = 100


def seconds(work: Callable[[], object]) -> float:
    """How long a piece of work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Print the page's size, seconds and ratios."""
    with tempfile.TemporaryDirectory() as name:
        place = showcase.many(Path(name) / "out", JOBS, sides=SIDES)
        pictures = sorted((place.output_dir / "cat").glob("*.jpg"))
        sample = pictures[:SAMPLE]
        decoding = seconds(lambda: [accept(each) for each in sample]) * JOBS / SAMPLE
        cold = seconds(lambda: showcase.write_page(place, None))
        warm = seconds(lambda: showcase.write_page(place, None))
        page = place.output_dir / f"{place.name}.html"
        thumbs = page.stat().st_size / JOBS / 1000
        print(
            f"{JOBS} jobs: {page.stat().st_size / 1e6:.1f} MB, {thumbs:.1f} kB a job;"
            f" cold {cold:.1f} s, ratio {cold / decoding:.2f}; warm {warm:.2f} s, ratio"
            f" {warm / decoding:.3f}; decoding alone {decoding:.1f} s"
        )


if __name__ == "__main__":
    main()
