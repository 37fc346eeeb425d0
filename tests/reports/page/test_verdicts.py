"""Verdicts in a real browser: by keys and buttons, kept in the browser, downloaded as a file."""

from __future__ import annotations

import json
import re
from pathlib import Path

from playwright.sync_api import expect

from spark_batch.checkpoint import Checkpoint
from spark_batch.jobs.picks import Verdict, read_picks
from spark_batch.project import RecipeLayout
from tests.makers import MODELS, a_job
from tests.reports.page import showcase
from tests.reports.page.conftest import Open, Opened, wait_until_drawn


def facts(opened: Opened) -> list[dict[str, str]]:
    """The jobs as the page has them."""
    jobs: list[dict[str, str]] = json.loads(opened.page.locator("#facts").inner_text())["jobs"]
    return jobs


def download(opened: Opened, folder: Path) -> Path:
    """The picks file that the page offers, as the browser saves it."""
    with opened.page.expect_download() as waiting:
        opened.page.keyboard.press("s")
    saved = folder / waiting.value.suggested_filename
    waiting.value.save_as(saved)
    return saved


def press(opened: Opened, *keys: str) -> None:
    """Press keys one after the other."""
    for key in keys:
        opened.page.keyboard.press(key)


def test_five_are_picked_and_three_rejected_by_keys_alone(
    open_page: Open, file: Path, tmp_path: Path, layout: RecipeLayout
) -> None:
    """The picks module reads the downloaded file, with exactly these verdicts."""
    opened = open_page(file)
    names = opened.names()[:8]
    opened.tiles().first.focus()
    press(opened, *"p p p p p x x x".replace(" ", " ArrowRight ").split())
    expect(opened.page.locator("#picks")).to_contain_text("5 picked · 3 rejected")
    expect(opened.page.locator("#picks")).to_contain_text("8 verdicts not saved yet")
    saved = download(opened, tmp_path)
    assert saved.name == f"{layout.name}.picks.csv"
    picks = read_picks(saved)
    assert {pick.output for pick in picks if pick.verdict is Verdict.PICK} == set(names[:5])
    assert {pick.output for pick in picks if pick.verdict is Verdict.REJECT} == set(names[5:])
    expect(opened.page.locator("#picks")).not_to_contain_text("not saved")


def test_verdicts_stay_in_the_browser(open_page: Open, file: Path) -> None:
    """A page that is loaded anew has them, and still says that they are not saved."""
    opened = open_page(file)
    opened.tiles().first.focus()
    press(opened, "x")
    expect(opened.tiles().first).to_have_attribute("data-verdict", "reject")
    opened.page.reload()
    expect(opened.tiles().first).to_have_attribute("data-verdict", "reject")
    expect(opened.page.locator("#picks")).to_contain_text("1 verdict not saved yet")


def test_a_note_that_is_being_written_outlives_a_reload(open_page: Open, file: Path) -> None:
    opened = open_page(file)
    opened.tiles().first.press("Enter")
    press(opened, "p")
    opened.page.locator("#verdict-note").press_sequentially("six fingers")
    opened.page.reload()
    expect(opened.page.locator("#verdict-note")).to_have_value("six fingers")


def test_a_browser_that_keeps_nothing_asks_before_verdicts_are_lost(
    open_page: Open, file: Path
) -> None:
    """Until they are downloaded; where it keeps them there is nothing to ask."""
    opened = open_page(file)
    asked: list[str] = []
    opened.page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    opened.tiles().first.press("p")
    opened.page.reload()
    wait_until_drawn(opened.page)
    assert asked == []
    opened.page.add_init_script("Storage.prototype.setItem = () => { throw new Error('full'); };")
    opened.page.reload()
    wait_until_drawn(opened.page)
    opened.tiles().first.press("x")
    expect(opened.page.locator("#picks")).to_contain_text("this browser does not keep them")
    opened.page.reload()
    assert asked == ["beforeunload"]


def test_enter_ends_a_note_and_the_next_keys_are_no_letters_of_it(
    open_page: Open, file: Path
) -> None:
    opened = open_page(file)
    first, second, *_ = opened.names()
    opened.tiles().first.press("Enter")
    press(opened, "x")
    opened.page.locator("#verdict-note").press_sequentially("six fingers")
    press(opened, "Enter", "ArrowRight", "p")
    expect(opened.page.locator("#job-title")).to_have_text(second)
    expect(opened.page.locator("#verdict-pick")).to_have_attribute("aria-pressed", "true")
    press(opened, "ArrowLeft")
    expect(opened.page.locator("#job-title")).to_have_text(first)
    expect(opened.page.locator("#verdict-note")).to_have_value("six fingers")


