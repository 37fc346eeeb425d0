"""The README's picture of the HTML page: `python -m tests.screenshots`.

Makes the showcase's run with the sample photos, opens its page in Chromium and writes
`recipes/page.jpg`: what needs a look and the grid, in light and in dark, and one job.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from tests.reports.page import showcase
from tests.reports.page.conftest import FLAGS, find_chromium

TARGET = Path(__file__).parents[1] / "recipes" / "page.jpg"
JOB = "#job=tulips%2Fwatercolor-1x1-scale0.4-seed7"
SIZE = (1240, 790)
QUALITY = 82
_GAP = 24
_GROUND = (228, 229, 226)


def picture(
    browser: Browser, file: Path, fragment: str, scheme: Literal["light", "dark"]
) -> Image.Image:
    """What the browser shows of a page."""
    viewport = {"width": SIZE[0], "height": SIZE[1]}
    context = browser.new_context(viewport=viewport, color_scheme=scheme)
    opened = context.new_page()
    opened.goto(file.as_uri() + fragment)
    opened.wait_for_load_state("networkidle")
    opened.wait_for_function("[...document.images].every(each => each.complete)")
    data = opened.screenshot()
    context.close()
    return Image.open(io.BytesIO(data)).convert("RGB")


def main() -> None:
    """Write the picture, the one view above the other."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        file = showcase.write_page(showcase.make_run(folder, small=False), folder)
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(FLAGS))
        views = [picture(browser, file, "", "light"), picture(browser, file, JOB, "dark")]
        browser.close()
    width, height = SIZE
    whole = Image.new("RGB", (width, len(views) * (height + _GAP) - _GAP), _GROUND)
    for number, view in enumerate(views):
        whole.paste(view, (0, number * (height + _GAP)))
    whole.save(TARGET, quality=QUALITY, optimize=True)
    print(f"{TARGET}: {TARGET.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
