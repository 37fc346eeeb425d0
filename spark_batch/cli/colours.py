"""Colours on terminals that have them. The words are the same without.

NO_COLOR (no-color.org) switches them off, FORCE_COLOR and CLICOLOR_FORCE on where no terminal is,
CLICOLOR=0 off (bixense.com/clicolors). Only colours that can be read on a light and on a dark
ground are used: yellow, white, black and blue cannot.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import TextIO

from spark_batch.cli.streams import print_raw
from spark_batch.paths import shown
from spark_batch.redact import harmless


class Colour(Enum):
    """A colour by its SGR number (ECMA-48)."""

    BAD = 31
    GOOD = 32
    NOTABLE = 35
    UNDER_WAY = 36
    PLAIN = 0


_INDENT = "    "
_LEAST = 16  # columns for words, on the narrowest terminal
_COMMAND = re.compile(r"`[^`\n]*`")
_SEVERITY = re.compile(r": (error|warning|note): ")

Part = str | tuple[str, Colour]


def has_colours(stream: TextIO, variables: Mapping[str, str] = os.environ) -> bool:
    if variables.get("NO_COLOR"):
        return False
    if any(variables.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    if variables.get("CLICOLOR") == "0" or variables.get("TERM") == "dumb":
        return False
    return stream.isatty()


def line(stream: TextIO, *parts: Part) -> str:
    """Text and coloured text as one line for `streams.terminal(stream)`, made harmless."""
    coloured = has_colours(stream)
    written = []
    for part in parts:
        text, colour = (part, Colour.PLAIN) if isinstance(part, str) else part
        safe = harmless(text)
        in_colour = coloured and colour is not Colour.PLAIN
        written.append(f"\x1b[{colour.value}m{safe}\x1b[0m" if in_colour else safe)
    return "".join(written)


def print_line(*parts: Part, err: bool = False) -> None:
    print_raw(line(sys.stderr if err else sys.stdout, *parts), err=err)


def print_folded(*parts: Part, after: str = ": ", indent: str = _INDENT) -> None:
    """Print a line on stdout, on a terminal folded to its width."""
    if sys.stdout.isatty():
        parts = folded(parts, shutil.get_terminal_size().columns, after=after, indent=indent)
    print_line(*parts)


def folded(
    parts: tuple[Part, ...], columns: int, *, after: str = ": ", indent: str = _INDENT
) -> tuple[Part, ...]:
    """A line that is longer than the terminal is wide, as several: what follows is indented.

    The line is cut behind the first `after` of its last part; without any, before that part. A
    command in backticks stays in one line, so that it can be copied.
    """
    *heads, text = parts
    start = sum(len(head if isinstance(head, str) else head[0]) for head in heads)
    if not isinstance(text, str) or start + len(text) <= columns:
        return parts
    name, cut, rest = text.partition(after) if after else ("", "", text)
    if not rest:
        return parts
    below = wrapped(f"{indent}{rest}", columns, further="")
    return (*heads, f"{name}{cut.rstrip()}\n{below}")


def wrapped(text: str, columns: int, *, further: str = _INDENT) -> str:
    """A line as several of at most so many columns, cut between words.

    The lines after the first are indented as it is, and by `further`. A command in backticks stays
    in one line, so that it can be copied.
    """
    kept = _COMMAND.sub(lambda command: command[0].replace(" ", "\0"), text.lstrip(" "))
    indent = " " * (len(text) - len(text.lstrip(" ")))
    width = max(columns, len(indent + further) + _LEAST)
    lines = textwrap.wrap(
        kept,
        width,
        initial_indent=indent,
        subsequent_indent=indent + further,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines).replace("\0", " ")


def print_wrapped(text: str, *, err: bool = False) -> None:
    """Print lines, on a terminal wrapped between words."""
    if (sys.stderr if err else sys.stdout).isatty():
        columns = shutil.get_terminal_size().columns
        text = "\n".join(wrapped(line, columns) for line in text.split("\n"))
    print_line(text, err=err)


def print_err(text: str) -> None:
    """Print lines on stderr, as `print_wrapped` does."""
    print_wrapped(text, err=True)


def print_link(before: str, path: Path) -> None:
    """Print a path on stdout, on a terminal as a link that opens it (OSC 8).

    Terminals that do not know OSC 8 show the path alone.
    """
    text = harmless(shown(path))
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        text = f"\x1b]8;;{path.absolute().as_uri()}\x1b\\{text}\x1b]8;;\x1b\\"
    print_raw(f"{before}{text}")


def print_diagnostic(text: str) -> None:
    """Print a diagnostic on stderr, with its severity in a colour."""
    before, severity, after = _SEVERITY.split(text, maxsplit=1)
    colour = Colour.BAD if severity == "error" else Colour.NOTABLE
    print_line(f"{before}: ", (f"{severity}:", colour), f" {after}", err=True)
