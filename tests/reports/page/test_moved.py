"""Pictures that replace others, in a real browser: changed most first, before beside after."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import expect

from spark_batch.checkpoint import Checkpoint
from spark_batch.jobs import Job, Prompt
from spark_batch.pictures import accept
from spark_batch.project import RecipeLayout
from tests.makers import MODELS, a_job, a_result
from tests.reports.page import showcase
from tests.reports.page.conftest import Open, Opened

COLOURS = {"cat/a": (60, 70, 80), "cat/b": (255, 250, 90), "cat/c": (90, 70, 80)}


@pytest.fixture
def replaced(tmp_path: Path) -> RecipeLayout:
    """Three grey pictures that others replaced, of another prompt or attempt; and a new one."""
    layout = RecipeLayout("moved", tmp_path, MODELS)
    jobs = [a_job(name, prompt=f"Make {name}") for name in COLOURS]
    again = [job._replace(key=job.key[::-1], prompt=_prompt(job)) for job in jobs[:2]]
    with Checkpoint.open(layout.checkpoint) as checkpoint:
        checkpoint.sync_jobs(jobs)
        for job in jobs:
            make(checkpoint, layout, job, (50, 60, 70), number=1)
        checkpoint.sync_jobs([*again, jobs[2], a_job("cat/d", prompt="new")])
        for job in again:
            make(checkpoint, layout, job, COLOURS[job.output], number=1)
        make(checkpoint, layout, jobs[2], COLOURS["cat/c"], number=2)
        make(checkpoint, layout, a_job("cat/d", prompt="new"), (9, 9, 9), number=1)
    return layout


def _prompt(job: Job) -> Prompt:
    return replace(job.prompt, text=f"{job.prompt.text} at night")


def make(
    checkpoint: Checkpoint,
    layout: RecipeLayout,
    job: Job,
    colour: tuple[int, int, int],
    *,
    number: int,
) -> None:
    """Make a picture of one colour; what stands in its place is kept."""
    path = layout.output_dir / f"{job.output}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        kept = layout.kept_picture(accept(path).sha256, ".png")
        kept.parent.mkdir(parents=True, exist_ok=True)
        path.rename(kept)
    Image.new("RGB", (240, 240), colour).save(path, pnginfo=_named(f"{job.key} {number}"))
    attempt = checkpoint.begin_attempt(job.key, number=number, reserved=None, api="sandbox")
    checkpoint.submitted(attempt, f"task-{job.key}-{number}")
    checkpoint.fetching(attempt, a_result())
    checkpoint.done(attempt, accept(path), {job.output: f"{job.output}.png"})


def _named(text: str) -> PngInfo:
    """No two pictures have the same bytes."""
    info = PngInfo()
    info.add_text("Comment", text)
    return info


def outputs(opened: Opened) -> list[str]:
    found: list[str] = opened.page.locator("#moved .move").evaluate_all(
        "all => all.map(each => each.dataset.job)"
    )
    return found


def test_what_changed_most_comes_first(open_page: Open, replaced: RecipeLayout) -> None:
    """Each with its distance and what the request changed; a first picture is not among them."""
    opened = open_page(showcase.write_page(replaced, None))
    assert outputs(opened) == ["cat/b", "cat/c", "cat/a"]
    expect(opened.page.locator("#moved h2")).to_have_text("3 replaced pictures, changed most first")
    words = opened.page.locator("#moved .move b").all_inner_texts()
    assert words == sorted(words, reverse=True)
    assert all(text.startswith("moved 0.") for text in words)
    said = opened.page.locator("#moved .words").all_inner_texts()
    assert [text.rpartition(" · ")[2] for text in said] == [
        "another prompt",
        "the same request, made again",
        "another prompt",
    ]
    expect(opened.page.locator("#moved .move img")).to_have_count(6)


def test_a_click_shows_both_and_the_arrows_go_on_to_the_next_pair(
    open_page: Open, replaced: RecipeLayout
) -> None:
    """The reviewer goes through all of them, in that order, and comes back to the same tile."""
    opened = open_page(showcase.write_page(replaced, None))
    opened.page.locator('#moved .move[data-job="cat/b"]').click()
    which = opened.page.locator("#job .which").nth(1)
    expect(which).to_contain_text("Earlier: another prompt")
    expect(which).to_contain_text("; moved 0.")
    expect(opened.page.locator("#pane-2 .said")).to_have_text("Make cat/b")
    for name in ("cat/c", "cat/a"):
        opened.page.keyboard.press("ArrowRight")
        expect(opened.page.locator("#pane-1")).to_have_attribute("data-job", name)
        expect(opened.page.locator("#pane-2 img")).to_have_count(1)
    expect(opened.page.locator("#job .place")).to_have_text("3 of 3")


def test_a_replaced_picture_that_is_not_kept_is_said(
    open_page: Open, replaced: RecipeLayout
) -> None:
    """It is counted, and named at its job; the others are compared."""
    next(replaced.kept.iterdir()).unlink()
    opened = open_page(showcase.write_page(replaced, None))
    left = outputs(opened)
    assert len(left) == 2
    expect(opened.page.locator("#moved .next")).to_have_text(
        "1 replaced picture is no longer kept."
    )
    (gone,) = {*COLOURS} - {*left}
    opened = open_page(replaced.report(".html"), f"#job={gone}")
    opened.page.locator("#technical").click()
    expect(opened.page.locator("#job .panel")).to_contain_text("is no longer kept")


def test_a_link_in_the_place_of_a_kept_picture_is_not_followed(
    open_page: Open, replaced: RecipeLayout, tmp_path: Path
) -> None:
    """A stranger's branch may have brought it; it shows nothing from elsewhere."""
    for kept in list(replaced.kept.iterdir()):
        outside = kept.rename(tmp_path / kept.name)
        kept.symlink_to(outside)
    opened = open_page(showcase.write_page(replaced, None))
    assert outputs(opened) == []
    expect(opened.page.locator("#moved .next")).to_have_text(
        "3 replaced pictures are no longer kept."
    )


