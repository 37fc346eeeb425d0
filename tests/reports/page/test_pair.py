"""Two pictures side by side in a real browser, with one zoom; also an earlier one of a job."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.reports.page import showcase
from tests.reports.page.conftest import Open, Opened

ONE = "cat/beach-512x512-scale0.4-seed7"
OTHER = "cat/watercolor-512x512-scale0.4-seed7"
VARIANT = "cat/beach-512x512-scale0.8-seed7"


def shown(opened: Opened) -> list[str]:
    """The jobs of both panes."""
    found: list[str] = opened.page.locator("#job .pane").evaluate_all(
        "all => all.map(each => each.dataset.job)"
    )
    return found


def tile(opened: Opened, output: str) -> str:
    """The selector of a job's tile."""
    return f'#grid .tile[data-job="{output}"]'


def test_two_selected_tiles_stand_side_by_side(open_page: Open, file: Path) -> None:
    """Any two; what differs is named below them, and an address brings them back."""
    opened = open_page(file)
    opened.page.locator(tile(opened, ONE)).click(modifiers=["Control"])
    opened.page.locator(tile(opened, OTHER)).click(modifiers=["Control"])
    opened.page.locator("#selection-compare").click()
    assert shown(opened) == [ONE, OTHER]
    assert opened.page.locator("#job .which").all_inner_texts() == ["beach", "watercolor"]
    again = open_page(file, "#" + opened.page.url.partition("#")[2])
    assert shown(again) == [ONE, OTHER]


def test_both_have_one_zoom(open_page: Open, file: Path) -> None:
    """The wheel over the one moves the other, too."""
    opened = open_page(file, f"#job={ONE}&with={OTHER}")
    images = opened.page.locator("#job .pane img")
    expect(images).to_have_count(2)
    before = [image.bounding_box() for image in images.all()]
    opened.page.locator("#pane-2 .compare").hover(position={"x": 30, "y": 30})
    opened.page.mouse.wheel(0, -500)
    expect(opened.page.locator("#job")).to_have_attribute("data-zoomed", "")
    after = [image.bounding_box() for image in images.all()]
    grown = []
    for was, now in zip(before, after, strict=True):
        assert was is not None and now is not None
        grown.append((now["width"] / was["width"], (now["x"] - was["x"]) / was["width"]))
    assert grown[0][0] > 1.5
    assert grown[0] == pytest.approx(grown[1], abs=0.01)


def test_verdicts_in_a_pair(open_page: Open, file: Path) -> None:
    """Keys judge the right one, or the one that has the focus; both have buttons."""
    opened = open_page(file, f"#job={ONE}&with={OTHER}")
    opened.page.keyboard.press("x")
    opened.page.locator("#pane-1").focus()
    opened.page.keyboard.press("p")
    opened.page.keyboard.press("Escape")
    expect(opened.page.locator(tile(opened, ONE))).to_have_attribute("data-verdict", "pick")
    expect(opened.page.locator(tile(opened, OTHER))).to_have_attribute("data-verdict", "reject")


def test_arrows_change_the_right_one(open_page: Open, file: Path) -> None:
    """The left one stays, and is passed over."""
    opened = open_page(file, f"#job={VARIANT}&with={ONE}")
    names = opened.names()
    opened.page.keyboard.press("ArrowRight")
    assert shown(opened) == [VARIANT, names[names.index(ONE) + 2]]
    opened.page.keyboard.press("ArrowLeft")
    assert shown(opened) == [VARIANT, ONE]


def test_c_compares_with_another_variant_and_goes_back(open_page: Open, file: Path) -> None:
    """The list offers the variants of the prompt first."""
    opened = open_page(file, f"#job={ONE}")
    opened.page.keyboard.press("c")
    assert shown(opened) == [ONE, VARIANT]
    opened.page.keyboard.press("c")
    expect(opened.page.locator("#job .panel")).to_be_visible()
    opened.page.get_by_label("beside", exact=True).select_option("768x512 · scale 0.8")
    assert shown(opened) == [ONE, "cat/beach-768x512-scale0.8-seed7"]


def test_an_earlier_picture_that_is_kept_stands_beside_its_job(
    open_page: Open, tmp_path: Path
) -> None:
    """A job that was made again: both pictures, whole, read from disk."""
    layout = showcase.make_run(tmp_path)
    showcase.make_again(layout, ONE)
    opened = open_page(showcase.write_page(layout, tmp_path), f"#job={ONE}")
    opened.page.keyboard.press("c")
    expect(opened.page.locator("#pane-2 .which")).to_contain_text("Earlier: attempt 1")
    sources = []
    for number in (1, 2):
        image = opened.page.locator(f"#pane-{number} img")
        expect(image).to_have_js_property("naturalWidth", 512)
        expect(image).to_have_attribute("src", re.compile("^file:"))
        sources.append(str(image.evaluate("each => each.src")))
    assert sources[0].endswith(f"{ONE}.jpg")
    assert "/.spark-batch/kept/" in sources[1]


def test_variants_of_a_prompt_are_a_strip(open_page: Open, file: Path) -> None:
    """A click goes there; with shift it stands beside."""
    opened = open_page(file, f"#job={ONE}")
    strip = opened.page.locator("#job .variant")
    expect(strip).to_have_count(4)
    expect(strip.first).to_have_attribute("aria-current", "true")
    strip.nth(1).click()
    expect(opened.page.locator("#job-title")).to_have_text(VARIANT)
    opened.page.keyboard.press("p")
    expect(strip.nth(1)).to_have_attribute("data-verdict", "pick")
    strip.nth(0).click(modifiers=["Shift"])
    assert shown(opened) == [VARIANT, ONE]


@pytest.mark.parametrize("other", ["nothing", "~7", "~x", ONE])
def test_an_address_with_no_such_partner_shows_the_job_alone(
    open_page: Open, file: Path, other: str
) -> None:
    """An old link after a job is gone, and a job beside itself."""
    opened = open_page(file, f"#job={ONE}&with={other}")
    expect(opened.page.locator("#job .panel")).to_be_visible()
    expect(opened.page.locator("#job .pane")).to_have_count(0)
