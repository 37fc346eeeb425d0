"""Pictures in Git LFS that are not fetched: the page says what they are, and links to none."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from spark_batch.checkpoint import Checkpoint
from spark_batch.pictures import accept
from spark_batch.project import RecipeLayout
from tests.makers import MODELS, a_job, a_result
from tests.pointers import replace_with_pointer
from tests.reports.page.conftest import Open
from tests.reports.page.showcase import write_page
from tests.reports.page.test_job import open_job
from tests.reports.page.test_write import facts_of


@pytest.fixture
def layout(tmp_path: Path) -> RecipeLayout:
    """One finished job with its picture."""
    layout, job = RecipeLayout("small", tmp_path / "out", MODELS), a_job()
    with Checkpoint.open(layout.checkpoint) as checkpoint:
        checkpoint.sync_jobs([job])
        path = layout.output_dir / f"{job.output}.jpg"
        path.parent.mkdir(parents=True)
        Image.effect_noise((640, 480), 60).save(path)
        attempt = checkpoint.begin_attempt(job.key, number=1, reserved=None, api="sandbox")
        checkpoint.submitted(attempt, "task")
        checkpoint.fetching(attempt, a_result())
        checkpoint.done(attempt, accept(path), {job.output: f"{job.output}.jpg"})
    return layout


def test_a_pointer_keeps_its_thumbnail_and_has_no_link(
    layout: RecipeLayout, tmp_path: Path
) -> None:
    """The thumbnail is known by the SHA-256 that the pointer names; no page links to a text."""
    (before,) = facts_of(write_page(layout, tmp_path))["jobs"]
    replace_with_pointer(layout.output_dir / "cat" / "beach.jpg")
    page = write_page(layout, tmp_path)
    (job,) = facts_of(page)["jobs"]
    assert (before["pointer"], job["pointer"], job["link"]) == (False, True, None)
    assert "data:image/jpeg;base64," in page.read_text()


def test_without_a_thumbnail_the_page_advises_the_pull(
    open_page: Open, layout: RecipeLayout, tmp_path: Path
) -> None:
    """In a fresh clone: in the grid, in the job's view and beside its file."""
    replace_with_pointer(layout.output_dir / "cat" / "beach.jpg")
    opened = open_page(write_page(layout, tmp_path))
    expect(opened.tiles().first).to_contain_text("git lfs pull fetches the picture")
    opened = open_job(open_page, write_page(layout, tmp_path), "cat/beach")
    expect(opened.page.locator("#job .blank")).to_contain_text("A Git LFS pointer")
    expect(opened.page.locator("#job em")).to_contain_text("A Git LFS pointer")
    expect(opened.page.locator("#job")).not_to_contain_text("not on disk")
