"""Where the key and the address come from: the environment first, then a `.env` file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spark_batch.checkpoint import Checkpoint
from spark_batch.errors import UsageError
from spark_batch.project.access import DEFAULT_URL, access, address, check_api
from spark_batch.project.layout import RecipeLayout
from tests.makers import MODELS, a_job

KEY = "sk-0123456789-key"


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    """A `.env` file that is not there yet."""
    return tmp_path / ".env"


@pytest.mark.parametrize(
    "content",
    [
        f"SPARK_API_KEY={KEY}".encode(),
        f"SPARK_API_KEY={KEY} # the team's key\n".encode(),
        f"SPARK_API_KEY='{KEY}' # the team's key\n".encode(),
        f'export SPARK_API_KEY="{KEY}"   # the team\'s key\r\n'.encode(),
        f"# first\r\n\r\nSPARK_API_KEY = {KEY}\r\nOTHER=1\r\n".encode(),
        f"SPARK_API_KEY={KEY}\n".encode("utf-8-sig"),
        f"SPARK_API_KEY={KEY}\r\n".encode("utf-16"),
        f"SPARK_API_KEY=old\nSPARK_API_KEY={KEY}\n".encode(),
        f"not a variable\nSPARK_API_KEY={KEY}".encode(),
        f'TEXT="two\nlines"\nSPARK_API_KEY={KEY}\n'.encode(),
    ],
)
def test_ways_to_write_a_file(env_file: Path, content: bytes) -> None:
    """Comments, quotes, `export`, byte order marks, Windows line ends, lines of other programs."""
    env_file.write_bytes(content)
    assert access(env_file).key == KEY


def test_nothing_is_replaced_in_a_value(env_file: Path) -> None:
    """A key may hold `$`."""
    env_file.write_text("A=b\nSPARK_API_KEY=x${A}$A-0123\n")
    assert access(env_file).key == "x${A}$A-0123"


@pytest.mark.parametrize("empty", ["", " ", "\t\n"])
def test_an_empty_variable_is_none(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, empty: str
) -> None:
    """As CI sets it for a secret that it does not have: the file's value is taken."""
    env_file.write_text(f"SPARK_API_KEY={KEY}\nSPARK_BASE_URL=https://api.example\n")
    for name in ("SPARK_API_KEY", "SPARK_BASE_URL"):
        monkeypatch.setenv(name, empty)
    assert access(env_file).key == KEY
    assert access(env_file).base_url == "https://api.example"
    assert address(sandbox=False, env_file=None) == DEFAULT_URL
    monkeypatch.setenv("SPARK_ENV_FILE", empty)
    with pytest.raises(UsageError, match="there is no API key: set SPARK_API_KEY"):
        access(None)


def test_an_empty_value_in_the_file_is_none(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes nothing away, and the error names the file."""
    env_file.write_text('SPARK_API_KEY=\nSPARK_BASE_URL=""\n')
    with pytest.raises(UsageError, match=r"no API key in the environment or in .*\.env"):
        access(env_file)
    monkeypatch.setenv("SPARK_API_KEY", KEY)
    assert (access(env_file).key, access(env_file).base_url) == (KEY, DEFAULT_URL)


def test_a_file_does_not_choose_where_a_key_of_the_environment_goes(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A branch may bring the file; with its own key it may name an address."""
    env_file.write_text("SPARK_BASE_URL=https://elsewhere.example\n")
    monkeypatch.setenv("SPARK_API_KEY", KEY)
    with pytest.raises(UsageError, match="could have the key sent elsewhere"):
        access(env_file)
    monkeypatch.setenv("SPARK_BASE_URL", "https://api.example")
    assert access(env_file).base_url == "https://api.example"
    monkeypatch.delenv("SPARK_BASE_URL")
    env_file.write_text(f"SPARK_BASE_URL={DEFAULT_URL}\n")
    assert access(env_file).base_url == DEFAULT_URL


def test_a_proxy_is_not_named_by_a_file(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be silently left out; a branch that brings the file must not choose it."""
    env_file.write_text(f"SPARK_API_KEY={KEY}\nSPARK_PROXY=http://user:hunter2@proxy.example:1\n")
    with pytest.raises(UsageError, match="SPARK_PROXY is set in the file") as caught:
        access(env_file)
    assert "hunter2" not in str(caught.value)
    monkeypatch.setenv("SPARK_PROXY", "http://other.example:3128")
    assert access(env_file).key == KEY


def test_which_wins(env_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment before a file, --env-file before the file of SPARK_ENV_FILE."""
    env_file.write_text(f"SPARK_API_KEY={KEY}\n")
    other = tmp_path / "other.env"
    other.write_text("SPARK_API_KEY=other-key\nSPARK_BASE_URL=https://api.example\n")
    monkeypatch.setenv("SPARK_ENV_FILE", str(other))
    assert access(None).key == "other-key"
    assert address(sandbox=False, env_file=None) == "https://api.example"
    assert access(env_file).key == KEY
    monkeypatch.setenv("SPARK_API_KEY", "of-the-environment")
    assert access(env_file).key == "of-the-environment"


def _folder(path: Path) -> None:
    path.mkdir()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _binary(path: Path) -> None:
    path.write_bytes(f"SPARK_API_KEY={KEY}\xff".encode("latin-1"))


def _large(path: Path) -> None:
    path.write_text(f"SPARK_API_KEY={KEY}\n" + "#" * 70_000)


@pytest.mark.parametrize("named", ["--env-file", "SPARK_ENV_FILE"])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (None, "No such file"),
        (_folder, "not a regular file"),
        (_pipe, "not a regular file"),
        (_binary, "not UTF-8"),
        (_large, "more than 64 KiB"),
    ],
)
def test_a_file_that_cannot_be_read(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, named: str, make: object, words: str
) -> None:
    """The error says which file, who named it and why, and nothing of what is in it."""
    if callable(make):
        make(env_file)
    if named == "SPARK_ENV_FILE":
        monkeypatch.setenv(named, str(env_file))
    with pytest.raises(UsageError) as caught:
        access(env_file if named == "--env-file" else None)
    text = str(caught.value)
    assert str(env_file) in text
    assert named in text
    assert words in text
    assert KEY not in text


def test_a_paid_task_is_asked_for_only_where_it_was_made(tmp_path: Path) -> None:
    """Elsewhere it would seem lost: the way back is named, with the command that fetches it."""
    layout = RecipeLayout("tiny", tmp_path, MODELS, recipe_path=Path("a recipe.yaml"))
    with Checkpoint.blank() as checkpoint:
        job = a_job()
        checkpoint.sync_jobs([job])
        made_at = "https://one.example"
        attempt = checkpoint.begin_attempt(job.key, number=1, reserved=None, api=made_at)
        checkpoint.submitted(attempt, "1")
        check_api(checkpoint, layout, made_at)
        with pytest.raises(UsageError) as caught:
            check_api(checkpoint, layout, "https://two.example")
    assert str(caught.value) == (
        "paid tasks are still open at https://one.example, but SPARK_BASE_URL is now"
        " https://two.example: set it back, run `spark-batch rescue 'a recipe.yaml'`, then change"
        " it"
    )
