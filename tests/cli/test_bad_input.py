"""What a user can get wrong: one clear line, the right code, nothing sent, nothing lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spark_batch.errors import ExitCode
from tests.cli.conftest import Call, Folder, MakeServer

CANARY = "sk-canary-0123456789-never-show-me"


def in_no_file(folder: Path) -> bool:
    """Whether the canary stands in no file below a folder."""
    return not any(
        CANARY.encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file()
    )


def test_a_missing_key_is_told_before_anything_is_sent(folder: Folder, call: Call) -> None:
    """Exit 2, and the ways to give one."""
    ended = call("run", folder.recipe)
    assert ended.code == ExitCode.WRONG
    assert ended.err.splitlines()[-1].startswith("spark-batch: there is no API key")
    assert "--sandbox" in ended.err
    assert not (folder.path / "out").exists()


@pytest.mark.parametrize("key", ["with space inside", "tab\tinside", "n\u00f6n-ascii", "a\nb"])
def test_a_broken_key_is_told_without_being_shown(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """A key that no header can carry is exit 2."""
    monkeypatch.setenv("SPARK_API_KEY", key)
    ended = call("run", folder.recipe)
    assert ended.code == ExitCode.WRONG
    assert key not in ended.err


def test_the_key_is_nowhere(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, server: MakeServer
) -> None:
    """Not in output, files, checkpoint or manifest; also when it is refused, and from a file."""
    served = server(key=CANARY, create=[None, "500", "403"], poll=["500"], result=["truncated"])
    monkeypatch.setenv("SPARK_BASE_URL", served.url)
    env_file = folder.path / "secret.env"
    env_file.write_text(f"# the key\nexport SPARK_API_KEY='{CANARY}'\n")
    outs = [call("run", folder.recipe, "--env-file", env_file)]
    env_file.unlink()
    monkeypatch.setenv("SPARK_API_KEY", f" {CANARY}\n")
    outs += [call("run", folder.recipe), call("status", folder.recipe)]
    monkeypatch.setenv("SPARK_API_KEY", CANARY + "-wrong")
    folder.edit("Beach", "Rain")
    refused = call("run", folder.recipe)
    assert refused.code == ExitCode.REFUSED
    assert len(folder.pictures(folder.out)) == 3
    assert all(CANARY not in ended.out + ended.err for ended in [*outs, refused])
    assert in_no_file(folder.path)


def test_a_balance_that_is_empty_is_exit_5(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, server: MakeServer
) -> None:
    """Nothing more is sent, nothing is charged, and later all of it is made."""
    served = server(create=["403"])
    monkeypatch.setenv("SPARK_BASE_URL", served.url)
    monkeypatch.setenv("SPARK_API_KEY", "k")
    ended = call("run", folder.recipe, "--concurrency", "1")
    assert ended.code == ExitCode.REFUSED
    assert served.ledger.accepted() == []
    assert call("run", folder.recipe).code == ExitCode.DONE
    assert len(served.ledger.accepted()) == 4


def test_another_endpoint_while_tasks_are_open_is_refused(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, server: MakeServer
) -> None:
    """A paid task asked for elsewhere would seem lost: exit 2, and nothing changes."""
    served = server(poll=["unknown-status"] * 500)
    folder.edit("submit_rate: 100", "submit_rate: 100, task_timeout: 0.5")
    monkeypatch.setenv("SPARK_API_KEY", "k")
    monkeypatch.setenv("SPARK_BASE_URL", served.url)
    assert call("run", folder.recipe, "--limit", "1").code == ExitCode.FAILED
    monkeypatch.setenv("SPARK_BASE_URL", "http://127.0.0.1:9")
    ended = call("run", folder.recipe)
    assert ended.code == ExitCode.WRONG
    assert served.url in ended.err


@pytest.mark.parametrize("url", ["ftp://example.com", "http://example.com", "nonsense"])
def test_an_endpoint_that_cannot_be_is_told(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """Exit 2 before anything is sent; a key does not go over plain http."""
    monkeypatch.setenv("SPARK_API_KEY", "k")
    monkeypatch.setenv("SPARK_BASE_URL", url)
    ended = call("run", folder.recipe)
    assert ended.code == ExitCode.WRONG
    assert "base URL" in ended.err


@pytest.mark.parametrize("command", ["validate", "plan", "run", "retry", "status", "report"])
@pytest.mark.parametrize("content", [None, "", "just text", "- a list", "version: 2\n", "\0"])
def test_a_recipe_that_is_none(
    folder: Folder, call: Call, command: str, content: str | None
) -> None:
    """Missing, empty, no mapping, wrong: exit 2, the file's name, no traceback, nothing made."""
    if content is None:
        folder.recipe.unlink()
    else:
        folder.recipe.write_text(content)
    ended = call(command, folder.recipe)
    assert ended.code == ExitCode.WRONG
    assert "recipe.yaml" in ended.err
    assert "Traceback" not in ended.err
    assert not (folder.path / "out").exists()


