"""A real Chromium, which opens pages from disk and is asked for nothing but what stands there.

Tests wait with `expect`, never with `wait_for_function`: that evaluates a text in the page, which
its Content-Security-Policy stops from the second try on, so it fails just when it has to wait.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from spark_batch.project import RecipeLayout
from tests.reports.page import showcase

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESK = (1280, 800)
# How long a page may take to get there: on a busy machine, loading one takes some seconds.
_PATIENCE_MS = 60_000
expect.set_options(timeout=_PATIENCE_MS)


def find_chromium() -> str | None:
    """Where the browser is: SPARK_BATCH_CHROMIUM, or what the system calls chromium."""
    return os.environ.get("SPARK_BATCH_CHROMIUM") or shutil.which("chromium")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path; without one the tests are skipped, or fail where it is required."""
    found = find_chromium()
    if found:
        return found
    reason = "there is no chromium: install Debian's, or name one in SPARK_BATCH_CHROMIUM"
    if os.environ.get("SPARK_BATCH_BROWSER") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """One browser for all tests."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield browser
        browser.close()


@dataclass
class Opened:
    """A page in the browser, and all that it asked for or complained about."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def tiles(self) -> Locator:
        """The tiles of the grid."""
        return self.page.locator("#grid .tile")

    def heads(self, scope: Literal["row", "col"]) -> list[str]:
        """The names of the grid's rows or columns."""
        return self.page.locator(f"#grid th[scope={scope}] .label").all_inner_texts()

    def names(self) -> list[str]:
        """The output names of the jobs in the grid, as they are read."""
        found: list[str] = self.tiles().evaluate_all("all => all.map(each => each.dataset.job)")
        return found

    def focused(self) -> str:
        """The id of the element that has the focus."""
        found: str = self.page.evaluate("document.activeElement.id")
        return found


def wait_until_drawn(page: Page) -> None:
    """The page's script waits for the browser's storage, and then draws all at once."""
    expect(page.locator("#theme")).not_to_be_empty()


Open = Callable[..., Opened]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Opens a page; what it asks a host for, and what it complains about, fails the test."""
    all_opened: list[Opened] = []

    def open_it(
        file: Path,
        fragment: str = "",
        *,
        size: tuple[int, int] = DESK,
        scheme: Literal["light", "dark"] = "light",
    ) -> Opened:
        viewport = {"width": size[0], "height": size[1]}
        context = browser.new_context(viewport=viewport, color_scheme=scheme)
        opened = Opened(context.new_page())
        all_opened.append(opened)
        opened.page.on("request", lambda request: opened.requests.append(request.url))
        opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        opened.page.on(
            "console",
            lambda said: said.type in ("error", "warning") and opened.complaints.append(said.text),
        )
        opened.page.set_default_timeout(_PATIENCE_MS)
        opened.page.goto(file.as_uri() + fragment)
        wait_until_drawn(opened.page)
        return opened

    yield open_it
    for opened in all_opened:
        opened.page.context.close()
        assert opened.complaints == []
        assert [url for url in opened.requests if not url.startswith(("file:", "data:"))] == []


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a recipe that has been run."""
    return tmp_path_factory.mktemp("showcase")


@pytest.fixture(scope="session")
def layout(folder: Path) -> RecipeLayout:
    """What a run with troubles has made there."""
    return showcase.make_run(folder)


@pytest.fixture(scope="session")
def file(layout: RecipeLayout, folder: Path) -> Path:
    """Its page."""
    return showcase.write_page(layout, folder)
