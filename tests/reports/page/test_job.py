"""One job in a real browser: before and after, every fact, every attempt, its neighbours."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Locator, expect

from spark_batch import project
from spark_batch.checkpoint import Checkpoint
from spark_batch.jobs import JobRecord, Size, Status
from spark_batch.project import RecipeLayout
from tests.makers import MODELS, a_job
from tests.reports.page import showcase
from tests.reports.page.conftest import Open, Opened


def one(layout: RecipeLayout, status: Status, *, suspect: bool = False) -> JobRecord:
    """The first job of a status."""
    with project.open_readonly(layout) as reader:
        found = [each for each in reader.records() if each.status is status]
    return next(each for each in found if bool(each.attempt and each.attempt.suspect) == suspect)


def open_job(open_page: Open, file: Path, output: str) -> Opened:
    """The page with the view of a job."""
    opened = open_page(file, f"#job={output}")
    expect(opened.page.locator("#job")).to_be_visible()
    return opened


def unfold(opened: Opened) -> None:
    """Open what is folded under "Technical"."""
    opened.page.locator("#technical").click()


def fact(opened: Opened, name: str) -> str:
    """What stands for a name in the facts."""
    term = opened.page.locator("#job dt").get_by_text(name, exact=True)
    return term.locator("xpath=following-sibling::dd[1]").inner_text()


def clip(opened: Opened) -> str:
    """How the picture before is cut."""
    before: Locator = opened.page.locator("#job .cut")
    found: str = before.evaluate("each => getComputedStyle(each).clipPath")
    return found


def test_the_slider_moves_by_keys(open_page: Open, file: Path, layout: RecipeLayout) -> None:
    """It is a range input: arrows, home and end, with its value in words."""
    opened = open_job(open_page, file, one(layout, Status.DONE).output)
    slider = opened.page.get_by_role("slider")
    assert clip(opened) == "inset(0px 50% 0px 0px)"
    slider.focus()
    opened.page.keyboard.press("ArrowLeft")
    assert clip(opened) == "inset(0px 52% 0px 0px)"
    expect(slider).to_have_attribute("aria-valuetext", "48 % before")
    opened.page.keyboard.press("End")
    assert clip(opened) == "inset(0px 0% 0px 0px)"
    expect(opened.page.locator("#job")).to_be_visible()


def test_the_slider_moves_by_pointer(open_page: Open, file: Path, layout: RecipeLayout) -> None:
    """A press moves it there, and it follows."""
    opened = open_job(open_page, file, one(layout, Status.DONE).output)
    box = opened.page.locator("#slider").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    opened.page.mouse.move(box["x"] + box["width"] / 2, middle)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + box["width"] * 0.25, middle, steps=4)
    opened.page.mouse.up()
    shown = float(opened.page.locator("#slider").input_value())
    assert 20 <= shown <= 30
    assert clip(opened) == f"inset(0px {100 - shown:g}% 0px 0px)"


def test_the_pictures_themselves_are_shown(
    open_page: Open, file: Path, layout: RecipeLayout
) -> None:
    """Not the thumbnails: both files are read from disk by relative links, and are whole."""
    record = one(layout, Status.DONE)
    opened = open_job(open_page, file, record.output)
    for name, end in (("after", str(record.file)), ("before", str(record.image))):
        image = opened.page.locator(f"#job img.{name}")
        expect(image).to_have_js_property("complete", True)
        expect(image).to_have_attribute("src", re.compile("^file:"))
        assert str(image.evaluate("each => each.src")).endswith(end)
        expect(image).to_have_js_property("naturalWidth", 512 if name == "after" else 360)


def test_every_fact_is_there(open_page: Open, file: Path, layout: RecipeLayout) -> None:
    """Request, sizes, money, times, task id, key, and a link to the file."""
    record = one(layout, Status.DONE)
    attempt = record.attempt
    assert attempt is not None and attempt.picture is not None and attempt.task_id is not None
    opened = open_job(open_page, file, record.output)
    expect(opened.page.locator("#job dt", has_text="SHA-256")).to_be_hidden()
    unfold(opened)
    assert opened.page.locator("#job .prompt").inner_text() == record.request.prompt
    assert fact(opened, "key") == record.key
    assert fact(opened, "cost") == "0.03 USD"
    assert fact(opened, "task") == attempt.task_id
    assert fact(opened, "SHA-256") == attempt.picture.sha256
    assert fact(opened, "asked") == fact(opened, "actual") == "512 × 512"  # noqa: RUF001
    assert fact(opened, "recipe line") == record.source
    assert fact(opened, "took").endswith(" s")
    link = opened.page.locator("#job dd a", has_text=str(record.file))
    assert link.get_attribute("href") == record.file


def test_a_job_of_a_model_without_size_and_seed_is_shown(open_page: Open, tmp_path: Path) -> None:
    """A model may have neither: nobody knows then what size its picture will have."""
    layout = RecipeLayout("bare", tmp_path, MODELS)
    bare = a_job()._replace(size=Size("none", None, None), scale=None, seed=None)
    with Checkpoint.open(layout.checkpoint) as checkpoint:
        checkpoint.sync_jobs([bare])
    opened = open_page(showcase.write_page(layout, None))
    expect(opened.tiles()).to_have_count(1)
    opened.tiles().first.click()
    expect(opened.page.locator("#job .blank")).to_have_text("pending")
    expect(opened.page.locator("#job dt", has_text="prompt")).to_have_count(1)
    for name in ("size", "scale", "seed", "asked", "expected", "actual"):
        expect(opened.page.locator("#job dt").get_by_text(name, exact=True)).to_have_count(0)


def test_every_attempt_has_its_history(open_page: Open, file: Path, layout: RecipeLayout) -> None:
    """A job that failed once and was made then: both attempts, with what the vendor said."""
    with project.open_readonly(layout) as reader:
        record = next(s for s in reader.records() if s.attempts == 2 and s.status is Status.DONE)
    opened = open_job(open_page, file, record.output)
    unfold(opened)
    attempts = opened.page.locator("#job .attempts > li")
    assert [each.split("\n")[0] for each in attempts.all_inner_texts()] == [
        "Attempt 1",
        "Attempt 2",
    ]
    expect(attempts.nth(0).locator(".history")).to_contain_text("003003095")
    expect(attempts.nth(1).locator(".history b").last).to_have_text("done")


def test_what_needs_a_look_says_why_and_what_to_do(
    open_page: Open, file: Path, layout: RecipeLayout
) -> None:
    """Failed, uncertain, lost and suspect jobs stand first on the page and in their own view."""
    opened = open_page(file)
    reasons = opened.page.locator("#trouble .reason")
    marks = [text.split("\n")[0] for text in reasons.all_inner_texts()]
    assert marks == ["2 failed", "1 failed", "1 uncertain", "1 expired", "1 flagged"]
    expect(reasons.nth(0)).to_contain_text("003003002 · Invalid prompt length")
    expect(reasons.nth(0)).to_contain_text("Shorten the prompt")
    expect(reasons.nth(2)).to_contain_text("spark-batch resolve")
    expect(reasons.nth(4)).to_contain_text("it is all black")
    for status, words in (
        (Status.UNCERTAIN, "It may be paid for"),
        (Status.EXPIRED, "the API no longer has the picture"),
    ):
        opened.page.goto(f"{file.as_uri()}#job={one(layout, status).output}")
        expect(opened.page.locator("#job .notice")).to_contain_text(words)


def test_a_reason_leads_to_its_jobs(open_page: Open, file: Path) -> None:
    """Its tiles open them, and its button leaves only them in the grid."""
    opened = open_page(file)
    first = opened.page.locator("#trouble .reason").first
    first.locator(".tile").nth(1).click()
    expect(opened.page.locator("#job .place")).to_have_text("2 of 2")
    opened.page.keyboard.press("Escape")
    first.get_by_role("button", name="show in grid").click()
    assert opened.tiles().count() == 2


def test_left_and_right_go_to_the_neighbours(open_page: Open, file: Path) -> None:
    """In the order of the grid as it stands, not round the corner; escape closes."""
    opened = open_page(file, "#rows=size&columns=input")
    names = opened.names()
    opened.tiles().nth(0).click()
    title = opened.page.locator("#job-title")
    expect(title).to_have_text(names[0])
    expect(opened.page.get_by_role("button", name="Previous job")).to_be_disabled()
    opened.page.keyboard.press("ArrowLeft")
    expect(title).to_have_text(names[0])
    opened.page.keyboard.press("ArrowRight")
    opened.page.keyboard.press("ArrowRight")
    expect(title).to_have_text(names[2])
    opened.page.get_by_role("button", name="Previous job").click()
    expect(title).to_have_text(names[1])
    job = re.escape(names[1].replace("/", "%2F"))
    expect(opened.page).to_have_url(re.compile(f"job={job}"))
    opened.page.keyboard.press("Escape")
    expect(opened.page.locator("#job")).to_be_hidden()
    expect(opened.page).not_to_have_url(re.compile("job="))
    focused = opened.page.evaluate("document.activeElement.dataset.job")
    assert focused == names[1]


def test_slash_leaves_the_job_for_the_search(
    open_page: Open, file: Path, layout: RecipeLayout
) -> None:
    """One key from anywhere."""
    opened = open_job(open_page, file, one(layout, Status.DONE).output)
    opened.page.keyboard.press("/")
    expect(opened.page.locator("#job")).to_be_hidden()
    assert opened.focused() == "search"


def test_the_key_can_be_copied(open_page: Open, file: Path, layout: RecipeLayout) -> None:
    """A button beside it, and a word for those who do not see that it worked."""
    record = one(layout, Status.DONE)
    opened = open_job(open_page, file, record.output)
    unfold(opened)
    opened.page.get_by_role("button", name="Copy the key").click()
    expect(opened.page.locator("#told")).to_have_text("key copied")


def test_a_job_without_a_picture_shows_what_was_sent(
    open_page: Open, file: Path, layout: RecipeLayout
) -> None:
    """A failed one has its input, its reason, and no slider."""
    opened = open_job(open_page, file, one(layout, Status.FAILED).output)
    expect(opened.page.locator("#job .compare .before")).to_be_visible()
    expect(opened.page.locator("#job .compare .blank")).to_contain_text("failed")
    expect(opened.page.get_by_role("slider")).to_have_count(0)


def test_a_picture_that_is_missing_is_said_to_be(open_page: Open, tmp_path: Path) -> None:
    """Its thumbnail, drawn as large, looks like a blurred result."""
    layout = showcase.make_run(tmp_path)
    opened = open_page(showcase.write_page(layout, tmp_path))
    tile = opened.page.locator("#grid .tile.is-done").nth(2)
    (picture,) = layout.output_dir.glob(f"{tile.get_attribute('data-job')}.*")
    picture.unlink()
    tile.press("Enter")
    expect(opened.page.locator("#job .missing")).to_have_text(
        "only its thumbnail: the picture is missing"
    )
    opened.page.keyboard.press("Escape")
    opened.complaints.clear()  # of the browser, about the file
