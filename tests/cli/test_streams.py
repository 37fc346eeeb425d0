"""Standard streams that are closed, full, gone or of any encoding: the work is done."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import sqlite3
import struct
import subprocess
import sys
import termios
from pathlib import Path
from types import SimpleNamespace
from typing import IO

import pytest

from spark_batch.cli import streams
from spark_batch.errors import ExitCode
from tests.cli.conftest import ROOT, Ended, Folder

FULL = Path("/dev/full")
PROMPT = "Snow → 雪 é 😀"
ENCODINGS = ["cp1252:strict", "cp437", "ascii", "shift_jis"]

pytestmark = pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")


@pytest.fixture
def international(folder: Folder) -> Folder:
    """A recipe of four jobs; one prompt has what few encodings have."""
    text = folder.recipe.read_text(encoding="utf-8").replace("Snow", PROMPT)
    folder.recipe.write_text(text, encoding="utf-8")
    return folder


def command(*arguments: object, redirect: str = "", **environment: str) -> Ended:
    """The command line in a process of its own, as a shell starts it with `redirect`."""
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirect}', "sh", sys.executable, "-m", "spark_batch"]
        + [str(argument) for argument in arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
        timeout=60,
    )
    encoding = environment.get("PYTHONIOENCODING", "utf-8").partition(":")[0]
    return Ended(done.returncode, done.stdout.decode(encoding), done.stderr.decode(encoding))


@pytest.mark.proof
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_no_encoding_changes_what_a_command_does(international: Folder, encoding: str) -> None:
    """All print in the encoding that was asked for, and JSON says the same in each."""
    recipe, summary = international.recipe, international.path / "summary.md"
    run = command(
        "run", recipe, "--sandbox", PYTHONIOENCODING=encoding, GITHUB_STEP_SUMMARY=str(summary)
    )
    assert run.code == ExitCode.DONE, run.err
    assert summary.read_text(encoding="utf-8").startswith("# `tiny`")
    pictures = international.pictures()
    traced = command("trace", *pictures, "--json", PYTHONIOENCODING=encoding)
    assert PROMPT in json.dumps(json.loads(traced.out), ensure_ascii=False)
    for arguments in (["plan", recipe], ["validate", recipe]):
        ended = command(*arguments, PYTHONIOENCODING=encoding)
        assert ended.code == ExitCode.DONE, ended.err


def test_a_locale_without_an_encoding(international: Folder) -> None:
    """LC_ALL=C, and Python kept from helping itself; the reports are UTF-8."""
    ended = command(
        "run",
        international.recipe,
        "--sandbox",
        LC_ALL="C",
        PYTHONCOERCECLOCALE="0",
        PYTHONUTF8="0",
    )
    assert ended.code == ExitCode.DONE, ended.err
    assert ended.out.isascii()
    for name in ("tiny.manifest.csv", "tiny.json", "tiny.html"):
        assert "雪" in (international.previews / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["é", "→", "雪", "😀", "\udcff", "a\u00ff→\U0010ffffb"])
@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "utf-8"])
def test_escaped_json_means_the_same(text: str, encoding: str) -> None:
    """What an encoding lacks is escaped as JSON does, beyond U+FFFF and lone surrogates too."""
    written = json.dumps({"a": text}, ensure_ascii=False).encode(encoding, streams.ESCAPE)
    assert json.loads(written.decode(encoding)) == {"a": text}


@pytest.mark.parametrize(
    ("redirect", "unbuffered"),
    [
        ("<&-", ""),
        (">&-", ""),
        ("2>&-", ""),
        ("<&- >&- 2>&-", ""),
        ("1</dev/null", ""),
        (">/dev/full 2>/dev/full", ""),
        (">/dev/full 2>/dev/full", "1"),
    ],
)
def test_a_run_needs_no_standard_streams(folder: Folder, redirect: str, unbuffered: str) -> None:
    """Closed, read-only or on a full disk: all pictures are made, and the checkpoint is whole."""
    ended = command(
        "run", folder.recipe, "--sandbox", redirect=redirect, PYTHONUNBUFFERED=unbuffered
    )
    assert ended.code == ExitCode.DONE
    assert "Traceback" not in ended.err
    assert "the traceback" not in ended.err
    assert len(folder.pictures()) == 4
    path = folder.previews / ".spark-batch" / "tiny.checkpoint"
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def test_no_file_gets_the_number_of_a_standard_stream() -> None:
    """With all three closed, neither here nor in a child process such as git."""
    code = (
        "import os, subprocess\n"
        "from spark_batch.cli import streams\n"
        "streams.prepare()\n"
        "low = os.open(os.devnull, os.O_RDONLY) < 3\n"
        "child = subprocess.run(['sh', '-c', 'read line; echo 1 && echo 2 >&2'])\n"
        "os._exit(low or child.returncode)\n"
    )
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", code],
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_line_on_stderr_is_not_delayed(unbuffered: str) -> None:
    """Otherwise the end of the bar's line comes after the result that follows it on stdout."""
    code = (
        "import os, sys\n"
        "from spark_batch.cli import streams\n"
        "streams.prepare()\n"
        "sys.stderr.write('bar')\n"
        "sys.stderr.flush()\n"
        "sys.stderr.write('\\n')\n"
        "os.write(2, b'result')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == "bar\nresult"


def test_a_full_stream_is_named_on_the_other(folder: Folder) -> None:
    """In one line."""
    ended = command("run", folder.recipe, "--sandbox", redirect=">/dev/full")
    assert ended.err.splitlines()[-1].startswith(
        "spark-batch: cannot write to standard output: No space left on device; "
    )
    ended = command("run", folder.recipe, "--sandbox", redirect="2>/dev/full")
    assert ended.out.splitlines()[-1].startswith(
        "spark-batch: cannot write to standard error: No space left on device; "
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["plan", "RECIPE", "--json"], ExitCode.FAILED),
        (["plan", "RECIPE", "--detailed-exitcode"], ExitCode.CHANGES),
        (["validate", "RECIPE"], ExitCode.FAILED),
        (["--help"], ExitCode.FAILED),
        (["plan", "missing.yaml"], ExitCode.WRONG),
    ],
)
def test_what_could_not_be_printed_is_no_success(
    folder: Folder, arguments: list[str], code: ExitCode
) -> None:
    """A command whose result is what it prints ends with 1, or with the code that it has anyway."""
    named = [str(folder.recipe) if text == "RECIPE" else text for text in arguments]
    ended = command(*named, redirect=">/dev/full")
    assert ended.code == code
    assert "the traceback" not in ended.err


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_goes_away_stops_nothing(folder: Folder, stream: str) -> None:
    """As `| head -1` does: the run goes on to its end, and its code is that of its work."""
    other = "stderr" if stream == "stdout" else "stdout"
    process = subprocess.Popen(
        [sys.executable, "-m", "spark_batch", "run", str(folder.recipe), "--sandbox"],
        cwd=ROOT,
        text=True,
        **{stream: subprocess.PIPE, other: subprocess.PIPE},  # type: ignore[call-overload]
    )
    with process:
        getattr(process, stream).close()
        kept: IO[str] = getattr(process, other)
        said = kept.read()
    assert process.returncode == ExitCode.DONE
    assert "Traceback" not in said
    assert "cannot write" not in said
    assert len(folder.pictures()) == 4


