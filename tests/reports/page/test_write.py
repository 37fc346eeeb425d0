"""Writing the page: one file, the same bytes for the same state, and no secret in it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from spark_batch import project
from spark_batch.checkpoint import Checkpoint
from spark_batch.pictures import accept
from spark_batch.project import RecipeLayout
from spark_batch.reports.page.facts import axes
from tests.makers import MODELS, a_job, a_record, a_result, some_jobs
from tests.reports.page.showcase import write_page


class _Scripts(HTMLParser):
    """The contents of the elements that have an id, as a browser would cut them out."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self.outside: list[str] = []
        self._id: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._id = dict(attrs).get("id") if tag == "script" else None
        self.outside += [value or "" for name, value in attrs if name in ("src", "href", "srcset")]

    def handle_data(self, data: str) -> None:
        if self._id is not None:
            self.found[self._id] = self.found.get(self._id, "") + data


def facts_of(file: Path) -> dict[str, Any]:
    """The data that stands in a page."""
    scripts = _Scripts()
    scripts.feed(file.read_text(encoding="utf-8"))
    found: dict[str, Any] = json.loads(scripts.found["facts"])
    return found


@pytest.fixture
def done(tmp_path: Path) -> RecipeLayout:
    """Two jobs of which one has its picture, and one that the recipe has lost."""
    layout = RecipeLayout("small", tmp_path / "out", MODELS)
    jobs = some_jobs(3)
    with Checkpoint.open(layout.checkpoint) as checkpoint:
        checkpoint.sync_jobs(jobs)
        for job in jobs[1:]:
            path = layout.output_dir / f"{job.output}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.effect_noise((640, 480), 60).save(path)
            attempt = checkpoint.begin_attempt(
                job.key, number=1, reserved=Decimal("0.05"), api="sandbox"
            )
            checkpoint.submitted(attempt, f"task-{attempt}")
            checkpoint.fetching(attempt, a_result("0.04"))
            checkpoint.done(attempt, accept(path), {job.output: f"{job.output}.jpg"})
        checkpoint.sync_jobs(jobs[:2])
    return layout


def test_models_are_an_axis_where_there_are_several() -> None:
    """Before the other axes, with each job's model; one model alone is no axis."""
    records = [a_record(model="one"), a_record(model="two"), a_record(model="one")]
    found, places = axes(records, MODELS)
    assert found[0] == {
        "name": "model",
        "values": [{"label": "one", "note": ""}, {"label": "two", "note": ""}],
    }
    assert [place[0] for place in places] == [0, 1, 0]
    alone, _ = axes(records[:1], MODELS)
    assert "model" not in [axis["name"] for axis in alone]


def test_a_variable_that_is_called_model_stays_what_it_is() -> None:
    """It is one axis, with the variable's values."""
    records = [
        a_record(model="one", variables=(("model", "T"),)),
        a_record(model="two", variables=(("model", "S"),)),
    ]
    found, _ = axes(records, MODELS)
    (axis,) = [axis for axis in found if axis["name"] == "model"]
    assert [value["label"] for value in axis["values"]] == ["T", "S"]


def test_the_same_state_gives_the_same_bytes(done: RecipeLayout, tmp_path: Path) -> None:
    """With cold and with warm thumbnails; a page that is right already is not touched."""
    file = write_page(done, tmp_path)
    before = (file.read_bytes(), file.stat().st_mtime_ns, file.stat().st_ino)
    shutil.rmtree(done.output_dir / ".spark-batch" / "thumbs")
    write_page(done, tmp_path)
    assert (file.read_bytes(), file.stat().st_mtime_ns, file.stat().st_ino) == before
    assert [each.name for each in done.output_dir.glob("*.part")] == []


def test_it_shows_the_jobs_of_the_recipe(done: RecipeLayout) -> None:
    """With links to their pictures, and without jobs that the recipe no longer has."""
    jobs = facts_of(write_page(done, None))["jobs"]
    assert [job["link"] for job in jobs] == [None, "cat/beach-2.jpg"]


def test_everything_is_inside(done: RecipeLayout, tmp_path: Path) -> None:
    """No script, style or picture stands in another file, and its policy names no host."""
    text = write_page(done, tmp_path).read_text(encoding="utf-8")
    scripts = _Scripts()
    scripts.feed(text)
    assert scripts.outside == ["data:,"]
    policy = text.partition('Content-Security-Policy" content="')[2].partition('"')[0]
    assert "default-src &#39;none&#39;" in policy
    assert "http" not in policy and "unsafe" not in policy


def test_money_of_lines_that_left_the_recipe_is_counted(done: RecipeLayout, tmp_path: Path) -> None:
    """So that jobs and what is left over add up to what was spent."""
    money = facts_of(write_page(done, tmp_path))["money"]
    assert (money["spent"], money["leftOver"]) == ("0.08", "0.04")
    assert [cost for _, cost in money["timeline"]] == ["0.04", "0.04"]


