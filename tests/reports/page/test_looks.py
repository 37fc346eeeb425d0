"""For every reader: dark and light, a phone, a screen reader, and money also in words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.reports.page.conftest import Open, Opened

pytestmark = pytest.mark.proof

PHONE = (390, 844)
JOB = "#job=cat%2Fbeach-512x512-scale0.4-seed7"
VIEWS = ["", "#view=money", JOB, f"{JOB}&with=cat%2Fwatercolor-512x512-scale0.4-seed7"]


def ground(opened: Opened) -> int:
    """How light the page's ground is, 0 to 255."""
    colour = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    return int(colour.partition("(")[2].partition(",")[0])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_follows_the_system_and_the_reader(
    open_page: Open, file: Path, scheme: Literal["light", "dark"]
) -> None:
    """The button goes from the system's to light to dark, whatever the system says."""
    opened = open_page(file, scheme=scheme)
    assert (ground(opened) > 128) == (scheme == "light")
    button = opened.page.get_by_role("button", name="Theme")
    expect(button).to_have_accessible_name("Theme: auto")
    button.click()
    assert ground(opened) > 128
    button.click()
    assert ground(opened) < 128
    opened.page.reload()
    expect(button).to_have_accessible_name("Theme: dark")
    assert ground(opened) < 128


def test_paper_shows_every_tile(open_page: Open, file: Path) -> None:
    """On the screen, only those near it have a picture."""
    opened = open_page(file, size=(400, 200))
    empty = "all => all.filter(tile => !tile.firstChild).length"
    assert opened.tiles().evaluate_all(empty) > 0
    opened.page.pdf()
    assert opened.tiles().evaluate_all(empty) == 0


@pytest.mark.parametrize("fragment", VIEWS)
def test_a_phone_scrolls_up_and_down_alone(open_page: Open, file: Path, fragment: str) -> None:
    """Nothing but the grid itself is wider than the screen."""
    opened = open_page(file, fragment, size=PHONE)
    assert opened.page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
    assert opened.page.evaluate("document.body.scrollWidth") == PHONE[0]
    wide = """all => all.filter(each => each.getBoundingClientRect().width > innerWidth + 1)
        .map(each => each.id || each.className)"""
    assert opened.page.locator(".pinned, #job[open], #job[open] *").evaluate_all(wide) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("fragment", VIEWS)
def test_it_is_accessible(
    open_page: Open, file: Path, fragment: str, scheme: Literal["light", "dark"]
) -> None:
    """axe finds nothing: names of controls and pictures, contrast, roles, headings, landmarks."""
    opened = open_page(file, fragment, scheme=scheme)
    found = Axe().run(opened.page)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_opens_by_keys_is_accessible(
    open_page: Open, file: Path, scheme: Literal["light", "dark"]
) -> None:
    """The bar of a selection, the keys, and the folded facts of a job with trouble."""
    opened = open_page(file, scheme=scheme)
    opened.tiles().first.press("p")
    opened.tiles().first.press("Control+a")
    expect(opened.page.locator("#selection")).to_be_visible()
    found = Axe().run(opened.page)
    assert found.violations_count == 0, found.generate_report()
    opened.page.keyboard.press("?")
    expect(opened.page.locator("#help")).to_be_visible()
    found = Axe().run(opened.page)
    assert found.violations_count == 0, found.generate_report()
    opened.page.keyboard.press("Escape")
    opened.page.locator("#trouble .reason .tile").nth(3).click()
    opened.page.locator("#technical").click()
    found = Axe().run(opened.page)
    assert found.violations_count == 0, found.generate_report()


def test_every_picture_and_control_has_a_name(open_page: Open, file: Path) -> None:
    """As the browser tells a screen reader; a tile says its axes and where it stands."""
    opened = open_page(file)
    names = opened.tiles().evaluate_all("all => all.map(each => each.ariaLabel)")
    assert "cat, recolor, color coral, 768x512, scale 0.8".replace(", ", " · ") in {
        name.rpartition(":")[0] for name in names
    }
    assert len(set(names)) == len(names)
    opened.tiles().first.click()
    opened.page.locator("#technical").click()
    nameless = opened.page.locator("button, select, input, a").evaluate_all(
        """all => all.filter(
            each => !(each.ariaLabel || each.labels?.length || each.innerText.trim())
        ).map(each => each.outerHTML)"""
    )
    assert nameless == []


def test_money_by_any_axis(open_page: Open, file: Path) -> None:
    """The bars add up to what was spent, on whatever axis; the chart says so in words."""
    opened = open_page(file, "#view=money")
    spent = opened.page.locator(".figures b").first.inner_text()
    for axis, values in (("input", 2), ("prompt", 3), ("color", 3), ("size", 2), ("seed", 1)):
        opened.page.get_by_label("by", exact=True).select_option(axis)
        chart = opened.page.get_by_role("img").first
        expect(chart).to_have_accessible_name(re.compile(f"^Money by {axis}: "))
        opened.page.locator(".money details summary").first.click()
        rows = opened.page.locator(".money details tbody").first.locator("tr")
        expect(rows).to_have_count(values)
        paid = [float(each.split("\t")[2].split()[0]) for each in rows.all_inner_texts()]
        assert f"{sum(paid):.2f} USD" == spent


def test_money_over_time(open_page: Open, file: Path) -> None:
    """A line that only rises, up to all that was spent, with the same in words and as a table."""
    opened = open_page(file, "#view=money")
    spent = opened.page.locator(".figures b").first.inner_text()
    chart = opened.page.get_by_role("img", name=f"{spent} spent from")
    heights = chart.locator(".line").evaluate(
        "line => [...line.getAttribute('d').matchAll(/V([\\d.]+)/g)].map(each => Number(each[1]))"
    )
    assert len(heights) > 20
    assert heights == sorted(heights, reverse=True)
    opened.page.locator(".money details summary").last.click()
    last = opened.page.locator(".money details tbody").last.locator("tr").last
    expect(last).to_contain_text(spent)


def test_motion_is_left_out_for_those_who_ask(open_page: Open, file: Path) -> None:
    """No transition runs."""
    opened = open_page(file)
    opened.page.emulate_media(reduced_motion="reduce")
    times = opened.page.locator("*").evaluate_all(
        "all => all.map(each => getComputedStyle(each).transitionDuration)"
    )
    assert set(times) == {"0s"}
