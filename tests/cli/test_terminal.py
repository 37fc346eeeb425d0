"""The terminal: colours where they are wanted, and a bar with what there is room for."""

from __future__ import annotations

import io
from decimal import Decimal

import pytest

from spark_batch.cli import colours, progress
from spark_batch.cli.colours import Colour
from spark_batch.project import Done, Failed, Tally
from tests.cli.conftest import Call, Folder


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "variables", "expected"),
    [
        (Terminal(), {}, True),
        (io.StringIO(), {}, False),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        (io.StringIO(), {"FORCE_COLOR": "1"}, True),
        (io.StringIO(), {"FORCE_COLOR": "0"}, False),
        (io.StringIO(), {"CLICOLOR_FORCE": "1"}, True),
        (Terminal(), {"CLICOLOR": "0"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
    ],
)
def test_colours_are_there_where_they_are_wanted(
    stream: io.StringIO, variables: dict[str, str], expected: bool
) -> None:
    assert colours.has_colours(stream, variables) is expected


def test_a_text_from_outside_brings_no_colour_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    line = colours.line(io.StringIO(), ("failed\x1b[2J", Colour.BAD), " \x1b[32mname")
    assert line.count("\x1b") == 2
    assert line.startswith("\x1b[31mfailed")


def test_the_words_are_the_same_without_colours(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    plain = call("plan", folder.recipe).out
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = call("plan", folder.recipe).out
    assert coloured.count("\x1b[32m+\x1b[0m ") == 4
    assert coloured.replace("\x1b[32m", "").replace("\x1b[0m", "") == plain


def test_a_changed_job_has_a_sign_of_its_own(folder: Folder, call: Call) -> None:
    call("run", folder.recipe, "--sandbox")
    folder.edit("[Beach, Snow]", "[{id: beach, text: A beach}, {id: snow, text: Snow}]")
    assert call("plan", folder.recipe, "--sandbox").out.startswith("~ photo/beach")


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_the_bar_has_money_and_what_is_in_flight_at_any_width(columns: int) -> None:
    tally = Tally(done=2, failed=1, in_flight=100, spent=Decimal("12.48"), expected=Decimal("20.5"))
    shown = progress.bar_format(tally, progress.Trouble(3, 4), 400, columns)
    assert "100 in flight" in shown
    assert "12.48 " in shown
    assert columns > 40 or len(shown.replace("{n_fmt}/{total_fmt}", "399/400")) <= 40


def test_the_bar_shows_retries_and_flagged_pictures() -> None:
    trouble = progress.Trouble()
    trouble.count(Failed("k", "name", None, "no", retrying=True))
    trouble.count(Done("k", ("a.jpg",), None, flag="it is all black"))
    shown = progress.bar_format(Tally(), trouble, 10, 120)
    assert "1 retries, 1 flagged, 0 in flight" in shown


def test_no_time_left_is_guessed_from_the_first_pictures() -> None:
    assert "left" not in progress.bar_format(Tally(done=4), progress.Trouble(), 100, 120)
    assert "left" in progress.bar_format(Tally(done=5), progress.Trouble(), 100, 120)


def test_a_long_line_is_folded_after_the_name() -> None:
    parts = (("failed", Colour.BAD), f" {'n' * 30}: {'word ' * 20}")
    head, text = progress.folded(parts, 80)
    assert head == parts[0]
    lines = f"failed{text}".splitlines()
    assert lines[0] == f"failed {'n' * 30}:"
    assert all(len(line) <= 80 and line.startswith("    ") for line in lines[1:])
    assert progress.folded(parts, 200) == parts
