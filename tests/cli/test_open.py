"""`run --open` and `review --open`, with a program in the place of the browser."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Call, Folder, start

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the browser is a shell script")


@pytest.fixture
def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A browser that writes the address and its environment into a file."""
    script, seen = tmp_path / "browser", tmp_path / "seen"
    script.write_text(f'#!/bin/sh\n(echo "$1"; env) > {seen}.part\nmv {seen}.part {seen}\n')
    script.chmod(0o755)
    for name, value in {"BROWSER": f"{script} %s", "DISPLAY": ":9"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SPARK_API_KEY", "canary-key")
    monkeypatch.delenv("CI", raising=False)
    return seen


def test_the_page_is_opened_at_the_end(folder: Folder, call: Call, browser: Path) -> None:
    """The browser gets its address, and no key."""
    ended = call("run", folder.recipe, "--sandbox", "--open")
    assert ended.code == 0
    while not browser.exists():  # on a busy machine the run ends before the browser has begun
        time.sleep(0.01)
    address, *environment = browser.read_text().splitlines()
    assert address == (folder.previews / "tiny.html").as_uri()
    assert "DISPLAY=:9" in environment
    assert "canary" not in browser.read_text()
    assert "no browser" not in ended.err


@pytest.mark.parametrize("variables", [{"CI": "true"}, {"DISPLAY": None}])
def test_where_nobody_looks_the_page_is_named(
    folder: Folder,
    call: Call,
    browser: Path,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str | None],
) -> None:
    """In CI, and without a display: no error, and no browser."""
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    for name, value in variables.items():
        monkeypatch.delenv(name, raising=False)
        if value:
            monkeypatch.setenv(name, value)
    ended = call("run", folder.recipe, "--sandbox", "--open")
    assert ended.code == 0
    assert f"cannot open a browser here: open {folder.previews / 'tiny.html'}" in ended.err
    assert not browser.exists()


def test_the_address_of_a_review_is_on_no_command_line(
    folder: Folder, call: Call, browser: Path
) -> None:
    """The browser is given a file of this user alone, which leads there."""
    call("run", folder.recipe, "--sandbox")
    named = {name: os.environ[name] for name in ("BROWSER", "DISPLAY")}
    process = start("review", folder.recipe, "--sandbox", "--open", **named)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("review at ").strip()
        while not browser.exists():
            assert process.poll() is None
        opened = browser.read_text().splitlines()[0]
        page = Path(opened.removeprefix("file://"))
        assert url not in opened
        assert f'url={url}"' in page.read_text()
        assert page.parent.stat().st_mode & 0o077 == 0
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert not page.exists()
