"""An unexpected error leaves a log without secrets, and one line that names it."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from spark_batch import cli
from spark_batch.errors import ExitCode
from tests.cli.conftest import ROOT, Call, Folder

CANARY = "sk-canary-0123456789-never-show-me"
SIGNED = "https://result.example/a.jpg?X-Signature=abcdef&Expires=1"
Break = Callable[[BaseException], None]


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder that the logs go to."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "spark-batch"


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Break:
    """Makes every command raise an exception."""

    def arrange(error: BaseException) -> None:
        def fail(_arguments: list[str]) -> int:
            raise error

        monkeypatch.setattr(cli, "_invoke", fail)

    return arrange


def only_log(folder: Path) -> Path:
    """The one log in a folder."""
    (path,) = folder.glob("*.log")
    return path


def test_the_line_names_the_log(state: Path, broken: Break, call: Call) -> None:
    """Exit 1, one line; the log has versions, command line and traceback, for its owner alone."""
    broken(KeyError("surprise"))
    ended = call("run", "my recipe.yaml")
    path = only_log(state)
    assert ended.code == ExitCode.FAILED
    assert ended.out == ""
    (line,) = ended.err.splitlines()
    assert line.startswith("spark-batch: unexpected KeyError: this is a bug; ")
    assert str(path) in line
    assert "spark-batch rescue" in line
    content = path.read_text(encoding="utf-8")
    assert "command: spark-batch run 'my recipe.yaml'" in content
    assert content.endswith("KeyError: 'surprise'\n")
    for name in ("spark-batch", "Python", "platform", "SQLite", "Pillow", "requests", "urllib3"):
        assert f"\n{name}: " in content
    assert os.name == "nt" or path.stat().st_mode & 0o077 == 0


def test_what_only_reads_speaks_of_no_money(state: Path, broken: Break, call: Call) -> None:
    """`rescue` is no advice for a plan."""
    broken(KeyError("surprise"))
    assert "rescue" not in call("plan", "recipe.yaml").err


def test_debug_prints_the_log_too(state: Path, broken: Break, call: Call) -> None:
    """The traceback is on stderr and in the file."""
    broken(KeyError("surprise"))
    ended = call("--debug", "plan", "recipe.yaml")
    assert ended.code == ExitCode.FAILED
    assert "Traceback" in ended.err
    assert "Traceback" in only_log(state).read_text(encoding="utf-8")


@pytest.mark.parametrize("value", ["true", "1", "", "false"])
def test_in_ci_the_log_is_printed(
    state: Path, broken: Break, call: Call, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """The file ends with the machine; the one line that names it is the last one all the same."""
    monkeypatch.setenv("CI", value)
    broken(KeyError("surprise"))
    ended = call("plan", "recipe.yaml")
    assert ("Traceback" in ended.err) is (value in ("true", "1"))
    assert ended.err.splitlines()[-1].endswith(str(only_log(state)))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "out of memory"),
        (RuntimeError("can't start new thread"), "out of memory"),
        (ImportError("a.so: failed to map segment from shared object"), "out of memory"),
        (
            OSError(28, "No space left on device", "/a/b"),
            "cannot use /a/b: No space left on device",
        ),
        (OSError(24, "Too many open files"), "cannot go on: Too many open files"),
        (PermissionError(13, "Permission denied", "/a/b"), "cannot use /a/b: Permission denied"),
    ],
)
def test_what_the_machine_lacks_is_no_bug(
    state: Path, broken: Break, call: Call, error: Exception, words: str
) -> None:
    """It is named, with its place."""
    broken(error)
    (line,) = call("run", "recipe.yaml").err.splitlines()
    assert words in line
    assert "this is a bug" not in line


@pytest.mark.parametrize(
    "number",
    [errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENAMETOOLONG],
)
def test_what_a_disk_refuses_leaves_no_log(
    state: Path, broken: Break, call: Call, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """One line says all of it, also in CI; `--debug` shows where it happened."""
    monkeypatch.setenv("CI", "true")
    broken(OSError(number, os.strerror(number), "/a/b"))
    ended = call("rescue", "recipe.yaml")
    assert ended.code == ExitCode.FAILED
    (line,) = ended.err.splitlines()
    assert line.startswith(f"spark-batch: cannot use /a/b: {os.strerror(number)}; nothing that")
    assert not list(state.glob("*.log"))
    assert "Traceback" in call("--debug", "rescue", "recipe.yaml").err


def test_no_secret_is_in_it(
    state: Path,
    broken: Break,
    call: Call,
    folder: Folder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Keys, tokens, passwords and signed URLs, in causes and in the command line too."""
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_0123456789")
    # A key with a character that `repr` escapes.
    monkeypatch.setenv("OTHER_API_KEY", "back\\slash-0123456789")
    error = ValueError(f"GET {SIGNED} Authorization: Bearer abc.def, back\\slash-0123456789")
    error.__cause__ = KeyError(f"{CANARY} ghs_0123456789 back\\slash-0123456789")
    monkeypatch.setenv("SPARK_API_KEY", CANARY)
    broken(error)
    ended = call("--debug", "run", SIGNED, "https://me:word@proxy.example/")
    shown = ended.err + only_log(state).read_text(encoding="utf-8")
    for secret in (CANARY, "ghs_", "X-Signature", "abc.def", "slash-0123", "me:word"):
        assert secret not in shown


