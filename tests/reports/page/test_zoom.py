"""Zoom and pan in a real browser: by wheel, keys, drag and two fingers, kept from job to job."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.reports.page.conftest import Open, Opened

JOB = "#job=cat%2Fbeach-512x512-scale0.4-seed7"
SMALL = (700, 500)  # a window in which pictures of 512 pixels are shown smaller than they are


def picture(opened: Opened) -> Locator:
    """The picture that is shown."""
    return opened.page.locator("#job img.after").first


def box(found: Locator) -> tuple[float, float, float]:
    """Left, top and width of an element on the screen."""
    measured = found.bounding_box()
    assert measured is not None
    return measured["x"], measured["y"], measured["width"]


def middle(opened: Opened) -> tuple[float, float]:
    """The middle of the picture's frame."""
    measured = opened.page.locator("#job .compare").first.bounding_box()
    assert measured is not None
    return measured["x"] + measured["width"] / 2, measured["y"] + measured["height"] / 2


def test_keys_zoom_to_100_per_cent_and_back(open_page: Open, file: Path) -> None:
    """1 shows pixel by pixel, + and - go on from there, 0 fits the window."""
    opened = open_page(file, JOB, size=SMALL)
    fitting = box(picture(opened))[2]
    assert fitting < 512
    opened.page.keyboard.press("1")
    assert box(picture(opened))[2] == pytest.approx(512, abs=1)
    expect(opened.page.locator("#zoom-value")).to_have_text("100 %")
    opened.page.keyboard.press("+")
    assert box(picture(opened))[2] == pytest.approx(512 * 1.4, abs=1)
    opened.page.keyboard.press("-")
    assert box(picture(opened))[2] == pytest.approx(512, abs=1)
    opened.page.keyboard.press("0")
    assert box(picture(opened))[2] == pytest.approx(fitting, abs=1)


def test_keys_that_are_written_do_not_zoom(open_page: Open, file: Path) -> None:
    """A note may have numbers and signs."""
    opened = open_page(file, JOB, size=SMALL)
    fitting = box(picture(opened))[2]
    opened.page.keyboard.press("p")
    opened.page.locator("#verdict-note").press_sequentially("1+1")
    assert opened.page.locator("#verdict-note").input_value() == "1+1"
    assert box(picture(opened))[2] == pytest.approx(fitting, abs=1)


def test_the_wheel_zooms_where_the_pointer_is(open_page: Open, file: Path) -> None:
    """What is under the pointer stays there."""
    opened = open_page(file, JOB)
    left, top, width = box(picture(opened))
    x, y = left + width / 4, top + width / 4
    opened.page.mouse.move(x, y)
    opened.page.mouse.wheel(0, -400)
    expect(opened.page.locator("#job")).to_have_attribute("data-zoomed", "")
    zoomed_left, zoomed_top, zoomed_width = box(picture(opened))
    assert zoomed_width > 1.5 * width
    assert (x - zoomed_left) / zoomed_width == pytest.approx(0.25, abs=0.01)
    assert (y - zoomed_top) / zoomed_width == pytest.approx(0.25, abs=0.01)


def test_a_drag_moves_a_zoomed_picture_and_not_its_slider(open_page: Open, file: Path) -> None:
    """The handle still moves the slider; the picture never leaves its frame."""
    opened = open_page(file, JOB)
    x, y = middle(opened)
    opened.page.keyboard.press("+")
    opened.page.keyboard.press("+")
    left, top, width = box(picture(opened))
    opened.page.mouse.move(x - 100, y - 100)
    opened.page.mouse.down()
    opened.page.mouse.move(x - 60, y - 80, steps=3)
    opened.page.mouse.up()
    assert box(picture(opened)) == pytest.approx((left + 40, top + 20, width), abs=1)
    slider = opened.page.locator("#slider")
    assert slider.input_value() == "50"
    opened.page.mouse.move(x, y)
    opened.page.mouse.down()
    opened.page.mouse.move(x + 100, y, steps=3)
    opened.page.mouse.up()
    assert float(slider.input_value()) > 55
    opened.page.mouse.move(x - 100, y)
    opened.page.mouse.down()
    opened.page.mouse.move(x + 3000, y, steps=3)
    opened.page.mouse.up()
    frame = opened.page.locator("#job .compare").bounding_box()
    assert frame is not None
    assert box(picture(opened))[0] == pytest.approx(frame["x"], abs=1)


def test_two_fingers_zoom(open_page: Open, file: Path) -> None:
    """Twice as far apart makes the picture twice as wide."""
    opened = open_page(file, JOB)
    width = box(picture(opened))[2]
    x, y = middle(opened)
    touch = opened.page.context.new_cdp_session(opened.page)

    def fingers(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": at[0], "y": at[1], "id": number} for number, at in enumerate(places)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", (x - 50, y))
    fingers("touchStart", (x - 50, y), (x + 50, y))
    fingers("touchMove", (x - 50, y), (x + 100, y))
    fingers("touchMove", (x - 50, y), (x + 150, y))
    fingers("touchEnd")
    expect(opened.page.locator("#job")).to_have_attribute("data-zoomed", "")
    assert box(picture(opened))[2] == pytest.approx(2 * width, rel=0.05)


def test_zoom_and_slider_stay_from_picture_to_picture(open_page: Open, file: Path) -> None:
    """So that one detail can be looked at in all of them."""
    opened = open_page(file, JOB)
    opened.page.locator("#slider").focus()
    opened.page.keyboard.press("ArrowLeft")
    opened.page.keyboard.press("+")
    before = box(picture(opened))
    opened.page.locator("#job-next").click()
    expect(opened.page.locator("#job-title")).to_have_text("cat/beach-512x512-scale0.8-seed7")
    assert box(picture(opened)) == pytest.approx(before, abs=1)
    assert opened.page.locator("#slider").input_value() == "48"