def test_storage_is_opened_only_after_the_browser_knows_the_page(
    open_page: Open, file: Path
) -> None:
    """Chromium gives a page that comes first a storage that keeps nothing."""
    opened = open_page(file)
    opened.page.add_init_script("""
        const { persisted } = StorageManager.prototype, { getItem } = Storage.prototype;
        window.asked = [];
        StorageManager.prototype.persisted = async function () {
            const answer = await persisted.call(this);
            window.asked.push("persisted");
            return answer;
        };
        Storage.prototype.getItem = function (name) {
            window.asked.push(name);
            return getItem.call(this, name);
        };
    """)
    opened.page.reload()
    wait_until_drawn(opened.page)
    asked = opened.page.evaluate("window.asked")
    assert asked[0] == "persisted"
    assert len(asked) == 3


def test_a_browser_that_answers_no_question_about_storage_shows_the_page(
    open_page: Open, file: Path
) -> None:
    """Some refuse it to pages from disk, older ones lack it, and none may keep the page empty."""
    opened = open_page(file)
    tiles = opened.tiles().count()
    for unusual in (
        "StorageManager.prototype.persisted = () => Promise.reject(new TypeError('no'));",
        "StorageManager.prototype.persisted = () => new Promise(() => {});",
        "Object.defineProperty(navigator, 'storage', { value: undefined });",
    ):
        opened.page.add_init_script(unusual)
        opened.page.reload()
        expect(opened.tiles()).to_have_count(tiles)


def test_a_click_on_a_button_ends_a_note_and_counts(open_page: Open, file: Path) -> None:
    """The note is stored when its field loses the focus, which is before the click arrives."""
    opened = open_page(file)
    opened.tiles().first.press("p")
    opened.tiles().first.press("Enter")
    opened.page.locator("#verdict-note").press_sequentially("hand wrong")
    opened.page.locator("#verdict-reject").click()
    expect(opened.page.locator("#verdict-reject")).to_have_attribute("aria-pressed", "true")
    expect(opened.page.locator("#verdict-note")).to_have_value("hand wrong")
    expect(opened.page.locator("#picks")).to_contain_text("0 picked · 1 rejected")


def test_two_tabs_of_one_page_keep_the_verdicts_of_both(open_page: Open, file: Path) -> None:
    """A tab takes over what another one sets, and so does not store its own in its stead."""
    opened = open_page(file)
    with opened.page.context.expect_page() as waiting:
        opened.page.evaluate("open(location.href)")
    other = Opened(waiting.value)
    expect(other.tiles()).to_have_count(opened.tiles().count())
    other.tiles().first.press("p")
    expect(opened.tiles().first).to_have_attribute("data-verdict", "pick")
    opened.tiles().nth(1).press("x")
    expect(other.tiles().nth(1)).to_have_attribute("data-verdict", "reject")
    opened.page.reload()
    expect(opened.page.locator("#picks")).to_contain_text("1 picked · 1 rejected")


def test_a_tile_shows_its_verdict(open_page: Open, file: Path) -> None:
    """In the picture's corner, and in words for those who do not see it."""
    opened = open_page(file)
    for key, words in (("p", "picked"), ("x", "rejected")):
        opened.tiles().first.press(key)
        frame = opened.tiles().first.locator(".frame")
        assert words in frame.evaluate("one => getComputedStyle(one, '::before').content")
        expect(opened.tiles().first).to_have_attribute("aria-label", re.compile(f"{words}$"))


def test_the_view_of_a_job_has_buttons_a_note_and_undo(
    open_page: Open, file: Path, tmp_path: Path
) -> None:
    """A note with every special character of CSV comes through, one that is a formula as text."""
    opened = open_page(file)
    opened.tiles().first.press("Enter")
    opened.page.locator("#verdict-pick").click()
    expect(opened.page.locator("#verdict-pick")).to_have_attribute("aria-pressed", "true")
    note = '=SUM(1,2) "sky", pxu'
    opened.page.locator("#verdict-note").fill(note)
    opened.page.locator("#verdict-note").press("Enter")
    press(opened, "Tab", "x", "z", "Escape")
    saved = download(opened, tmp_path)
    [pick] = read_picks(saved)
    assert (pick.output, pick.verdict, pick.note) == (opened.names()[0], Verdict.PICK, note)
    assert "'=SUM" in saved.read_text()
    opened.tiles().first.focus()
    press(opened, "u")
    expect(opened.tiles().first).to_have_attribute("data-verdict", "")


