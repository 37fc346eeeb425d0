"""`--only` in plan, run, retry, status and report."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from spark_batch.sandbox import Served
from tests.cli.conftest import Call, Folder


def _rows(output: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((output / "tiny.manifest.csv").read_text().splitlines()))


def test_only_what_is_chosen_is_made(folder: Folder, call: Call) -> None:
    """The others stay as they are, in the manifest too, and are made by the next run."""
    ended = call("run", folder.recipe, "--sandbox", "--only", "prompt=beach,scale=0.40")
    assert (ended.code, len(folder.ledger())) == (0, 1)
    rows = _rows(folder.previews)
    assert [row["status"] for row in rows] == ["done", "pending", "pending", "pending"]
    again = call("run", folder.recipe, "--sandbox", "--only", "prompt=beach,scale=0.40")
    assert again.out.startswith("nothing to do: 1 job done")
    call("run", folder.recipe, "--sandbox")
    assert len(folder.ledger()) == 4


def test_plan_tells_what_is_left_out(folder: Folder, call: Call) -> None:
    """The sums are those of the selection."""
    planned = call("plan", folder.recipe, "--sandbox", "--only", "prompt=b*", "--only", "scale=0.7")
    assert "3 to create" in planned.out
    assert "1 left as they are (--only)" in planned.out
    assert "expected 0.09 USD" in planned.out


def test_status_and_report_choose_from_the_checkpoint(folder: Folder, call: Call) -> None:
    """`report --only` prints, and leaves the whole manifest alone."""
    call("run", folder.recipe, "--sandbox", "--limit", "2")
    assert "2 jobs in" in call("status", folder.recipe, "--sandbox", "--only", "status=done").out
    manifest = folder.previews / "tiny.manifest.csv"
    before = manifest.read_bytes()
    told = call("report", folder.recipe, "--sandbox", "--only", "status=done,scale=0.4")
    assert [row["scale"] for row in csv.DictReader(told.out.splitlines())] == ["0.4"]
    assert manifest.read_bytes() == before


@pytest.mark.parametrize("absolute", [True, False])
def test_an_output_is_chosen_by_its_pictures_path(
    absolute: bool, folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the shell completes it, from any folder, with wildcards; or by its name, as before."""
    call("run", folder.recipe, "--sandbox")
    path = folder.pictures()[0]
    other = folder.path / "elsewhere"
    other.mkdir()
    monkeypatch.chdir(other)
    given = path if absolute else Path(os.path.relpath(path))  # with ..
    name = path.relative_to(folder.previews).with_name(path.stem).as_posix()
    for value in (given, given.with_name(f"{path.stem[:-3]}*.jpg"), name, f"{name}.jpg"):
        path.unlink(missing_ok=True)
        only = ("--only", f"output={value}")
        assert "1 job in" in call("status", folder.recipe, "--sandbox", *only).out
        assert "1 to restore" in call("plan", folder.recipe, "--sandbox", *only).out
        assert call("run", folder.recipe, "--sandbox", *only).out.startswith("1 job done; 0 tasks")
        rest = call("report", folder.recipe, "--sandbox", "--only", f"output!={value}").out
        assert len(rest.splitlines()) == 4
    assert call("status", folder.recipe, "--only", f"output={given}", "--sandbox").code == 0
    wrong = call("plan", folder.recipe, "--sandbox", "--only", f"output={path}.png")
    assert (wrong.code, "no job has the output" in wrong.err) == (2, True)


@pytest.mark.parametrize("command", ["plan", "run", "retry"])
def test_a_wrong_selection_spends_nothing(folder: Folder, call: Call, command: str) -> None:
    """One line that says what there is, exit 2, and nothing sent."""
    ended = call(command, folder.recipe, "--sandbox", "--only", "prompt=beech")
    assert ended.code == 2
    assert ended.err.strip().endswith("no job has the prompt 'beech'; did you mean 'beach'?")
    assert folder.ledger() == []


def test_one_request_under_two_names_is_made_when_one_of_them_is_chosen(
    folder: Folder, call: Call
) -> None:
    """Whichever of the two lines comes first in the recipe."""
    folder.edit("[Beach, Snow]", "[{id: one, text: Beach}, {id: two, text: Beach}]")
    folder.edit("[0.4, 0.7]", "0.4")
    ended = call("run", folder.recipe, "--sandbox", "--only", "prompt=two")
    assert (ended.code, len(folder.ledger()), len(folder.pictures())) == (0, 1, 2)


def test_retry_takes_the_chosen_ones(
    folder: Folder, call: Call, server: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed job outside of the selection stays failed."""
    served = server(create=["create-code:003003002"] * 4)
    monkeypatch.setenv("SPARK_API_KEY", "sk-1")
    monkeypatch.setenv("SPARK_BASE_URL", served.url)
    first = call("run", folder.recipe)
    assert first.code == 1
    call("retry", folder.recipe, "--only", "prompt=snow,scale=0.7,status=failed")
    rows = _rows(folder.out)
    assert [row["status"] for row in rows] == ["failed", "failed", "failed", "done"]
