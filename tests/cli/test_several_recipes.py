"""`run` with several recipes, and `--events`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spark_batch.errors import ExitCode
from spark_batch.models import schemas
from tests.cli.conftest import Call, Ended, Folder, MakeServer, start


@pytest.fixture
def others(folder: Folder) -> tuple[Path, Path]:
    """Two further recipes beside the first."""
    paths = (folder.path / "second.yaml", folder.path / "third.yaml")
    for path in paths:
        path.write_text(folder.recipe.read_text().replace("tiny", path.stem))
    return paths


def _events(path: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        schemas.validator("events").validate(line)
    return lines


def test_several_recipes_are_run_one_after_the_other(
    folder: Folder, others: tuple[Path, Path], call: Call
) -> None:
    """Each with its own checkpoint and its own limits; one that is given twice is run once."""
    second, _ = others
    ended = call("run", folder.recipe, second, folder.recipe, "--sandbox", "--limit", "3")
    assert ended.code == ExitCode.DONE
    lines = ended.out.splitlines()
    assert [line for line in lines if line.endswith(".yaml:")] == [
        f"{folder.recipe}:",
        f"{second}:",
    ]
    assert sum(line.startswith("3 jobs done; 3 tasks created") for line in lines) == 2
    for name in ("tiny", "second"):
        state = folder.path / "out" / name / "sandbox" / ".spark-batch"
        assert (state / f"{name}.checkpoint").exists()


def test_a_broken_recipe_is_an_error_before_any_is_run(
    folder: Folder, others: tuple[Path, Path], call: Call
) -> None:
    others[1].write_text("version: 1\n")
    ended = call("run", folder.recipe, *others, "--sandbox")
    assert ended.code == ExitCode.WRONG
    assert not (folder.path / "out").exists()


def test_one_that_cannot_be_run_stops_no_other_and_the_highest_code_counts(
    folder: Folder, others: tuple[Path, Path], call: Call
) -> None:
    """The second one's checkpoint is damaged; the third one stops at max_cost."""
    second, third = others
    call("run", second, "--sandbox")
    checkpoint = folder.path / "out" / "second" / "sandbox" / ".spark-batch" / "second.checkpoint"
    checkpoint.write_bytes(b"spoilt" * 1000)
    third.write_text(third.read_text().replace("run: {", "run: {max_cost: 0.03, "))
    ended = call("run", second, third, folder.recipe, "--sandbox")
    assert f"spark-batch: {second}: " in ended.err
    assert "1 job done; 1 task created" in ended.out
    assert "4 jobs done; 4 tasks created" in ended.out
    assert ended.code == ExitCode.OVER_BUDGET
    assert call("run", second, folder.recipe, "--sandbox").code in (1, 2)


def test_a_refused_key_stops_all(
    folder: Folder,
    others: tuple[Path, Path],
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
    server: MakeServer,
) -> None:
    monkeypatch.setenv("SPARK_API_KEY", "another")
    monkeypatch.setenv("SPARK_BASE_URL", server(key="the-key").url)
    ended = call("run", *others, folder.recipe)
    assert ended.code == ExitCode.REFUSED
    assert ended.out.splitlines()[-1] == f"not run: {others[1]}, {folder.recipe}"
    assert (folder.path / "out" / "second").exists()
    assert not (folder.path / "out" / "third").exists()


def test_a_saved_plan_is_of_one_recipe(
    folder: Folder, others: tuple[Path, Path], call: Call
) -> None:
    ended = call("run", folder.recipe, *others, "--plan", "a.plan")
    assert (ended.code, "a saved plan is for one recipe" in ended.err) == (2, True)
    assert call("run").code == ExitCode.WRONG


def test_events_of_all_recipes_stand_in_one_file(
    folder: Folder, others: tuple[Path, Path], call: Call
) -> None:
    path = folder.path / "events.jsonl"
    assert call("run", folder.recipe, others[0], "--sandbox", "--events", path).code == 0
    assert call("retry", folder.recipe, "--sandbox", "--events", path).code == 0
    lines = _events(path)
    assert {line["recipe"] for line in lines} == {str(folder.recipe), str(others[0])}
    names = [line["event"] for line in lines]
    assert {name: names.count(name) for name in dict.fromkeys(names)} == {
        "started": 2,
        "submitted": 8,
        "done": 8,
        "ended": 3,
    }
    assert lines[-1]["spent_usd"] == "0.12"


def test_a_file_that_is_none_of_events_is_an_error_before_anything_is_sent(
    folder: Folder, call: Call
) -> None:
    before = folder.recipe.read_bytes()
    ended = call("run", folder.recipe, "--sandbox", "--events", folder.recipe)
    assert (ended.code, "holds no events" in ended.err) == (2, True)
    assert folder.recipe.read_bytes() == before
    assert not (folder.path / "out").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_of_events_loses_no_picture(folder: Folder, call: Call) -> None:
    ended = call("run", folder.recipe, "--sandbox", "--events", "/dev/full")
    assert ended.code == ExitCode.FAILED
    assert ended.err.splitlines()[-1] == (
        "spark-batch: events are missing in /dev/full: No space left on device"
    )
    assert len(folder.pictures()) == 4
    assert "4 done" in call("status", folder.recipe, "--sandbox").out


def test_events_may_go_to_standard_output(folder: Folder) -> None:
    """Between the results, which do not begin with a brace."""
    process = start("run", folder.recipe, "--sandbox", "--events", "/dev/stdout")
    out, err = process.communicate(timeout=120)
    ended = Ended(process.returncode, out, err)
    assert ended.code == ExitCode.DONE, ended.err
    lines = [json.loads(line) for line in ended.out.splitlines() if line.startswith("{")]
    assert [line["event"] for line in lines].count("done") == 4
