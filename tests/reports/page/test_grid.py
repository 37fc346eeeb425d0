"""The grid in a real browser: it turns on any two axes, filters by the others, and is shared."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

import spark_batch
from tests.reports.page.conftest import Open

ALL = 32
HEADS = {
    "input": ["cat", "coffee"],
    "color": ["color navy blue", "color coral", "color (none)"],
    "size": ["512x512", "768x512"],
    "scale": ["scale 0.4", "scale 0.8"],
    "seed": ["seed 7"],
    "-": [],
}


def test_it_opens_from_disk_with_every_job(open_page: Open, file: Path) -> None:
    """Inputs down, prompts across, every job once; beside the file one picture is looked for."""
    opened = open_page(file)
    assert opened.heads("row") == ["cat", "coffee"]
    assert opened.heads("col") == ["beach", "watercolor", "recolor"]
    assert len(set(opened.names())) == opened.tiles().count() == ALL
    asked = [url for url in opened.requests if not url.startswith("data:")]
    assert asked[0] == file.as_uri()
    assert [url.startswith(file.parent.as_uri()) for url in asked[1:]] == [True]


@pytest.mark.parametrize(
    ("rows", "columns"),
    [("size", "color"), ("scale", "input"), ("-", "seed"), ("color", "-"), ("-", "-")],
)
def test_it_turns_on_any_two_axes(open_page: Open, file: Path, rows: str, columns: str) -> None:
    """Every axis, variables too, can be rows or columns; no job gets lost or doubled."""
    opened = open_page(file)
    opened.page.get_by_label("rows", exact=True).select_option(rows)
    opened.page.get_by_label("columns", exact=True).select_option(columns)
    assert opened.heads("row") == HEADS[rows]
    assert opened.heads("col") == HEADS[columns]
    assert len(set(opened.names())) == ALL


TABLE = """version: 1
name: shop
prompts: [{id: stage, text: "Put it on ${ground}"}]
rows: shop.csv
"""


@pytest.mark.parametrize(
    ("variants", "heads"),
    [("", ([], [])), ("variants: {seed: [7, 8]}", (["a", "b", "c"], ["seed 7", "seed 8"]))],
)
def test_axes_that_decide_each_other_make_no_grid(
    open_page: Open, tmp_path: Path, variants: str, heads: tuple[list[str], list[str]]
) -> None:
    """Each product of a table has its photo and its words: its pictures wrap, or go by the seed."""
    for name in "abc":
        Image.new("RGB", (64, 64), (ord(name), 90, 140)).save(tmp_path / f"{name}.jpg")
    rows = [f"{name}.jpg,{name}-1,ground {name}" for name in "abc"]
    (tmp_path / "shop.csv").write_text("\n".join(["image,sku,ground", *rows]))
    recipe = tmp_path / "shop.yaml"
    recipe.write_text(f"{TABLE}{variants}\n")
    opened = open_page(spark_batch.run(recipe, sandbox=True).page)
    assert (opened.heads("row"), opened.heads("col")) == heads
    assert opened.tiles().count() == max(3, 2 * len(heads[0]))


def test_each_job_stands_in_its_cell(open_page: Open, file: Path) -> None:
    """The cell of cat and 768x512 has the cat's wide pictures, and no other."""
    opened = open_page(file, "#rows=input&columns=size")
    cells = opened.page.locator("#grid tbody tr").nth(0).locator("td").nth(1)
    names = cells.locator(".tile").evaluate_all("all => all.map(each => each.dataset.job)")
    assert len(names) == 8
    assert all(name.startswith("cat/") and "768x512" in name for name in names)


def test_choosing_the_other_side_s_axis_swaps_both(open_page: Open, file: Path) -> None:
    """And so does the button between them."""
    opened = open_page(file)
    opened.page.get_by_label("rows", exact=True).select_option("prompt")
    assert opened.heads("col") == ["cat", "coffee"]
    opened.page.get_by_role("button", name="Swap rows and columns").click()
    assert opened.heads("row") == ["cat", "coffee"]
    assert opened.focused() == "swap"


def test_the_other_axes_filter(open_page: Open, file: Path) -> None:
    """Two filters hold together; all of them can be cleared at once."""
    opened = open_page(file)
    opened.page.get_by_label("scale", exact=True).select_option("0.8")
    assert opened.tiles().count() == ALL / 2
    opened.page.get_by_label("color", exact=True).focus()
    opened.page.get_by_label("color", exact=True).select_option("coral")
    assert opened.tiles().count() == 4
    assert opened.heads("col") == ["recolor"]
    assert opened.page.locator("#count").inner_text() == "4 of 32 jobs"
    assert opened.focused() == "filter-color"
    opened.page.get_by_role("button", name="Clear filters").click()
    assert opened.tiles().count() == ALL


