"""Help, commands, a badge, a contact sheet and play money on the page, in a real browser."""

from __future__ import annotations

import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect

from spark_batch.checkpoint import Checkpoint
from spark_batch.jobs.checks import CheckResult
from spark_batch.project import RunOptions
from spark_batch.project.layout import layout_of
from tests.reports.page import showcase
from tests.reports.page.conftest import Open
from tests.runs import run


def test_the_question_mark_shows_the_keys(open_page: Open, file: Path) -> None:
    """In a dialog, also above the view of a job; keys do nothing below it."""
    opened = open_page(file)
    help_dialog = opened.page.get_by_role("dialog", name="Keys")
    opened.page.keyboard.press("?")
    expect(help_dialog).to_contain_text("Pick · reject · no verdict")
    opened.page.keyboard.press("Escape")
    expect(help_dialog).to_be_hidden()
    opened.tiles().first.press("Enter")
    opened.page.keyboard.press("?")
    expect(help_dialog).to_be_visible()
    opened.page.keyboard.press("p")
    expect(opened.tiles().first).to_have_attribute("data-verdict", "")
    opened.page.keyboard.press("Escape")
    expect(help_dialog).to_be_hidden()
    expect(opened.page.locator("#job")).to_be_visible()


def test_trouble_has_its_whole_command_to_copy(open_page: Open, file: Path) -> None:
    """With the recipe and the job, as it is typed in the recipe's folder."""
    opened = open_page(file)
    reasons = opened.page.locator("#trouble .reason")
    expect(reasons.nth(0).locator("code")).to_have_text("spark-batch run spring.yaml")
    uncertain = reasons.nth(2).locator("code")
    expect(uncertain).to_contain_text("spark-batch resolve spring.yaml ")
    expect(uncertain).to_contain_text(" --task-id ID")
    reasons.nth(2).get_by_role("button", name="Copy the command").click()
    expect(opened.page.locator("#told")).to_have_text("command copied")
    reasons.nth(2).locator(".tile").click()
    expect(opened.page.locator("#job .notice code")).to_have_text(str(uncertain.text_content()))


def test_pictures_that_fail_the_same_checks_stand_together(open_page: Open, tmp_path: Path) -> None:
    """Whatever the checks found in each of them; what fails another check stands beside."""
    layout = showcase.many(tmp_path, 4)
    reads = ["it reads 'Sale'", "it reads 'S a 1 e'", "no text can be read"]
    checks = [(CheckResult("text: Sale!", passed=False, reason=reason),) for reason in reads]
    checks.append((CheckResult("sharp", passed=False, reason="it is blurred"),))
    with Checkpoint.open(layout.checkpoint) as checkpoint:
        for record, found in zip(list(checkpoint.records()), checks, strict=True):
            assert record.attempt is not None
            checkpoint.checked(record.attempt.id, found)
    opened = open_page(showcase.write_page(layout, None))
    reasons = opened.page.locator("#trouble .reason")
    marks = [text.split("\n")[0] for text in reasons.all_inner_texts()]
    assert marks == ["3 flagged", "1 flagged"]
    expect(reasons.nth(0)).to_contain_text("text: Sale!: it reads 'Sale'")
    expect(reasons.nth(1)).to_contain_text("sharp: it is blurred")


def test_a_page_without_its_pictures_says_so(open_page: Open, file: Path, tmp_path: Path) -> None:
    """A page that was sent alone has thumbnails; beside its pictures it says nothing."""
    beside = open_page(file)
    expect(beside.tiles().first.locator("img")).to_have_js_property("complete", True)
    beside.page.wait_for_load_state("networkidle")
    expect(beside.page.locator("#beside")).to_have_count(0)
    opened = open_page(Path(shutil.copy(file, tmp_path)))
    expect(opened.page.locator("#beside")).to_have_text("thumbnails only")
    opened.complaints.clear()  # the browser's own, about the picture that is not there


def test_a_view_is_saved_as_a_contact_sheet(open_page: Open, file: Path, tmp_path: Path) -> None:
    """One PNG file with the pictures that are shown, or with the selected ones."""
    opened = open_page(file, "#axis.scale=0.8")
    with opened.page.expect_download() as waiting:
        opened.page.locator("#sheet").click()
    assert waiting.value.suggested_filename == "spring.sheet.png"
    waiting.value.save_as(tmp_path / "all.png")
    opened.tiles().nth(0).click(modifiers=["Control"])
    with opened.page.expect_download() as waiting:
        opened.page.locator("#selection-sheet").click()
    waiting.value.save_as(tmp_path / "one.png")
    with Image.open(tmp_path / "all.png") as whole, Image.open(tmp_path / "one.png") as one:
        assert whole.format == one.format == "PNG"
        assert whole.height > 3 * one.height
        colours = one.convert("RGB").getcolors(1 << 20)
        assert colours is not None and len(colours) > 1000  # a photo, and not an empty frame


def test_money_of_the_sandbox_is_play_money(open_page: Open, tmp_path: Path) -> None:
    """It is named so wherever it stands, and money opens by prompt."""
    recipe = showcase.recipe_in(tmp_path)
    layout = layout_of(recipe, sandbox=True)
    run(recipe, RunOptions(limit=4, sandbox=True))
    opened = open_page(showcase.write_page(layout, tmp_path))
    expect(opened.page.locator("#sums")).to_contain_text("nothing charged; would be about 0.12 USD")
    opened.page.locator("#view-money").click()
    assert opened.page.locator("#money-axis").input_value() == "prompt"
    expect(opened.page.locator(".figures")).to_contain_text("nothing charged")
    expect(opened.page.locator(".figures")).not_to_contain_text("spent")
    opened.page.locator("#view-pictures").click()
    opened.tiles().first.click()
    expect(opened.page.locator("#job .panel")).to_contain_text("of play money")


def test_tiles_grow_to_the_width_that_there_is(open_page: Open, file: Path) -> None:
    """On a wide screen they are larger, and none is cut off on any."""
    heights = []
    for width in (1280, 2560):
        opened = open_page(file, "#rows=input&columns=prompt&axis.scale=0.8", size=(width, 900))
        stage = opened.page.locator("#stage")
        assert stage.evaluate("one => one.scrollWidth <= one.clientWidth")
        measured = opened.tiles().first.locator(".frame").bounding_box()
        assert measured is not None
        heights.append(measured["height"])
    assert heights[0] == 132
    assert heights[1] > 182
