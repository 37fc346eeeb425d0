"""The README's picture of the HTML page: `python -m tests.screenshots`.

Makes the showcase's run with the sample photos, opens its page in Chromium, gives some verdicts
and writes `recipes/page.jpg`: what needs a look and the grid, and one job before and after.
"""

from __future__ import annotations

import io
import re
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.reports.page import showcase
from tests.reports.page.conftest import FLAGS, find_chromium

TARGET = Path(__file__).parents[1] / "recipes" / "page.jpg"
JOB = "tulips/beach-16x9-scale0.4-seed7"
# The keys of verdicts by the number of a finished picture in the grid.
VERDICTS = {0: "p", 1: "x", 3: "x", 4: "p", 6: "p", 12: "p", 13: "x"}
SIZES = ((1240, 960), (1240, 660))
QUALITY = 78
_GAP = 24
_GROUND = (228, 229, 226)


def pictures(browser: Browser, file: Path) -> list[Image.Image]:
    """The page with its verdicts, and the view of a job, as the browser shows them."""
    context = browser.new_context(color_scheme="light")
    page = context.new_page()
    page.set_viewport_size({"width": SIZES[0][0], "height": SIZES[0][1]})
    page.goto(file.as_uri())
    done = page.locator("#grid .tile.is-done")
    for number, key in VERDICTS.items():
        done.nth(number).press(key)
    page.locator("#stage").evaluate("stage => stage.scrollTo(0, 0)")
    page.evaluate("document.activeElement.blur()")
    found = [_shot(page)]
    page.set_viewport_size({"width": SIZES[1][0], "height": SIZES[1][1]})
    page.locator(f'#grid .tile[data-job="{JOB}"]').press("Enter")
    # Until the whole picture has taken the place of its thumbnail.
    expect(page.locator("#job .after")).to_have_attribute("src", re.compile("^file:"))
    page.keyboard.press("p")
    page.evaluate("document.activeElement.blur()")
    found.append(_shot(page))
    context.close()
    return found


def _shot(page: Page) -> Image.Image:
    for image in page.locator("img:not([loading])").all():
        expect(image).to_have_js_property("complete", True)
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def main() -> None:
    """Write the picture, the one view above the other."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        file = showcase.write_page(showcase.make_run(folder, small=False), folder)
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(FLAGS))
        views = pictures(browser, file)
        browser.close()
    height = sum(view.height for view in views) + (len(views) - 1) * _GAP
    whole = Image.new("RGB", (views[0].width, height), _GROUND)
    top = 0
    for view in views:
        whole.paste(view, (0, top))
        top += view.height + _GAP
    whole.save(TARGET, quality=QUALITY, optimize=True)
    print(f"{TARGET}: {TARGET.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