def test_an_axis_that_becomes_a_side_no_longer_filters(open_page: Open, file: Path) -> None:
    """What cannot be seen must not hide anything."""
    opened = open_page(file, "#axis.scale=0.8")
    assert opened.tiles().count() == ALL / 2
    opened.page.get_by_label("rows", exact=True).select_option("scale")
    assert opened.tiles().count() == ALL
    assert "axis.scale" not in opened.page.url


def test_kinds_filter(open_page: Open, file: Path) -> None:
    """Failed and lost together, by their chips."""
    opened = open_page(file)
    failed = opened.page.get_by_role("button", name="failed 3")
    failed.click()
    expect(failed).to_have_attribute("aria-pressed", "true")
    assert opened.tiles().count() == 3
    opened.page.get_by_role("button", name="expired 1").click()
    assert opened.tiles().count() == 4
    failed.click()
    assert opened.tiles().count() == 1


def test_slash_goes_to_the_search(open_page: Open, file: Path) -> None:
    """It finds words of prompts, names, codes and task ids; escape empties it."""
    opened = open_page(file)
    opened.page.keyboard.press("/")
    assert opened.focused() == "search"
    opened.page.keyboard.type("coral cat")
    expect(opened.tiles()).to_have_count(4)
    assert opened.page.locator("#search").input_value() == "coral cat"
    assert opened.focused() == "search"
    opened.page.keyboard.press("Escape")
    expect(opened.tiles()).to_have_count(ALL)
    opened.page.locator("#search").fill("no such thing")
    expect(opened.page.locator("#grid")).to_have_text("No job matches.")


def test_arrows_go_from_tile_to_tile(open_page: Open, file: Path) -> None:
    """Left and right as they are read, up and down to what stands there; enter opens it."""
    opened = open_page(file, "#rows=input&columns=-")
    names = opened.names()
    opened.tiles().nth(1).focus()

    def here() -> str:
        found: str = opened.page.evaluate("document.activeElement.dataset.job")
        return found

    opened.page.keyboard.press("ArrowRight")
    assert here() == names[2]
    opened.page.keyboard.press("ArrowLeft")
    opened.page.keyboard.press("ArrowLeft")
    opened.page.keyboard.press("ArrowLeft")
    assert here() == names[0]
    opened.page.keyboard.press("ArrowDown")
    below = opened.tiles().nth(names.index(here())).bounding_box()
    first = opened.tiles().first.bounding_box()
    assert below is not None and first is not None
    assert below["x"] == first["x"] and below["y"] > first["y"]
    opened.page.keyboard.press("ArrowUp")
    assert here() == names[0]
    opened.page.keyboard.press("Enter")
    expect(opened.page.locator("#job-title")).to_have_text(names[0])


def test_a_view_can_be_shared(open_page: Open, file: Path) -> None:
    """What was chosen stands in the address, and an address brings it back."""
    opened = open_page(file)
    opened.page.get_by_label("rows", exact=True).select_option("size")
    opened.page.get_by_label("scale", exact=True).select_option("0.4")
    opened.page.locator("#search").fill("cat")
    expect(opened.tiles()).to_have_count(8)
    again = open_page(file, "#" + opened.page.url.partition("#")[2])
    assert again.names() == opened.names()
    assert again.page.locator("#search").input_value() == "cat"
    assert again.page.get_by_label("rows", exact=True).input_value() == "size"


@pytest.mark.parametrize(
    "fragment",
    [
        "#rows=nothing&columns=__proto__",
        "#axis.scale=9&axis.x=1",
        "#job=none",
        "#kinds=toString&tile=toString",
        "#%zz",
    ],
)
def test_an_address_that_says_nonsense_is_let_be(
    open_page: Open, file: Path, fragment: str
) -> None:
    """An old link after the recipe has changed: the page, not an error."""
    opened = open_page(file, fragment)
    assert opened.tiles().count() == ALL
    expect(opened.page.locator("#job")).to_be_hidden()


def test_without_rows_the_tiles_wrap(open_page: Open, file: Path) -> None:
    """They take the width that there is, and the page does not scroll sideways."""
    opened = open_page(file)
    opened.page.locator("#choice-rows").select_option(label="—")
    opened.page.locator("#choice-columns").select_option(label="—")
    stage = opened.page.locator("#stage")
    assert stage.evaluate("one => one.scrollWidth <= one.clientWidth")
    tops = opened.tiles().evaluate_all("all => all.map(one => one.offsetTop)")
    assert len(set(tops)) > 1
