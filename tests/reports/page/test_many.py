"""Two thousand jobs: only what is near the screen has content and a decoded picture."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.reports.page import showcase
from tests.reports.page.conftest import Open

pytestmark = pytest.mark.proof

COUNT = 2000
TO_THE_END = "each => each.scrollTo(each.scrollWidth, each.scrollHeight)"
FILLED = "all => all.filter(each => each.firstChild).length"


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of two thousand jobs, all done."""
    return showcase.write_page(showcase.many(tmp_path_factory.mktemp("many"), COUNT), None)


@pytest.mark.parametrize("fragment", ["", "#rows=-&columns=-", "#rows=-"])
def test_only_what_is_near_the_screen_is_there(open_page: Open, big: Path, fragment: str) -> None:
    """However the grid is turned; what is scrolled to comes, and what is far away goes."""
    opened = open_page(big, fragment)
    assert opened.tiles().count() == COUNT
    pictures = opened.page.locator("#grid .tile img")
    expect(pictures.first).to_be_attached()
    assert opened.tiles().evaluate_all(FILLED) <= 400
    last = opened.tiles().last
    expect(last.locator("img")).to_have_count(0)
    opened.page.locator("#stage").evaluate(TO_THE_END)
    expect(last.locator("img")).to_have_js_property("complete", True)
    expect(opened.tiles().first.locator("img")).to_have_count(0)
    assert opened.tiles().evaluate_all(FILLED) <= 400
    assert opened.page.locator("*").count() < 3 * COUNT + 3000


def test_tiles_have_their_size_before_they_fill(open_page: Open, big: Path) -> None:
    """An empty tile is as big as a full one: to fill it moves, and lays out, nothing else."""
    opened = open_page(big, "#rows=-&columns=-")
    first, last = opened.tiles().first, opened.tiles().last
    expect(first.locator("img")).to_be_attached()
    expect(last.locator("img")).to_have_count(0)
    assert first.evaluate("each => getComputedStyle(each).contain") == "strict"
    boxes = [each.bounding_box() for each in (first, last)]
    assert boxes[0] is not None and boxes[1] is not None
    assert boxes[0]["height"] == boxes[1]["height"] == 150
    assert boxes[0]["width"] == pytest.approx(boxes[1]["width"], abs=0.5)


def test_heads_stay_in_sight(open_page: Open, big: Path) -> None:
    """Scrolled far down and across, the names of the row and of the columns are still there."""
    opened = open_page(big, "#rows=seed&columns=prompt", size=(900, 800))
    expect(opened.page.locator("#stage")).to_have_attribute(
        "style", re.compile("--controls-height")
    )
    opened.page.locator("#stage").evaluate("each => each.scrollTo(700, 9000)")
    column = opened.page.locator("#grid thead th").last.bounding_box()
    toolbar = opened.page.locator("#controls").bounding_box()
    assert column is not None and toolbar is not None
    assert toolbar["y"] == 0
    assert column["y"] == pytest.approx(toolbar["height"], abs=1)
    rows = opened.page.locator("#grid tbody th").evaluate_all(
        "all => all.map(each => each.getBoundingClientRect().left)"
    )
    assert set(rows) == {0}


def test_a_search_through_all_of_them(open_page: Open, big: Path) -> None:
    """One of two thousand by its name, and its picture."""
    opened = open_page(big)
    opened.page.locator("#search").fill("cat/9-1999")
    expect(opened.tiles()).to_have_count(1)
    expect(opened.tiles().first.locator("img")).to_have_js_property("complete", True)