@pytest.mark.parametrize("command", ["validate", "plan", "run"])
def test_a_missing_photo_is_told_with_its_place(folder: Folder, call: Call, command: str) -> None:
    """The line of the recipe, exit 2, nothing sent."""
    (folder.path / "photo.jpg").unlink()
    ended = call(command, folder.recipe)
    assert ended.code == ExitCode.WRONG
    assert "recipe.yaml:3:" in ended.err
    assert "photo.jpg" in ended.err


def test_an_output_folder_that_cannot_be_written(folder: Folder, call: Call) -> None:
    """Something else stands in the way: one line, nothing sent."""
    (folder.path / "out").mkdir()
    (folder.path / "out" / "tiny").mkdir()
    (folder.path / "out" / "tiny" / "sandbox").write_text("in the way")
    ended = call("run", folder.recipe, "--sandbox")
    assert ended.code == ExitCode.FAILED
    assert "sandbox" in ended.err.splitlines()[-1]
    assert "Traceback" not in ended.err


def test_a_damaged_checkpoint_stops_everything_and_stays(folder: Folder, call: Call) -> None:
    """An empty one in its place would pay for everything again."""
    call("run", folder.recipe, "--sandbox")
    path = folder.previews / ".spark-batch" / "tiny.checkpoint"
    path.write_bytes(b"garbage")
    for command in ("run", "plan", "status", "report", "retry"):
        ended = call(command, folder.recipe, "--sandbox")
        assert ended.code == ExitCode.FAILED
        assert "left as it is" in ended.err
    assert path.read_bytes() == b"garbage"
    assert len(folder.ledger()) == 4


def test_retry_makes_what_failed_and_nothing_else(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, server: MakeServer
) -> None:
    """A failed job is left by `run` with exit 1, and made by `retry`."""
    served = server(create=["create-code:003003002"])
    monkeypatch.setenv("SPARK_API_KEY", "k")
    monkeypatch.setenv("SPARK_BASE_URL", served.url)
    assert call("run", folder.recipe, "--limit", "2").code == ExitCode.FAILED
    assert call("run", folder.recipe, "--limit", "0").code == ExitCode.FAILED
    assert "003003002" in call("status", folder.recipe).out
    ended = call("retry", folder.recipe)
    assert "1 job done" in ended.out
    assert len(served.ledger.accepted()) == 2


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_current_folder_that_was_deleted(
    folder: Folder, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Exit 2, before anything is made."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    ended = call(command, folder.recipe, "--sandbox")
    assert ended.code == ExitCode.WRONG
    assert "the current folder was deleted" in ended.err
    assert not (folder.path / "out").exists()


def test_a_recipe_whose_name_is_not_utf_8(folder: Folder, call: Call) -> None:
    """The checkpoint could not hold it: exit 2, before anything is made."""
    name = os.fsdecode(b"caf\xe9.yaml")
    try:
        recipe = folder.recipe.rename(folder.path / name)
    except OSError:
        pytest.skip("this file system takes no such name")
    ended = call("run", recipe, "--sandbox")
    assert ended.code == ExitCode.WRONG
    assert "not UTF-8" in ended.err
    assert not (folder.path / "out").exists()


@pytest.mark.parametrize(
    ("option", "value", "fault"),
    [
        ("--workers", 65, "expected auto, or a whole number from 0 to 64"),
        ("--concurrency", 10001, "concurrency is from 1 to 10000"),
    ],
)
def test_an_option_has_the_bounds_of_the_recipe(
    folder: Folder, call: Call, option: str, value: int, fault: str
) -> None:
    """A thousand processes would take the machine's memory."""
    ended = call("run", folder.recipe, "--sandbox", option, value)
    assert ended.code == ExitCode.WRONG
    assert f"{option} {value}: " in ended.err and fault in ended.err
    assert not folder.pictures()
