"""The page as `review` serves it, in a real browser: verdicts are stored, news comes in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from spark_batch import project
from spark_batch.jobs.picks import PICKS_SUFFIX, Verdict, read_picks
from tests.runs import run

RECIPE = """\
version: 1
name: tiny
inputs: [photo.jpg]
prompts: [Beach, Snow]
variants: {scale: [0.4, 0.7], size: 512x512, seed: 7}
price: 0.03
run: {submit_rate: 100}
"""
LONG = 30_000  # milliseconds; the page asks for news every three seconds


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe of which two of four previews are made."""
    Image.new("RGB", (96, 64), (200, 120, 40)).save(tmp_path / "photo.jpg", "JPEG")
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    run(project.load(path).recipe, project.RunOptions(sandbox=True, limit=2))
    return path


@pytest.fixture
def page(browser: Browser, recipe: Path) -> Iterator[Page]:
    """The page in the browser; what it complains about, or asks another host for, is a fault."""
    complaints: list[str] = []
    requests: list[str] = []
    with project.review(project.load(recipe).recipe, sandbox=True) as served:
        context = browser.new_context()
        page = context.new_page()
        page.set_default_timeout(LONG)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(served.url)
        yield page
        context.close()
        assert complaints == []
        assert [url for url in requests if not url.startswith((served.url, "data:"))] == []


def picks(recipe: Path) -> dict[str, str]:
    return {pick.output: pick.verdict.value for pick in read_picks(picks_file(recipe))}


def picks_file(recipe: Path) -> Path:
    return recipe.parent / f"tiny{PICKS_SUFFIX}"


def judge(page: Page, number: int, key: str) -> str:
    tile = page.locator("#grid .tile").nth(number)
    tile.focus()
    page.keyboard.press(key)
    return tile.get_attribute("data-job") or ""


def test_a_verdict_is_stored_and_undone(page: Page, recipe: Path) -> None:
    """The line beneath the title says that it is saved, and where."""
    first, second = judge(page, 0, "p"), judge(page, 1, "x")
    expect(page.locator("#picks")).to_contain_text(f"Saved in tiny{PICKS_SUFFIX}", timeout=LONG)
    expect(page.locator("#picks .unsaved")).to_have_count(0, timeout=LONG)
    assert picks(recipe) == {first: "pick", second: "reject"}
    page.keyboard.press("z")
    expect(page.locator("#picks")).to_contain_text("0 rejected")
    expect(page.locator("#picks")).to_contain_text("Saved in", timeout=LONG)
    assert picks(recipe) == {first: "pick"}
    page.reload()
    expect(page.locator("#picks")).to_contain_text("1 picked · 0 rejected", timeout=LONG)


def test_a_verdict_of_somebody_else_comes_in(page: Page, recipe: Path) -> None:
    """Also when it is on the job that the reader judges at that moment; the tile shows it."""
    first = judge(page, 0, "p")
    expect(page.locator("#picks")).to_contain_text("Saved in", timeout=LONG)
    text = picks_file(recipe).read_text()
    assert first in text
    picks_file(recipe).write_text(text.replace(",pick,", ",reject,too dark"))
    expect(page.locator("#grid .tile").first).to_have_attribute("data-verdict", "reject")
    expect(page.locator("#picks")).to_contain_text("0 picked · 1 rejected")
    expect(page.locator("#picks")).not_to_contain_text("Not connected")
    (pick,) = read_picks(picks_file(recipe))
    assert (pick.verdict, pick.note) == (Verdict.REJECT, "too dark")


def test_verdicts_can_be_set_once_a_merge_conflict_is_mended(page: Page, recipe: Path) -> None:
    """Until then the page says what is wrong; then it comes anew by itself."""
    picks_file(recipe).write_text("job,output,verdict,note\n<<<<<<< HEAD\n")
    page.reload()
    expect(page.locator("#picks")).to_contain_text("a merge conflict of git")
    picks_file(recipe).write_text("job,output,verdict,note\n")
    expect(page.locator("#picks")).to_contain_text("0 picked · 0 rejected")
    first = judge(page, 0, "p")
    expect(page.locator("#picks")).to_contain_text("Saved in")
    assert picks(recipe) == {first: "pick"}


def test_new_pictures_come_in(page: Page, recipe: Path) -> None:
    """By themselves, when the reader does nothing."""
    expect(page.locator("#grid .tile.is-done")).to_have_count(2, timeout=LONG)
    run(project.load(recipe).recipe, project.RunOptions(sandbox=True))
    expect(page.locator("#grid .tile.is-done")).to_have_count(4, timeout=LONG)


def test_the_full_picture_is_shown(page: Page) -> None:
    page.locator("#grid .tile").first.click()
    picture = page.locator("#job img.after")
    expect(picture).to_have_attribute("src", re.compile("/files/"))
    expect(picture).to_have_js_property("naturalWidth", 512)
