"""Start other programs, with a fixed environment and a time limit. The only module that does."""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import IO, Any, TypeVar

MAX_BYTES = 100_000_000  # that one program may print
PIPE = subprocess.PIPE

T = TypeVar("T")

_started: set[subprocess.Popen[bytes]] = set()
_CHUNK = 1 << 18
_START_SECONDS = 5.0
_READ_SECONDS = 5.0  # to read the rest from the pipe of a program that has ended
_END_SECONDS = 2.0  # for a worker that was killed
# A child gets these variables and no others: neither the API key nor any other secret of the shell
# or the CI job, and no GIT_* or SSH_* variable, some of which name programs to run. SUDO_UID is the
# caller of sudo, whose repositories git trusts as well.
_INHERITED = (
    *("HOME", "LANG", "SUDO_UID", "TMPDIR", "XDG_CONFIG_HOME"),
    *("APPDATA", "HOMEDRIVE", "HOMEPATH", "LOCALAPPDATA", "PROGRAMDATA", "USERPROFILE"),  # Windows
    *("SYSTEMDRIVE", "SYSTEMROOT", "TEMP", "TMP"),
)


@dataclass(frozen=True, slots=True)
class Ended:
    """The exit code of a program, and its output on the stream that was read."""

    code: int
    output: bytes


def find_program(name: str, *, outside: Path | None) -> str | None:
    """Find a program on PATH, as an absolute path; None when it is not found.

    Ignores empty and relative entries of PATH, which lead to the current folder, and entries below
    `outside`, a folder whose files may be a stranger's (`node_modules/.bin`).
    """
    file = f"{name}.exe" if os.name == "nt" else name
    for folder in _search_path():
        path = folder / file
        is_program = os.access(path, os.X_OK) and path.is_file()
        if is_program and not (outside and folder.resolve().is_relative_to(outside)):
            return str(path)
    return None


def environment(**further: str) -> dict[str, str]:
    """The environment of a child: a fixed list of variables, and `further` ones."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**inherited, "PATH": os.pathsep.join(map(str, _search_path())), **further}


def python(*arguments: str) -> list[str]:
    """The command line of a Python program: `arguments`, followed by our folders of modules.

    Python ignores its environment (-I). The program sets `sys.path` to these folders.
    """
    package = str(Path(__file__).parents[1])
    folders = [package, *(folder for folder in sys.path if Path(folder).is_absolute())]
    return [sys.executable, "-I", *arguments, *dict.fromkeys(folders)]


def _launched(
    command: Sequence[str],
    variables: dict[str, str],
    *,
    folder: Path | None = None,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
    stderr: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """A program in a session of its own, so that it has no terminal to ask for a password on."""
    return subprocess.Popen(
        command,
        env=variables,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        cwd=folder,
        start_new_session=True,
    )


@contextlib.contextmanager
def started(
    command: Sequence[str],
    variables: dict[str, str],
    *,
    seconds: float,
    folder: Path | None = None,
    **streams: int,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program; it and its children are killed after the block, or after `seconds`.

    `folder` is its current folder, if not ours; `streams` are as in Popen. Raises OSError when it
    cannot be started.
    """
    with _launched(command, variables, folder=folder, **streams) as process:
        watch = threading.Timer(seconds, _end, [process])
        watch.daemon = True
        watch.start()
        _started.add(process)
        try:
            yield process
        finally:
            watch.cancel()
            _end(process)
            _started.discard(process)


def left_running(command: Sequence[str], variables: dict[str, str]) -> bool:
    """Start a program that may outlive this process; False when it fails, or cannot be started.

    A program that still runs after some seconds counts as started.
    """
    try:
        process = _launched(command, variables)
    except OSError:
        return False
    try:
        return process.wait(_START_SECONDS) == 0
    except subprocess.TimeoutExpired:
        threading.Thread(target=process.wait, daemon=True).start()  # so that it leaves no zombie
        return True