def test_many_are_shown_when_asked_for(open_page: Open, tmp_path: Path) -> None:
    """Six at first; the button adds the rest."""
    layout = RecipeLayout("moved", tmp_path, MODELS)
    jobs = [a_job(f"cat/{n}", prompt=f"Make {n}") for n in range(9)]
    with Checkpoint.open(layout.checkpoint) as checkpoint:
        checkpoint.sync_jobs(jobs)
        for number in (1, 2):
            for n, job in enumerate(jobs):
                make(checkpoint, layout, job, (n * 20, n * number, 60), number=number)
    opened = open_page(showcase.write_page(layout, None))
    assert len(outputs(opened)) == 6
    opened.page.get_by_role("button", name="3 more").click()
    assert len(outputs(opened)) == 9


def test_without_a_replaced_picture_there_is_nothing(open_page: Open, file: Path) -> None:
    """The page of a first run is as it was."""
    expect(open_page(file).page.locator("#moved")).to_be_hidden()


def test_texts_of_a_prompt_are_no_markup(open_page: Open, tmp_path: Path) -> None:
    """What stands beside a picture is a text, and is cleaned by nobody else."""
    layout = RecipeLayout("moved", tmp_path, MODELS)
    hostile = "<img src=x onerror=alert(1)></script>"
    before, now = a_job("cat/a", prompt=hostile), a_job("cat/a", prompt=f"{hostile}!")
    with Checkpoint.open(layout.checkpoint) as checkpoint:
        for job, colour in ((before, (1, 2, 3)), (now, (200, 2, 3))):
            checkpoint.sync_jobs([job])
            make(checkpoint, layout, job, colour, number=1)
    opened = open_page(showcase.write_page(layout, None), "#job=cat/a&with=~0")
    expect(opened.page.locator("#pane-2 .said")).to_have_text(hostile)