def test_the_page_starts_from_the_picks_file_and_keeps_its_unknown_jobs(
    open_page: Open, tmp_path: Path
) -> None:
    """What is downloaded replaces the file, so it has the rows of jobs that the page lacks."""
    layout = showcase.make_run(tmp_path)
    picks = tmp_path / f"{layout.name}.picks.csv"
    picks.write_text("job,output,verdict,note\n0123456789abcdef,gone,reject,old\n")
    opened = open_page(showcase.write_page(layout, tmp_path))
    words = "0 picked · 0 rejected · 1 verdict on other jobs"
    expect(opened.page.locator("#picks")).to_contain_text(words)
    opened.tiles().first.focus()
    press(opened, "p")
    found = {
        (pick.output, pick.verdict.value, pick.note)
        for pick in read_picks(download(opened, tmp_path))
    }
    assert found == {("gone", "reject", "old"), (opened.names()[0], "pick", "")}


def test_a_newer_verdict_of_somebody_else_goes_before_one_that_was_downloaded(
    open_page: Open, tmp_path: Path
) -> None:
    """Two people's files met in git. What was not downloaded yet stays as the reader set it."""
    layout = showcase.make_run(tmp_path)
    opened = open_page(showcase.write_page(layout, tmp_path))
    first, second = opened.tiles().first, opened.tiles().nth(1)
    first.press("p")
    saved = download(opened, tmp_path / "browser")
    second.press("p")
    others = saved.read_text().replace(",pick,", ",reject,dark")
    (other,) = [job for job in facts(opened) if job["output"] == opened.names()[1]]
    others += f"{other['key']},{other['output']},reject,\n"
    (tmp_path / f"{layout.name}.picks.csv").write_text(others)
    showcase.write_page(layout, tmp_path)
    opened.page.reload()
    expect(first).to_have_attribute("data-verdict", "reject")
    expect(second).to_have_attribute("data-verdict", "pick")
    expect(opened.page.locator("#picks")).to_contain_text("1 verdict not saved yet")
    said = "Somebody else has judged 1 picture since, and the download has your verdicts instead"
    for _ in range(2):
        expect(opened.page.locator("#picks")).to_contain_text(
            f"{said} ({other['output']}: rejected)"
        )
        opened.page.reload()
    second.press("x")
    expect(opened.page.locator("#picks")).not_to_contain_text("Somebody else")


def test_only_the_picked_the_rejected_or_the_others_are_shown(open_page: Open, file: Path) -> None:
    """What is judged under such a filter stays until the next one; the address has the filter."""
    opened = open_page(file)
    names = opened.names()
    expect(opened.page.locator("#verdict-chips button")).to_have_count(0)
    opened.tiles().first.press("p")
    opened.tiles().nth(1).press("x")
    opened.page.locator("#chip-open").click()
    expect(opened.page.locator("#count")).to_have_text(f"{len(names) - 2} of {len(names)} jobs")
    opened.tiles().first.press("p")
    assert opened.names() == names[2:]
    opened.page.locator("#chip-open").click()
    opened.page.locator("#chip-pick").click()
    assert opened.names() == [names[0], names[2]]
    expect(opened.page.locator("#chip-pick")).to_have_text("picked 2")
    opened.page.reload()
    expect(opened.tiles()).to_have_count(2)
    assert opened.names() == [names[0], names[2]]


def test_chips_count_the_tiles_that_they_show(open_page: Open, tmp_path: Path) -> None:
    """Two lines of the recipe may be one job, with one verdict."""
    layout = RecipeLayout("twins", tmp_path / "out", MODELS)
    with Checkpoint.open(layout.checkpoint) as checkpoint:
        checkpoint.sync_jobs([a_job("a"), a_job("b"), a_job("c", prompt="Other")])
    opened = open_page(showcase.write_page(layout, None))
    opened.tiles().first.press("p")
    expect(opened.page.locator("#picks")).to_contain_text("1 picked · 0 rejected")
    expect(opened.page.locator("#chip-pick")).to_have_text("picked 2")
    expect(opened.page.locator("#chip-open")).to_have_text("no verdict 1")
    opened.page.locator("#chip-pick").click()
    expect(opened.tiles()).to_have_count(2)


def test_a_picks_file_with_an_error_is_not_replaced(open_page: Open, tmp_path: Path) -> None:
    """The page says what is wrong, and sets no verdicts."""
    layout = showcase.make_run(tmp_path)
    (tmp_path / f"{layout.name}.picks.csv").write_text("<<<<<<< HEAD\n")
    opened = open_page(showcase.write_page(layout, tmp_path))
    expect(opened.page.locator("#picks")).to_contain_text("merge conflict")
    opened.tiles().first.focus()
    press(opened, "p")
    expect(opened.tiles().first).to_have_attribute("data-verdict", "")