@contextlib.contextmanager
def answering(command: Sequence[str], data: bytes, *, seconds: float) -> Iterator[IO[bytes]]:
    """Start a program that reads all of `data` before it answers; yields its standard output.

    It is killed after the block, or after `seconds`. Raises OSError when it cannot be started.
    """
    with started(command, environment(), seconds=seconds, stdin=PIPE, stdout=PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(OSError):  # it has ended already
            process.stdin.write(data)
        with contextlib.suppress(OSError):
            process.stdin.close()
        yield process.stdout


class WorkerEnded(Exception):
    """A worker has ended, has sent something that is not an answer, or is silent."""


class CallFailed(Exception):
    """A function raised an error in a worker."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A worker's answer to the request with this number: the function's result, or a failure.

    A request is a number, a function of a module, and a tuple of its arguments.
    """

    number: int
    result: Any
    failed: bool


class Worker:
    """A program that calls functions, several at once, until its standard input is closed.

    So it ends also when this process is killed. Requests and answers are pickles. It gets no
    signals from the terminal and no secrets, only the environment variables `further`. Safe to use
    from several threads. Raises OSError when it cannot be started.
    """

    def __init__(self, command: Sequence[str], **further: str) -> None:
        self._process = _launched(command, environment(**further), stdin=PIPE, stdout=PIPE)
        self._numbers = count()
        self._writing = threading.Lock()
        self._waiting: dict[int, Future[Answer]] = {}
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def calls(self) -> int:
        """The number of calls under way."""
        return len(self._waiting)

    def call(self, function: Callable[..., T], *arguments: Any, seconds: float) -> T:
        """Call `function` in the worker and wait for its result, at most for `seconds`.

        Raises WorkerEnded and CallFailed. A worker that is silent has to be ended by the caller:
        other calls may wait in its full pipe.
        """
        assert self._process.stdin is not None
        number, answer = next(self._numbers), Future[Answer]()
        request = pickle.dumps((number, function, arguments))
        self._waiting[number] = answer
        try:
            with self._writing:
                self._process.stdin.write(request)
                self._process.stdin.flush()
        except (OSError, ValueError):  # ValueError: the pipe is closed
            self._ended = True
        if self._ended:  # perhaps after `_read` has ended the other calls
            self._waiting.pop(number, None)
            raise WorkerEnded
        try:
            found = answer.result(seconds)
        except FutureTimeout:
            self._ended = True  # takes no more calls
            raise WorkerEnded from None
        if found.failed:
            raise CallFailed
        result: T = found.result
        return result

    def end(self) -> None:
        """Kill it, and close its pipes. Calls under way raise WorkerEnded.

        The pipes are closed last, since closing would wait for a thread that reads or writes.
        """
        self._process.kill()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            return  # it hangs in the kernel, and ends after that
        self._reader.join(_END_SECONDS)
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            while True:
                answer = pickle.load(self._process.stdout)
                self._waiting.pop(answer.number).set_result(answer)
        except Exception:  # noqa: BLE001 (the end, or anything that is not an answer)
            self._ended = True
        for number in list(self._waiting):
            if (waiting := self._waiting.pop(number, None)) is not None:
                waiting.set_exception(WorkerEnded())


def run(
    command: Sequence[str],
    variables: dict[str, str],
    *,
    seconds: float,
    errors: bool = False,
    folder: Path | None = None,
    most: int | None = None,
) -> Ended:
    """Run a program to its end and read its output, or with `errors` its standard error.

    `folder` is its current folder, if not ours. Kills what it leaves running in the background.
    Raises TimeoutError after `seconds`, ValueError when it prints more than `most` bytes
    (`MAX_BYTES`) or its output does not end, and OSError when it cannot be started.
    """
    began = time.monotonic()
    stream = {"stderr" if errors else "stdout": PIPE}
    with started(command, variables, seconds=seconds, folder=folder, **stream) as process:
        pipe = process.stderr if errors else process.stdout
        assert pipe is not None
        output = _Output(process, pipe, MAX_BYTES if most is None else most)
        output.start()
        if hasattr(os, "waitid"):  # not on Windows, and on macOS from Python 3.13 on
            _end_after(process)
        else:
            output.join(seconds)  # the output ends when all its children have ended
        code = process.wait()
        output.join(_READ_SECONDS)
    if code and time.monotonic() - began >= seconds:
        raise TimeoutError(f"it did not answer within {seconds:g} seconds")
    return Ended(code, output.whole())


class _Output(threading.Thread):
    """Reads the output of a program, and kills the program after more than `most` bytes.

    It reads a file descriptor of its own, which may stay open when the program's is closed.
    """

    def __init__(self, process: subprocess.Popen[bytes], pipe: IO[bytes], most: int) -> None:
        super().__init__(daemon=True)
        self._process = process
        self._descriptor = os.dup(pipe.fileno())
        self._most = most
        self._read = bytearray()

    def run(self) -> None:
        with open(self._descriptor, "rb", buffering=0) as stream:  # noqa: PTH123 - no path
            while chunk := stream.read(_CHUNK):
                self._read += chunk
                if len(self._read) > self._most:
                    _end(self._process)
                    return

    def whole(self) -> bytes:
        """The whole output. Raises ValueError when it is too much, or did not end.

        A child in another session cannot be killed, and may keep the stream open forever.
        """
        if len(self._read) > self._most:
            raise ValueError(f"it printed more than {self._most // 1_000_000} MB")
        if self.is_alive():
            raise ValueError("a program that it started still runs and keeps its output open")
        return bytes(self._read)


def _end_after(process: subprocess.Popen[bytes]) -> None:
    """Wait for a program to end, then kill the children that it left running.

    The program is not reaped before that: afterwards its id may be another process's.
    """
    with contextlib.suppress(ChildProcessError):  # the timer has killed it
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        _end(process)


def _search_path() -> list[Path]:
    entries = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return [folder for folder in map(Path, entries) if folder.is_absolute()]


@atexit.register
def _end_all() -> None:
    """Kill programs that a thread still waits for, when this process ends."""
    for process in list(_started):
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is not None:
        return  # its id may be another process's by now
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
