"""Opening a browser: where there is one, and with nothing of ours."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from spark_batch.project.browsing import browse

URL = "file:///tmp/page.html"


@pytest.mark.parametrize(
    ("variables", "platform", "opens"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({}, "darwin", True),
        ({}, "win32", True),
    ],
)
def test_a_display_is_needed(variables: dict[str, str], platform: str, opens: bool) -> None:
    started: list[Sequence[str]] = []

    def start(command: Sequence[str], _: dict[str, str]) -> bool:
        started.append(command)
        return True

    assert browse(URL, variables=variables, platform=platform, start=start) is opens
    assert [command[-1] for command in started] == [URL] * opens


def test_a_browser_is_given_named_variables_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the desktop, and no key."""
    monkeypatch.setenv("SPARK_API_KEY", "canary")
    found: dict[str, str] = {}

    def start(_: Sequence[str], environment: dict[str, str]) -> bool:
        found.update(environment)
        return True

    variables = {"DISPLAY": ":0", "BROWSER": "mine", "SPARK_API_KEY": "canary", "OTHER": "x"}
    assert browse(URL, variables=variables, platform="linux", start=start)
    assert (found["DISPLAY"], found["BROWSER"]) == (":0", "mine")
    assert "canary" not in found.values()
    assert "OTHER" not in found