def test_a_key_from_a_file_is_not_in_it(
    state: Path, folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands in no environment variable."""
    (folder.path / ".env").write_text(f"SPARK_API_KEY={CANARY}\n")

    def fail(*_arguments: object) -> None:
        raise ValueError(f"the header was {CANARY}")

    monkeypatch.setattr("spark_batch.project.access.check_api", fail)
    ended = call("run", folder.recipe, "--env-file", folder.path / ".env")
    assert ended.code == ExitCode.FAILED
    assert CANARY not in ended.err + only_log(state).read_text(encoding="utf-8")


def test_the_newest_are_kept(state: Path, broken: Break, call: Call) -> None:
    """Twenty of them, and nothing else in the folder is touched."""
    state.mkdir(parents=True)
    (state / "notes.log").write_text("mine")
    for number in range(30):
        (state / f"spark-batch-20200101T0000{number:02}Z-x.log").write_text("old")
    broken(KeyError("surprise"))
    call("plan", "recipe.yaml")
    logs = sorted(state.glob("spark-batch-*.log"))
    assert len(logs) == 20
    assert "surprise" in logs[-1].read_text(encoding="utf-8")
    assert (state / "notes.log").exists()


def test_without_a_home_it_is_a_temporary_file(
    broken: Break, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next folder is tried; without any, the log is printed."""
    (tmp_path / "in-the-way").write_text("a file")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "in-the-way"))
    broken(KeyError("surprise"))
    with monkeypatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
        line = call("plan", "recipe.yaml").err
    assert str(only_log(tmp_path / "temporary")) in line
    with monkeypatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(tmp_path / "in-the-way"))
        ended = call("plan", "recipe.yaml")
    assert "Traceback" in ended.err
    assert "no log could be written" in ended.err.splitlines()[-1]


def test_a_thread_that_ends_with_an_exception_is_reported(
    state: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """In the same way; Python would print the traceback, with what it holds."""

    def fail() -> None:
        raise ValueError(SIGNED)

    before = threading.excepthook
    threading.excepthook = lambda crash: cli._thread_crashed(crash, ["run", "recipe.yaml"])
    try:
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    finally:
        threading.excepthook = before
    (line,) = capfd.readouterr().err.splitlines()
    assert str(only_log(state)) in line
    assert "X-Signature" not in only_log(state).read_text(encoding="utf-8")


def test_ctrl_c_while_an_error_is_shown(tmp_path: Path) -> None:
    """Exit 130, without a traceback, at a moment that no handler of a command covers."""
    code = (
        "import signal, os, sys\n"
        "from spark_batch import cli\n"
        # Whoever starts the tests in the background of a shell has them ignore it.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "cli._say = lambda text: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.argv = ['spark-batch', 'plan', 'missing.yaml']\n"
        "cli.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode in (ExitCode.INTERRUPTED, -signal.SIGINT)
    assert "Traceback" not in done.stderr
