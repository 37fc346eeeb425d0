"""The terminal: colours where they are wanted, and a bar with what there is room for."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from spark_batch.cli import colours, progress
from spark_batch.cli.colours import Colour
from spark_batch.errors import ExitCode
from spark_batch.project import (
    BecameUncertain,
    Done,
    Expired,
    Failed,
    Halted,
    Submitted,
    Tally,
    Unfinished,
    models,
)
from tests.cli.conftest import Call, Folder, MakeServer


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


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (20, "{n}, 8 in flight, 12.48 USD"),
        (40, "{n}, 19 failed, 8 in flight, 12.48 USD"),
        (52, "{n}, 19 failed, 4 flagged, 8 in flight, 12.48 USD"),
        (80, "{bar}{n}, {left}, 19 failed, 4 flagged, 8 in flight, 12.48 USD"),
        (120, "{bar}{n}, {left}, 19 failed, 3 retries, 4 flagged, 8 in flight, 12.48{of} USD"),
    ],
)
def test_the_bar_has_what_there_is_room_for_and_always_money(columns: int, expected: str) -> None:
    tally = Tally(done=30, failed=19, in_flight=8, spent=Decimal("12.48"), expected=Decimal("20.5"))
    shown = progress.bar_format(tally, progress.Trouble(3, 4), 72, columns)
    for name, field in (
        ("{bar}", "{percentage:3.0f}% {bar} "),
        ("{n}", "{n_fmt}/{total_fmt}"),
        ("{left}", "{remaining} left"),
        ("{of}", " of about 20.5"),
    ):
        shown = shown.replace(field, name)
    assert shown == expected


def test_a_line_above_the_bar_covers_the_bar_and_an_echoed_interrupt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("sys.stderr", screen := Terminal())
    with progress.Bar(3, models.default().errors, "USD") as bar:
        bar.show(Submitted("k", "task"), Tally(in_flight=1))
        screen.write("^C")
        bar.show(Halted(ExitCode.INTERRUPTED, "enough"), Tally(in_flight=1))
    drawn = screen.getvalue().split("^C")
    assert all(len(shown) + len("^C") < 60 for shown in drawn[0].split("\r"))
    assert drawn[1].startswith(f"\r{' ' * 59}\r")
    assert "\rstopping: enough\n" in drawn[1]


def test_the_bar_shows_retries_and_flagged_pictures() -> None:
    trouble = progress.Trouble()
    trouble.count(Failed("k", "name", None, "no", retrying=True))
    trouble.count(Done("k", ("a.jpg",), None, flag="it is all black"))
    shown = progress.bar_format(Tally(), trouble, 10, 120)
    assert "1 retry, 1 flagged, 0 in flight" in shown


def test_no_time_left_is_guessed_from_the_first_pictures() -> None:
    assert "left" not in progress.bar_format(Tally(done=4), progress.Trouble(), 100, 120)
    assert "left" in progress.bar_format(Tally(done=5), progress.Trouble(), 100, 120)


def test_advice_is_given_once_a_code_and_once_a_kind() -> None:
    advice = progress.Advice(models.default().errors)
    failed = [Failed("k", name, "003003006", "no", retrying=False) for name in ("a", "b")]
    first, second = map(advice.on, failed)
    assert first is not None
    assert first.startswith("about 003003006: ")
    assert second is None
    assert advice.on(Failed("k", "c", "003003002", "no", retrying=False)) is not None
    assert advice.on(Failed("k", "d", "003003001", "no", retrying=True)) is None
    assert advice.on(Failed("k", "e", None, "no", retrying=False)) is None
    for kind in (Expired, Unfinished, BecameUncertain):
        assert advice.on(kind("k", "a", "why")) is not None
        assert advice.on(kind("k", "b", "why not")) is None


def test_the_advice_on_a_code_follows_its_first_failure(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, server: MakeServer
) -> None:
    monkeypatch.setenv("SPARK_API_KEY", "k")
    monkeypatch.setenv("SPARK_BASE_URL", server(create=["create-code:003003006"] * 4).url)
    lines = [line.partition(" ")[2] for line in call("run", folder.recipe).err.splitlines()]
    failed = [at for at, line in enumerate(lines) if line.startswith("failed ")]
    assert len(failed) == 4
    advised = [at for at, line in enumerate(lines) if line.startswith("about 003003006: ")]
    assert advised == [failed[0] + 1]


def test_a_price_that_a_wrong_key_asks_for_names_the_key(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, server: MakeServer
) -> None:
    monkeypatch.setenv("SPARK_API_KEY", "another")
    monkeypatch.setenv("SPARK_BASE_URL", server(key="the-key").url)
    ended = call("plan", folder.recipe, "--quote")
    assert "no quote: the API refuses the key: check SPARK_API_KEY (HTTP 401" in ended.err


def test_a_path_is_a_link_on_a_terminal_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name from outside does not steer it, and stands escaped in the address."""
    path = tmp_path / "a page\x1b.html"
    for stream, variables, linked in [
        (Terminal(), {"TERM": "xterm"}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
    ]:
        monkeypatch.setenv("TERM", variables["TERM"])
        monkeypatch.setattr("sys.stdout", stream)
        colours.print_link("page ", path)
        text = stream.getvalue()
        assert text.startswith("page ")
        assert text.count("\x1b") == (4 if linked else 0)
        assert (f"\x1b]8;;{tmp_path.as_uri()}/a%20page%1B.html\x1b\\" in text) is linked
        assert f"{tmp_path}/a page\\u001b.html" in text


def test_a_long_line_is_folded_after_the_name() -> None:
    parts = (("failed", Colour.BAD), f" {'n' * 30}: {'word ' * 20}")
    head, text = colours.folded(parts, 80)
    assert head == parts[0]
    lines = f"failed{text}".splitlines()
    assert lines[0] == f"failed {'n' * 30}:"
    assert all(len(line) <= 80 and line.startswith("    ") for line in lines[1:])
    assert colours.folded(parts, 200) == parts


def test_a_command_in_a_folded_line_can_be_copied() -> None:
    command = "`spark-batch retry recipes/summer.yaml --sandbox --only status=failed`"
    _, text = colours.folded(("      5 ", f"{command} makes them again, for money"), 40, after="")
    assert text == f"\n    {command}\n    makes them again, for money"
    line = f"  saved: {command} makes them again, for money"
    assert (
        colours.wrapped(line, 40) == f"  saved:\n      {command}\n      makes them again, for money"
    )


def test_a_line_is_folded_on_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    text = f" {'n' * 30}  new  about 0.03 USD"
    colours.print_folded("+", text, after="  ")
    assert capsys.readouterr().out == f"+{text}\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    colours.print_folded("+", text, after="  ")
    assert capsys.readouterr().out == f"+ {'n' * 30}\n    new  about 0.03 USD\n"


def test_money_of_the_sandbox_is_play_money_during_a_run(folder: Folder, call: Call) -> None:
    assert "(0.03 play USD)\n" in call("run", folder.recipe, "--sandbox").err


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are POSIX")
def test_whoever_answers_no_is_told_that_nothing_was_sent(
    folder: Folder, server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = server()
    monkeypatch.setenv("SPARK_API_KEY", "k")
    monkeypatch.setenv("SPARK_BASE_URL", served.url)
    ours, theirs = os.openpty()
    os.write(ours, b"n\n")
    command = [sys.executable, "-m", "spark_batch", "run", str(folder.recipe)]
    ended = subprocess.Popen(command, stdin=theirs, stderr=theirs, stdout=subprocess.DEVNULL)
    assert ended.wait(60) == ExitCode.INTERRUPTED
    assert b"nothing was sent" in os.read(ours, 10_000)
    os.close(ours)
    os.close(theirs)
    assert served.ledger.billed() == 0
