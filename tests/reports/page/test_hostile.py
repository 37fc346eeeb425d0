"""Whatever a prompt, a file or a server says is text on the page, and no more than that."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
from PIL import Image
from playwright.sync_api import expect

from spark_batch.checkpoint import Checkpoint
from spark_batch.jobs import Input, Job, Prompt
from spark_batch.pictures import accept
from spark_batch.project import RecipeLayout
from spark_batch.reports.page import embedded
from tests.makers import MODELS, a_job, a_result
from tests.reports.page.conftest import Open
from tests.reports.page.showcase import write_page

pytestmark = pytest.mark.proof

HOSTILE = [
    "</script><img src=x onerror=\"document.title='owned'\">",
    "<!--<script>document.title='owned'</script>",
    "${{ secrets.KEY }} {{ 7*7 }} {% raw %} `${1}`",
    "\"'&amp;&#60;b&#62; \\u003c\\",
    "\u202eright to left\u202c עברית العربية",
    "line\u2028line\u2029line\x85end",
    "👩‍🎨🖼️ 日本語 ﷽",
    "long " * 160,
    "javascript:document.title='owned'",
]


@pytest.fixture
def layout(tmp_path: Path) -> RecipeLayout:
    """Every hostile text as a prompt, a variable, a message of the server and a task id."""
    layout = RecipeLayout("hostile", tmp_path / "out", MODELS)
    with Checkpoint.open(layout.checkpoint) as checkpoint, checkpoint.transaction():
        jobs = [_job(n, text) for n, text in enumerate(HOSTILE)]
        checkpoint.sync_jobs(jobs)
        for job, text in zip(jobs, HOSTILE, strict=True):
            attempt = checkpoint.begin_attempt(job.key, number=1, reserved=None, api=text)
            checkpoint.submitted(attempt, text)
            checkpoint.fail(attempt, code=text, message=text, again="never")
    return layout


def _job(number: int, text: str) -> Job:
    job = a_job(f"job-{number}", prompt=text)
    prompt = Prompt(id=f"p{number}", text=text, variables=(("word", text),))
    picture = Input(id="cat", picture=job.input.picture, image=text)
    return job._replace(prompt=prompt, input=picture)


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_it_is_shown_as_it_is(
    open_page: Open, layout: RecipeLayout, tmp_path: Path, number: int
) -> None:
    """As text, wherever it stands: no element of it, no script of it, nothing asked for."""
    file = write_page(layout, tmp_path)
    opened = open_page(file, f"#rows=word&columns=prompt&job=job-{number}")
    text = HOSTILE[number]
    assert opened.page.locator("#job .prompt").evaluate("each => each.textContent") == text
    assert text in opened.page.locator("#job .notice").evaluate("each => each.textContent")
    assert text in opened.page.locator("#grid").evaluate("each => each.textContent")
    assert opened.page.title() == "hostile · spark-batch"
    assert opened.page.locator("body img[src='x'], body b[onerror]").count() == 0
    assert opened.page.locator("script").count() == 3
    links = opened.page.locator("a").evaluate_all("all => all.map(each => each.href)")
    assert not [link for link in links if link.startswith("javascript:")]


def test_a_long_text_makes_the_page_no_wider(
    open_page: Open, layout: RecipeLayout, tmp_path: Path
) -> None:
    """800 characters without a place to break them, on a phone."""
    file = write_page(layout, tmp_path)
    opened = open_page(file, "#job=job-7", size=(390, 844))
    wider = "document.documentElement.scrollWidth > innerWidth"
    assert not opened.page.evaluate(wider)
    assert not opened.page.locator("#job").evaluate("each => each.scrollWidth > each.clientWidth")


@pytest.mark.parametrize("text", HOSTILE)
def test_data_cannot_end_its_script(text: str) -> None:
    """No <, > or & in it, and it reads back as it was."""
    written = embedded({"text": text})
    assert not re.search("[<>&\u2028\u2029]", written)
    assert json.loads(written) == {"text": text}


@pytest.mark.parametrize("name", ["a b#c?d%41", "ü ☂", "xx:y", 'it\'s "so"', "a&b<c>", "100%"])
def test_odd_names_are_links_that_work(open_page: Open, tmp_path: Path, name: str) -> None:
    """The picture opens under its URL-encoded name, and so does the input."""
    layout = RecipeLayout("odd", tmp_path / "out", MODELS)
    job = a_job(name)
    job = job._replace(input=replace(job.input, image=f"{name}.png"))
    layout.output_dir.mkdir()
    Image.new("RGB", (64, 48), (10, 90, 60)).save(layout.output_dir / f"{name}.jpg")
    Image.new("RGB", (64, 48), (90, 10, 60)).save(tmp_path / f"{name}.png")
    with Checkpoint.open(layout.checkpoint) as checkpoint:
        checkpoint.sync_jobs([job])
        attempt = checkpoint.begin_attempt(job.key, number=1, reserved=None, api="sandbox")
        checkpoint.submitted(attempt, "task")
        checkpoint.fetching(attempt, a_result())
        picture = accept(layout.output_dir / f"{name}.jpg")
        checkpoint.done(attempt, picture, {job.output: f"{name}.jpg"})
    opened = open_page(write_page(layout, tmp_path))
    opened.tiles().first.click()
    for kind, end in (("after", f"/out/{name}.jpg"), ("before", f"/{name}.png")):
        image = opened.page.locator(f"#job img.{kind}")
        expect(image).to_have_attribute("src", re.compile("^file:"))
        assert unquote(str(image.evaluate("each => each.src"))).endswith(end)
        expect(image).to_have_js_property("naturalWidth", 64)
