"""Other programs are started in one place, with an environment of named variables."""

from __future__ import annotations

import ast
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import spark_batch
from spark_batch import children

PACKAGE = Path(spark_batch.__file__).parent
FOLDER = str(Path(sys.executable).parent)
# Dotted names of what starts a program.
STARTS = re.compile(
    r"(subprocess|multiprocessing|pty|webbrowser|__import__)(\..*)?"
    r"|(os|posix|nt)\.(system|popen|startfile|(fork|exec|spawn|posix_spawn)\w*)"
    r"|click\.(launch|edit|echo_via_pager)"
    r"|(asyncio|loop)\.(create_)?subprocess\w*"
    r"|.*\bProcessPoolExecutor"
)


def _names(tree: ast.AST) -> Iterator[str]:
    """The dotted names that a module's source imports and uses."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Attribute | ast.Name):
            yield ast.unparse(node)


def _starts(source: str) -> set[str]:
    return set(filter(STARTS.fullmatch, _names(ast.parse(source))))


def test_no_other_module_starts_programs() -> None:
    """What starts one elsewhere would give it the API key."""
    sources = {path: path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    found = {
        path.relative_to(PACKAGE).as_posix() for path, text in sources.items() if _starts(text)
    }
    assert found == {"children.py"}


@pytest.mark.parametrize(
    "text",
    [
        "import subprocess",
        "import multiprocessing.pool",
        "from subprocess import run",
        "import os\nos.system('x')",
        "from os import execv",
        "import os\nos.posix_spawn('x', [], {})",
        "import asyncio\nasyncio.create_subprocess_exec('x')",
        "from concurrent.futures import ProcessPoolExecutor",
        "import concurrent.futures\nconcurrent.futures.ProcessPoolExecutor()",
        "import click\nclick.launch('x')",
        "__import__('subprocess')",
    ],
)
def test_the_walk_finds(text: str) -> None:
    """Each way to start a program."""
    assert _starts(text)


def test_a_child_gets_named_variables_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else the environment holds, by whatever name."""
    for name in ("SPARK_API_KEY", "spark_api_key", "MY_KEY", "GIT_DIR", "PYTHONPATH", "LD_PRELOAD"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("PATH", os.pathsep.join(("", ".", "bin", FOLDER)))
    command = [sys.executable, "-c", "import os; print(sorted(os.environ), os.environ['PATH'])"]
    printed = children.run(command, children.environment(FURTHER="1"), seconds=60).output.decode()
    names, _, path = printed.strip().rpartition(" ")
    assert set(ast.literal_eval(names)) - {"LC_CTYPE"} <= {
        *("FURTHER", "HOME", "LANG", "PATH", "SUDO_UID", "TMPDIR", "XDG_CONFIG_HOME"),
        *("TEMP", "TMP"),
    }
    assert path == FOLDER


@pytest.mark.skipif(os.name != "posix", reason="a process group")
def test_a_child_and_its_own_children_end_in_time() -> None:
    """Also one that holds the pipe open when its parent is gone."""
    text = "import subprocess; subprocess.run(['sleep', '99'])"
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"did not answer within 0\.5 seconds"):
        children.run([sys.executable, "-c", text], children.environment(), seconds=0.5)
    assert time.monotonic() - began < 30


def test_a_child_that_prints_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended, and what it printed is not kept."""
    monkeypatch.setattr(children, "MAX_BYTES", 1_000_000)
    with pytest.raises(ValueError, match="more than 1 MB"):
        children.run(
            [sys.executable, "-c", "while True: print('y' * 1000)"],
            children.environment(),
            seconds=60,
        )


@pytest.mark.parametrize(
    ("command", "started"),
    [
        ([sys.executable, "-c", ""], True),
        ([sys.executable, "-c", "import sys; sys.exit(1)"], False),
        (["/there/is/no/such/program"], False),
    ],
)
def test_a_program_that_may_outlive_us_says_whether_it_started(
    command: list[str], started: bool
) -> None:
    assert children.left_running(command, children.environment()) is started


@pytest.mark.skipif(os.name == "nt", reason="Windows has no zombies")
def test_a_program_that_ends_later_leaves_no_zombie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "_START_SECONDS", 0.1)
    number, go = tmp_path / "number", tmp_path / "go"
    text = f"""
import os, pathlib, time
pathlib.Path({str(number)!r}).write_text(str(os.getpid()))
while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)
"""
    assert children.left_running([sys.executable, "-c", text], children.environment())
    while not (number.exists() and number.read_text()):
        time.sleep(0.01)
    os.kill(int(number.read_text()), 0)
    go.touch()
    with pytest.raises(ProcessLookupError):
        for _ in range(6000):  # a zombie would be there for ever
            os.kill(int(number.read_text()), 0)
            time.sleep(0.01)


@pytest.mark.parametrize("errors", [False, True])
def test_a_child_reads_nothing_and_one_stream_of_it_is_read(errors: bool) -> None:
    """Standard input is empty, and the other stream goes nowhere, however much it gets."""
    text = (
        "import sys; sys.stdout.write(sys.stdin.read() + 'o' * 9**6); sys.stderr.write('e' * 9**6)"
    )
    ended = children.run(
        [sys.executable, "-c", text + "; sys.exit(3)"],
        children.environment(),
        seconds=60,
        errors=errors,
    )
    assert (ended.code, ended.output) == (3, (b"e" if errors else b"o") * 9**6)


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="needs waitid")
@pytest.mark.parametrize("stream", ["", ", stdout=subprocess.DEVNULL"])
def test_what_a_child_leaves_in_the_background_is_ended(stream: str) -> None:
    """At once when the child itself has ended, whether it holds the pipe or not."""
    text = (
        "import subprocess, sys;"
        f"left = subprocess.Popen(['sleep', '99']{stream}); print(left.pid); sys.exit(4)"
    )
    began = time.monotonic()
    ended = children.run([sys.executable, "-c", text], children.environment(), seconds=90)
    assert time.monotonic() - began < 60
    assert ended.code == 4
    while not _has_ended(int(ended.output)):  # the kill takes a moment
        assert time.monotonic() - began < 60
        time.sleep(0.01)


@pytest.mark.skipif(os.name != "posix", reason="a session of its own")
def test_a_stream_that_is_held_open_for_ever_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A grandchild in a session of its own cannot be ended; its output is not taken for whole."""
    monkeypatch.setattr(children, "_READ_SECONDS", 0.2)
    text = (
        "import subprocess, sys;"
        "left = subprocess.Popen(['sleep', '99'], start_new_session=True);"
        "open(sys.argv[1], 'w').write(str(left.pid))"
    )
    number = tmp_path / "number"
    began = time.monotonic()
    try:
        with pytest.raises(ValueError, match="still runs and keeps its output open"):
            command = [sys.executable, "-c", text, str(number)]
            children.run(command, children.environment(), seconds=90)
        assert time.monotonic() - began < 60
    finally:
        os.kill(int(number.read_text()), signal.SIGKILL)


def _has_ended(number: int) -> bool:
    """Whether a process is gone, or waits for its parent alone."""
    try:
        state = Path(f"/proc/{number}/stat").read_text(encoding="utf-8")
    except OSError:
        return True
    return state.rpartition(")")[2].split()[0] == "Z"
