"""Standard streams that are always there, take every character, and never stop a command."""

from __future__ import annotations

import codecs
import errno
import io
import json
import os
import select
import sys
from dataclasses import dataclass
from typing import Any, TextIO

from spark_batch.redact import KeyFreeText, harmless, without_controls

ESCAPE = "spark_batch.escape"
"""Error handler for encoding: writes what an encoding lacks as JSON does, such as `\\u2192`.

JSON that was escaped in this way still means the same, which `backslashreplace` does not promise
(`\\xe9`, `\\U0001f600`).
"""

# How a pipe says that its reader has gone, as `head` does; Windows says EINVAL.
_READER_GONE = {errno.EPIPE, errno.EINVAL} if sys.platform == "win32" else {errno.EPIPE}


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


codecs.register_error(ESCAPE, _escape)


class _Output(io.FileIO):
    """A file descriptor to write to. An error is kept in `failure`, and the bytes are dropped."""

    failure: OSError | None = None

    def write(self, data: Any, /) -> int:
        try:
            # None: somebody made the descriptor non-blocking, and it is full.
            while (written := super().write(data)) is None:
                select.select((), (self,), ())
        except OSError as error:
            if error.errno not in _READER_GONE:
                self.failure = self.failure or error
            return memoryview(data).nbytes
        return written


class _Text(KeyFreeText):
    """A stream that shows no key, and no character that steers a terminal or GitHub's runner."""

    def write(self, text: str, /) -> int:
        return super().write(harmless(text))


class _Raw:
    """The same stream for what we write to steer a terminal ourselves. The key is still hidden."""

    def __init__(self, stream: _Text) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write `text` as it is, but for the key."""
        return KeyFreeText.write(self._stream, text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def terminal(stream: TextIO) -> Any:
    """The stream to draw on with control characters."""
    return _Raw(stream) if isinstance(stream, _Text) else stream


def print_raw(line: str, *, err: bool = False) -> None:
    """Print a line with control characters of our own."""
    stream = terminal(sys.stderr if err else sys.stdout)
    stream.write(f"{line}\n")
    stream.flush()


def print_command(line: str, *, err: bool = False) -> None:
    """Print a workflow command of GitHub, which any other text is kept from being."""
    print_raw(without_controls(line), err=err)


class _AsciiText(_Text):
    """An ASCII stream without `buffer`, into which click would write UTF-8."""

    buffer = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Streams:
    """stdout and stderr of this process; None where writing cannot fail."""

    out: _Output | None
    err: _Output | None

    def finish(self) -> tuple[str | None, str | None]:
        """Flush both; the reason why something could not be written to stdout, and to stderr.

        A reader that has gone away does not count.
        """
        sys.stdout.flush()
        sys.stderr.flush()
        return _reason(self.out), _reason(self.err)


def prepare() -> Streams:
    """Replace the standard streams of this process. To be called before any file is opened.

    A closed descriptor 0, 1 or 2 is opened on the null device: otherwise the next file, such as a
    checkpoint, would get its number, and with it what a library or a child process prints.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is given out, which is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    elif sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 (open to the end)
    sys.stdout, out = _tolerant(sys.stdout)
    sys.stderr, err = _tolerant(sys.stderr)
    return Streams(out, err)


def _tolerant(stream: TextIO | None) -> tuple[TextIO, _Output | None]:
    """A stream in the place of `stream`, with the same encoding, that writes or drops all text."""
    if stream is None:  # its descriptor was closed when Python started
        return open(os.devnull, "w", encoding="utf-8", errors=ESCAPE), None  # noqa: PTH123
    if not isinstance(stream, io.TextIOWrapper):
        return stream, None
    stream.reconfigure(errors=ESCAPE)
    # With `python -u` there is no buffer between the text and the descriptor.
    raw = getattr(stream.buffer, "raw", stream.buffer)
    output = None
    buffer = stream.buffer
    if isinstance(raw, io.FileIO):  # and not a console of Windows, which takes Unicode
        output = _Output(raw.fileno(), "wb", closefd=False)
        buffer = io.BufferedWriter(output)
    kind = _AsciiText if codecs.lookup(stream.encoding).name == "ascii" else _Text
    text = kind(
        buffer,
        encoding=stream.encoding,
        errors=ESCAPE,
        # PYTHONUNBUFFERED, which images of containers set, asks for no delay either.
        line_buffering=stream.line_buffering or stream.write_through,
        write_through=stream.write_through,
    )
    return text, output


def _reason(output: _Output | None) -> str | None:
    if output is None or output.failure is None:
        return None
    return output.failure.strerror or type(output.failure).__name__