def test_two_jobs_with_one_key_cost_once(tmp_path: Path) -> None:
    """They are made once and written twice, and so is their money counted."""
    layout = RecipeLayout("twins", tmp_path / "out", MODELS)
    with Checkpoint.open(layout.checkpoint) as checkpoint:
        checkpoint.sync_jobs([a_job("a"), a_job("b")])
        attempt = checkpoint.begin_attempt(
            a_job().key, number=1, reserved=Decimal(1), api="sandbox"
        )
        checkpoint.uncertain(attempt, "cut")
    jobs = facts_of(write_page(layout, None))["jobs"]
    assert [(job["reserved"], job["repeated"]) for job in jobs] == [("1", False), ("1", True)]


def test_reserved_money_is_what_the_checkpoint_reserves(layout: RecipeLayout, folder: Path) -> None:
    """Job by job, by the same rule as the sum that a run goes by."""
    found = facts_of(write_page(layout, folder))
    by_job = sum(Decimal(job["reserved"]) for job in found["jobs"] if not job["repeated"])
    with project.open_readonly(layout) as reader:
        assert by_job == reader.money().reserved == Decimal("0.03")
        assert Decimal(found["money"]["spent"]) == reader.money().spent


def test_no_secret_is_in_it(layout: RecipeLayout, folder: Path, file: Path) -> None:
    """Neither the key nor a signed URL, not even of a picture that is still being fetched."""
    text = file.read_text(encoding="utf-8")
    assert "canary-key" not in text
    assert "/results/" not in text
    job = a_job()
    fetching = RecipeLayout("fetching", folder / "fetching", MODELS)
    with Checkpoint.open(fetching.checkpoint) as checkpoint:
        checkpoint.sync_jobs([job])
        attempt = checkpoint.begin_attempt(job.key, number=1, reserved=None, api="sandbox")
        checkpoint.submitted(attempt, "task")
        checkpoint.fetching(attempt, replace(a_result(), url="http://127.0.0.1/?signature=canary"))
    assert "canary" not in write_page(fetching, None).read_text(encoding="utf-8")


@pytest.mark.parametrize("spoil", ["missing", "cut", "text", "folder", "link"])
def test_a_picture_that_is_broken_is_a_placeholder(
    done: RecipeLayout, tmp_path: Path, spoil: str
) -> None:
    """Whatever stands at its name; the page is written all the same."""
    file = done.output_dir / "cat" / "beach-2.jpg"
    data = file.read_bytes()
    file.unlink()
    if spoil == "cut":
        file.write_bytes(data[: len(data) // 2])
    elif spoil == "text":
        file.write_text("<html>")
    elif spoil == "folder":
        file.mkdir()
    elif spoil == "link":
        file.symlink_to(file)
    text = write_page(done, tmp_path).read_text(encoding="utf-8")
    scripts = _Scripts()
    scripts.feed(text)
    number = json.loads(scripts.found["facts"])["jobs"][1]["thumbnail"]
    pictures = json.loads(scripts.found["thumbnails"])
    assert number is None or pictures[number] == ""


@pytest.mark.parametrize(
    ("image", "link"),
    [
        ("https://cdn.example.com/a.jpg", "https://cdn.example.com/a.jpg"),
        ("javascript://x/%0aalert(1)", None),
        ("file:///etc/passwd", None),
        ("data:text/html,x", None),
        (None, None),
    ],
)
def test_an_input_from_the_net_is_linked_and_not_fetched(
    tmp_path: Path, image: str | None, link: str | None
) -> None:
    """A link for http and https alone, and no picture before."""
    layout = RecipeLayout("net", tmp_path / "out", MODELS)
    job = a_job()
    with Checkpoint.open(layout.checkpoint) as checkpoint:
        checkpoint.sync_jobs([job._replace(input=replace(job.input, image=image or ""))])
    source = facts_of(write_page(layout, tmp_path))["jobs"][0]["input"]
    assert (source["link"], source["thumbnail"]) == (link, None)


def test_an_input_that_has_changed_since_is_told(layout: RecipeLayout, folder: Path) -> None:
    """What is shown before the edit would not be what was sent."""
    photo = folder / "cat.jpg"
    kept = photo.read_bytes()
    try:
        Image.new("RGB", (64, 48)).save(photo)
        jobs = facts_of(write_page(layout, folder))["jobs"]
    finally:
        photo.write_bytes(kept)
        write_page(layout, folder)
    assert {job["input"]["image"] for job in jobs if job["input"]["changed"]} == {"cat.jpg"}


def test_a_recipe_without_jobs_has_a_page(tmp_path: Path) -> None:
    """And one whose checkpoint is empty."""
    layout = RecipeLayout("empty", tmp_path / "out", MODELS)
    Checkpoint.open(layout.checkpoint).close()
    assert facts_of(write_page(layout, tmp_path))["jobs"] == []
