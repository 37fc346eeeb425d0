"""Selecting tiles in a real browser, and verdicts on all that are selected."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.reports.page.conftest import Open, Opened


def selected(opened: Opened) -> list[str]:
    """The selected jobs of the grid, as they are read."""
    found: list[str] = opened.page.locator("#grid .tile[data-selected]").evaluate_all(
        "all => all.map(each => each.dataset.job)"
    )
    return found


def judged(opened: Opened, verdict: str) -> list[str]:
    """The jobs of the grid with a verdict."""
    found: list[str] = opened.page.locator(f"#grid .tile[data-verdict={verdict}]").evaluate_all(
        "all => all.map(each => each.dataset.job)"
    )
    return found


def test_control_and_shift_click_select(open_page: Open, file: Path) -> None:
    """One by one, and up to a tile in the order in which they are read; no job opens."""
    opened = open_page(file)
    names = opened.names()
    opened.tiles().nth(0).click(modifiers=["Control"])
    opened.tiles().nth(2).click(modifiers=["Control"])
    assert selected(opened) == [names[0], names[2]]
    opened.tiles().nth(5).click(modifiers=["Shift"])
    assert selected(opened) == [names[0], *names[2:6]]
    opened.tiles().nth(0).click(modifiers=["Control"])
    assert selected(opened) == names[2:6]
    expect(opened.page.locator("#selection b")).to_have_text("4 selected")
    expect(opened.page.locator("#job")).to_be_hidden()


def test_space_selects_and_escape_clears(open_page: Open, file: Path) -> None:
    """By keys alone; the tile says it to a screen reader."""
    opened = open_page(file)
    opened.tiles().first.press("Space")
    opened.page.keyboard.press("ArrowRight")
    opened.page.keyboard.press("Space")
    assert selected(opened) == opened.names()[:2]
    expect(opened.page.locator("#job")).to_be_hidden()
    assert str(opened.tiles().first.get_attribute("aria-label")).endswith(", selected")
    opened.page.keyboard.press("Space")
    assert selected(opened) == opened.names()[:1]
    opened.page.keyboard.press("Escape")
    assert selected(opened) == []
    expect(opened.page.locator("#selection")).to_be_hidden()


def test_a_tap_selects_while_the_button_is_pressed(open_page: Open, file: Path) -> None:
    """For touch screens, which have no control key."""
    opened = open_page(file, size=(390, 844))
    opened.page.locator("#select").click()
    expect(opened.page.locator("#select")).to_have_attribute("aria-pressed", "true")
    opened.tiles().nth(0).click()
    opened.tiles().nth(1).click()
    assert selected(opened) == opened.names()[:2]
    opened.page.locator("#selection-pick").click()
    assert judged(opened, "pick") == opened.names()[:2]
    opened.page.locator("#select").click()
    assert selected(opened) == []
    opened.tiles().first.click()
    expect(opened.page.locator("#job")).to_be_visible()


def test_a_verdict_goes_to_the_whole_selection_and_one_undo_takes_it_back(
    open_page: Open, file: Path
) -> None:
    """Also what some of them had before."""
    opened = open_page(file)
    names = opened.names()
    opened.tiles().nth(1).press("p")
    opened.tiles().nth(0).click(modifiers=["Control"])
    opened.tiles().nth(3).click(modifiers=["Shift"])
    opened.page.keyboard.press("x")
    assert judged(opened, "reject") == names[:4]
    expect(opened.page.locator("#picks")).to_contain_text("0 picked · 4 rejected")
    opened.page.keyboard.press("z")
    assert judged(opened, "reject") == []
    assert judged(opened, "pick") == [names[1]]
    assert selected(opened) == names[:4]


def test_a_verdict_does_not_reach_selected_tiles_that_a_filter_hides(
    open_page: Open, file: Path
) -> None:
    """What stays in sight stays selected; without a selection the key is for the tile in focus."""
    opened = open_page(file)
    page, search = opened.page, opened.page.locator("#search")
    beach, other = (next(n for n in opened.names() if word in n) for word in ("beach", "recolor"))
    for name in (beach, other):
        page.locator(f'#grid .tile[data-job="{name}"]').click(modifiers=["Control"])
    search.fill("recolor")
    expect(page.locator("#selection b")).to_have_text("1 selected")
    search.fill("watercolor")
    expect(page.locator("#selection")).to_be_hidden()
    opened.tiles().first.press("x")
    expect(page.locator("#picks")).to_contain_text("0 picked · 1 rejected")
    expect(opened.tiles().first).to_have_attribute("data-verdict", "reject")


def test_all_that_is_shown_can_be_selected(open_page: Open, file: Path) -> None:
    """What a filter hides is not."""
    opened = open_page(file, "#axis.scale=0.8")
    opened.tiles().first.press("Control+a")
    assert selected(opened) == opened.names()
    opened.page.keyboard.press("p")
    opened.page.get_by_role("button", name="Clear filters").click()
    assert len(judged(opened, "pick")) == len(opened.names()) / 2
