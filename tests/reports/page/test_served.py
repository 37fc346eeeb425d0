"""The page as `review` serves it, in a real browser: verdicts are stored, news comes in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from spark_batch import project
from spark_batch.jobs.picks import LONGEST_NOTE, PICKS_SUFFIX, Verdict, read_picks
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
def served_page(browser: Browser, recipe: Path) -> Iterator[Page]:
    """The page in the browser."""
    with project.review(project.load(recipe).recipe, sandbox=True) as served:
        context = browser.new_context()
        page = context.new_page()
        page.set_default_timeout(LONG)
        page.goto(served.url)
        yield page
        context.close()


@pytest.fixture
def page(served_page: Page) -> Iterator[Page]:
    """The same; what it complains about, or asks another host for, is a fault."""
    complaints: list[str] = []
    requests: list[str] = []
    address = served_page.url
    served_page.on("pageerror", lambda error: complaints.append(str(error)))
    served_page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
    served_page.on("request", lambda request: requests.append(request.url))
    served_page.reload()
    yield served_page
    assert complaints == []
    assert [url for url in requests if not url.startswith((address, "data:"))] == []


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
    """By themselves, when the reader does nothing; the next key is for the tile in focus."""
    expect(page.locator("#grid .tile.is-done")).to_have_count(2, timeout=LONG)
    page.locator("#grid .tile").nth(1).focus()
    run(project.load(recipe).recipe, project.RunOptions(sandbox=True))
    expect(page.locator("#grid .tile.is-done")).to_have_count(4, timeout=LONG)
    page.keyboard.press("p")
    expect(page.locator("#grid .tile").nth(1)).to_have_attribute("data-verdict", "pick")


def test_the_full_picture_is_shown(page: Page) -> None:
    page.locator("#grid .tile").first.click()
    picture = page.locator("#job img.after")
    expect(picture).to_have_attribute("src", re.compile("/files/"))
    expect(picture).to_have_js_property("naturalWidth", 512)


def another_person_writes(recipe: Path, old: str, new: str) -> None:
    text = picks_file(recipe).read_text()
    assert old in text
    picks_file(recipe).write_text(text.replace(old, new))


def test_a_note_that_is_being_written_does_not_replace_another_persons(
    page: Page, recipe: Path
) -> None:
    """The letters stay in the field, and are said to be lost when it is left."""
    judge(page, 0, "p")
    expect(page.locator("#picks")).to_contain_text("Saved in", timeout=LONG)
    page.locator("#grid .tile").first.press("Enter")
    page.locator("#verdict-note").press_sequentially("nice, b")
    another_person_writes(recipe, ",pick,", ",reject,theirs")
    expect(page.locator("#grid .tile").first).to_have_attribute("data-verdict", "reject")
    page.keyboard.type("ut x u")
    expect(page.locator("#verdict-note")).to_have_value("nice, but x u")
    page.keyboard.press("Tab")
    for line in ("#picks", "#job-warning"):
        expect(page.locator(line)).to_contain_text("your note is not stored: nice, but x u")
    expect(page.locator("#verdict-note")).to_have_value("theirs")
    (pick,) = read_picks(picks_file(recipe))
    assert (pick.verdict, pick.note) == (Verdict.REJECT, "theirs")


def test_undo_leaves_another_persons_verdict(page: Page, recipe: Path) -> None:
    judge(page, 0, "p")
    expect(page.locator("#picks")).to_contain_text("Saved in", timeout=LONG)
    another_person_writes(recipe, ",pick,", ",reject,too dark")
    expect(page.locator("#picks")).to_contain_text("0 picked · 1 rejected", timeout=LONG)
    page.keyboard.press("z")
    expect(page.locator("#picks")).to_contain_text("Somebody else has judged 1 picture since")
    (pick,) = read_picks(picks_file(recipe))
    assert (pick.verdict, pick.note) == (Verdict.REJECT, "too dark")


def test_a_file_that_cannot_take_verdicts_says_why_and_they_can_be_downloaded(
    served_page: Page, recipe: Path, tmp_path: Path
) -> None:
    """The browser says of each refused request that it failed."""
    page = served_page
    judge(page, 0, "p")
    expect(page.locator("#picks")).to_contain_text("Saved in", timeout=LONG)
    text = picks_file(recipe).read_text()
    picks_file(recipe).write_text(
        "\n".join(f"{line},{cell}" for line, cell in zip(text.split(), ("who", "me"), strict=True))
    )
    second = judge(page, 1, "x")
    expect(page.locator("#picks")).to_contain_text("Not saved: ")
    expect(page.locator("#picks")).to_contain_text("the column 'who' would be lost")
    with page.expect_download() as waiting:
        page.keyboard.press("s")
    saved = tmp_path / "saved.csv"
    waiting.value.save_as(saved)
    assert second in {pick.output for pick in read_picks(saved)}
    expect(page.locator("#picks")).to_contain_text("1 verdict not saved yet")
    picks_file(recipe).write_text(text)
    expect(page.locator("#picks")).to_contain_text("Saved in", timeout=LONG)
    assert picks(recipe)[second] == "reject"


def test_a_review_that_has_ended_says_what_to_do(browser: Browser, recipe: Path) -> None:
    """Its page keeps the verdicts, which the new address lacks, and gives them away as a file."""
    context = browser.new_context()
    with project.review(project.load(recipe).recipe, sandbox=True) as served:
        page = context.new_page()
        page.goto(served.url)
        expect(page.locator("#grid .tile")).to_have_count(4)
    again = "start `spark-batch review` again and open its new address"
    expect(page.locator("#picks")).to_contain_text(f"): {again}", timeout=LONG)
    judge(page, 0, "p")
    first = "download the picks and put tiny.picks.csv beside the recipe first"
    expect(page.locator("#picks")).to_contain_text(f"{first}, then {again}", timeout=LONG)
    expect(page.locator("#picks-download")).to_be_visible()
    page.locator("#grid .tile").first.press("Enter")
    expect(page.locator("#job-warning")).to_contain_text(first)  # the view covers the other line
    context.close()


def test_a_page_with_a_selection_is_not_loaded_anew(page: Page, recipe: Path) -> None:
    """New pictures are offered by a button until then; the grid then stands where it stood."""
    page.set_viewport_size({"width": 500, "height": 260})
    page.locator("#grid .tile").first.click(modifiers=["Control"])
    expect(page.locator("#selection")).to_be_visible()
    page.locator("#stage").evaluate("stage => stage.scrollTo(0, 150)")
    run(project.load(recipe).recipe, project.RunOptions(sandbox=True))
    expect(page.locator("#show-new")).to_be_visible(timeout=LONG)
    page.wait_for_timeout(8_000)  # a page without a selection would be loaded anew by then
    expect(page.locator("#selection")).to_be_visible()
    page.locator("#show-new").evaluate("button => button.click()")
    expect(page.locator("#grid .tile.is-done")).to_have_count(4)
    expect(page.locator("#stage")).to_have_js_property("scrollTop", 150)


def test_a_note_is_kept_from_others_when_the_window_was_left(page: Page, recipe: Path) -> None:
    """Coming back gives the field the focus again, with the old text in it."""
    judge(page, 0, "p")
    expect(page.locator("#picks")).to_contain_text("Saved in", timeout=LONG)
    page.locator("#grid .tile").first.press("Enter")
    field = page.locator("#verdict-note")
    field.press_sequentially("nice, b")
    field.dispatch_event("change")
    field.dispatch_event("blur")
    expect(page.locator("#picks .unsaved")).to_have_count(0, timeout=LONG)
    another_person_writes(recipe, ',pick,"nice, b"', ",reject,theirs")
    expect(page.locator("#grid .tile").first).to_have_attribute("data-verdict", "reject")
    field.dispatch_event("focus")
    page.keyboard.type("ut")
    page.keyboard.press("Tab")
    expect(page.locator("#picks")).to_contain_text("your note is not stored: nice, but")
    (pick,) = read_picks(picks_file(recipe))
    assert (pick.verdict, pick.note) == (Verdict.REJECT, "theirs")


def test_a_note_in_the_servers_form_is_still_the_readers(page: Page, recipe: Path) -> None:
    """It has no control characters and no double spaces; the next words follow, and undo works."""
    judge(page, 0, "p")
    page.locator("#grid .tile").first.press("Enter")
    field = page.locator("#verdict-note")
    field.fill("Good.  But\x07 dark")
    field.press("Enter")
    expect(page.locator("#picks .unsaved")).to_have_count(0, timeout=LONG)
    field.press("End")  # Enter has left the field
    field.press_sequentially(" here")
    page.keyboard.press("Tab")
    expect(page.locator("#picks .unsaved")).to_have_count(0, timeout=LONG)
    (pick,) = read_picks(picks_file(recipe))
    assert pick.note == "Good. But\N{REPLACEMENT CHARACTER} dark here"
    page.locator("#picks-undo").evaluate("button => button.click()")
    expect(page.locator("#picks .unsaved")).to_have_count(0, timeout=LONG)
    (pick,) = read_picks(picks_file(recipe))
    assert pick.note == "Good. But\N{REPLACEMENT CHARACTER} dark"


def test_many_verdicts_are_sent_in_parts(served_page: Page, recipe: Path) -> None:
    """The server takes 4 MiB at once; nothing is answered by 413 for ever."""
    sent: list[int] = []
    served_page.on(
        "request",
        lambda request: (
            request.method == "POST"
            and sent.append(len(json.loads(request.post_data or "")["changes"]))
        ),
    )
    jobs = {f"{number:016x}": "ü" * LONGEST_NOTE for number in range(1200)}
    changes = [
        [job, {"output": "x", "verdict": "pick", "note": note}] for job, note in jobs.items()
    ]
    store = f"spark-batch.picks:{served_page.evaluate('location.pathname')}"
    text = json.dumps({"changes": changes, "downloaded": []}, ensure_ascii=False)
    served_page.evaluate("([store, text]) => localStorage.setItem(store, text)", [store, text])
    served_page.reload()
    expect(served_page.locator("#picks")).to_contain_text("no longer has", timeout=LONG)
    expect(served_page.locator("#picks")).to_contain_text("Saved in", timeout=LONG)
    assert (sum(sent), max(sent) < len(jobs)) == (len(jobs), True)
