"""The page is made anew while a run goes on: when, by whom, and what a failure does."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from spark_batch import project
from spark_batch.engine import Driver
from spark_batch.engine.events import Done
from spark_batch.project import refreshing
from spark_batch.project.refreshing import LEAST_SECONDS, PICTURES, SECONDS, Schedule, refreshed
from tests.runs import run

RECIPE = """\
version: 1
name: tiny
inputs: [photo.jpg]
prompts: [Beach, Snow]
variants: {scale: [0.4, 0.7], size: 512x512, seed: 7}
price: 0.03
run: {submit_rate: 100, concurrency: 1}
"""


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def recipe(tmp_path: Path) -> project.Recipe:
    Image.new("RGB", (96, 64), (200, 120, 40)).save(tmp_path / "photo.jpg", "JPEG")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    return project.load(tmp_path / "recipe.yaml").recipe


def test_it_is_due_after_a_minute_or_fifty_pictures() -> None:
    clock = Clock()
    schedule = Schedule(clock)
    clock.now = LEAST_SECONDS
    assert not schedule.is_due(PICTURES - 1)
    assert schedule.is_due(PICTURES)
    clock.now = SECONDS
    assert schedule.is_due(1)
    assert not schedule.is_due(0)
    schedule.made(PICTURES, 0.5)
    assert not schedule.is_due(PICTURES + 1)
    clock.now += SECONDS
    assert schedule.is_due(PICTURES + 1)
    assert not schedule.is_due(PICTURES)


def test_pages_are_ten_seconds_apart() -> None:
    """However many pictures come: a run that is over by then has only the page at its end."""
    clock = Clock()
    schedule = Schedule(clock)
    clock.now = LEAST_SECONDS - 1
    assert not schedule.is_due(1000)
    clock.now = LEAST_SECONDS
    assert schedule.is_due(1000)
    schedule.made(1000, 0.1)
    clock.now = 2 * LEAST_SECONDS - 1
    assert not schedule.is_due(2000)
    clock.now = 2 * LEAST_SECONDS
    assert schedule.is_due(2000)


def test_a_page_that_takes_long_is_made_seldom() -> None:
    """At most a tenth of the time goes into pages."""
    clock = Clock()
    schedule = Schedule(clock)
    schedule.made(1, 30.0)
    clock.now = 299.0
    assert not schedule.is_due(1000)
    clock.now = 300.0
    assert schedule.is_due(1000)


def test_a_run_has_its_page_before_it_ends(
    recipe: project.Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the first picture, and with that picture; it does not wait for the last one."""
    monkeypatch.setattr(refreshing, "Schedule", partial(Schedule, pictures=1, least=0))
    page = recipe.output_dir / "sandbox" / "tiny.html"
    found: list[str] = []
    written = threading.Event()
    write_all = refreshing.write_all

    def write(*given: object) -> object:
        result = write_all(*given)  # type: ignore[arg-type]
        written.set()
        return result

    monkeypatch.setattr(refreshing, "write_all", write)

    def look(driver: Driver, total: int) -> None:
        for event in driver.events():
            if isinstance(event, Done) and not found:
                assert written.wait(60)
                found.append(page.read_text())

    with project.prepare(recipe, project.RunOptions(sandbox=True)) as prepared:
        result = prepared.execute(look)
    assert result.tally.done == 4
    assert found[0].count('"status":"done"') in (1, 2, 3)
    assert page.read_text().count('"status":"done"') == 4


def test_a_page_that_cannot_be_written_stops_nothing(
    recipe: project.Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of the run reports it."""
    run(recipe, project.RunOptions(sandbox=True, limit=1))
    layout = project.find_layout(recipe.path, sandbox=True)
    page = layout.output_dir / "tiny.html"
    page.unlink()
    page.mkdir()
    tried = threading.Event()
    schedule = Schedule(pictures=1, least=0)
    monkeypatch.setattr(Schedule, "made", lambda *_: tried.set())
    with refreshed(layout, lambda: 1, schedule=schedule, tick=0.01):
        assert tried.wait(60)
    assert not [one for one in threading.enumerate() if one.name == "spark-page"]