def test_a_pipe_that_is_full_for_a_while_gets_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody made it non-blocking, as some CI runners do: the command waits for its reader."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with open(reading, "rb", buffering=0) as pipe:  # noqa: PTH123 (a descriptor)
        with streams._Output(writing, "wb") as output:
            filling = os.write(writing, bytes(1 << 20))
            read = []

            def reader(*_streams: object) -> None:
                read.append(pipe.read(filling))

            monkeypatch.setattr(streams, "select", SimpleNamespace(select=reader))
            assert output.write(b"the rest") == len(b"the rest")
        assert read == [bytes(filling)]
        assert pipe.read() == b"the rest"


@pytest.mark.parametrize("encoding", ["cp437", "ascii", "utf-8"])
def test_the_bar_in_any_encoding(international: Folder, encoding: str) -> None:
    """On a terminal, which a pseudo-terminal is for this purpose."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "spark_batch", "run", str(international.recipe), "--sandbox"],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    with process:
        try:
            while data := os.read(ours, 1 << 16):
                shown += data
        except OSError:  # Linux: the other end was closed
            pass
    os.close(ours)
    assert process.returncode == ExitCode.DONE
    assert "4/4" in shown.decode(encoding)


def test_a_terminal_that_is_closed_stops_nothing(folder: Folder) -> None:
    """A window that is closed: what is printed is lost, the pictures are made."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "spark_batch", "run", str(folder.recipe), "--sandbox"],
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    os.close(ours)
    assert process.wait(60) == ExitCode.DONE
    assert len(folder.pictures()) == 4


@pytest.mark.parametrize("flag", [(), ("-u",)])
def test_a_line_is_there_when_it_was_written(flag: tuple[str, ...]) -> None:
    """On stderr, with and without `python -u`: a bar ends before the result is printed."""
    program = (
        "import os, sys; from spark_batch.cli import streams; streams.prepare();"
        " print('first', file=sys.stderr); os.write(2, b'second\\n');"
        " print('third', file=sys.stderr); os._exit(0)"
    )
    command = [sys.executable, *flag, "-c", program]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    assert ended.stderr.split() == [b"first", b"second", b"third"]
