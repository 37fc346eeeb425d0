"""Run the checks that start a program: text read by tesseract, and commands of the recipe.

The run's own process starts them, on the file under its name, since a worker on another machine may
have neither the program nor the recipe's folder. A program gets no key, no shell, no terminal, no
standard input, and a limited time.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from spark_batch import children
from spark_batch.jobs.checks import FILE, Check, CheckResult, Kind
from spark_batch.text import letters, one_line, quoted, template_tokens

SECONDS = 30.0  # for a program; a recipe has 16 checks at most (engine/waits.py)
TESSERACT = "tesseract"
ALLOW_OPTION = "--allow-commands"

_LONGEST_REASON = 300  # characters
_MOST_OUTPUT = 1 << 20  # bytes that a program may print
_HINTS = {
    errno.EACCES: " (`chmod +x` makes a file a program)",
    errno.ENOEXEC: " (its first line must name an interpreter, such as #!/usr/bin/env python3)",
}
# Values of tesseract's --psm: a page of text, and single words anywhere.
_LAYOUTS = ("3", "11")


@dataclass(frozen=True, slots=True)
class Programs:
    """Runs the programs of a recipe's checks in `folder`, which is the recipe's.

    `outside` is a folder of possibly foreign files, where tesseract is not looked for. `allowed` is
    whether the user allows the recipe's own commands, `seconds` the time limit of a program.
    """

    folder: Path
    outside: Path
    allowed: bool = False
    seconds: float = SECONDS

    def judge(self, checks: Iterable[Check], file: Path) -> tuple[CheckResult, ...]:
        """The results of checks on a picture's file. A check that cannot run has failed."""
        return tuple(self._judge(check, file.absolute()) for check in checks)

    def _judge(self, check: Check, file: Path) -> CheckResult:
        try:
            passed, reason = self._text(check, file) if check.text else self._command(check, file)
        except (OSError, ValueError, TimeoutError) as error:
            passed, reason = False, f"not checked: {_words(error)}"
        return CheckResult(check.label, passed, one_line(reason, _LONGEST_REASON))

    def _text(self, check: Check, file: Path) -> tuple[bool, str]:
        wanted = "".join(token.text for token in check.text)
        program = children.find_program(TESSERACT, outside=self.outside)
        if program is None:
            raise ValueError(f"the program {quoted(TESSERACT)} is not installed")
        # One thread a picture, and the user's folder of languages.
        folder = os.environ.get("TESSDATA_PREFIX")
        variables = {"OMP_THREAD_LIMIT": "1", **({"TESSDATA_PREFIX": folder} if folder else {})}
        read = []
        for layout in _LAYOUTS:
            words = [program, str(file), "stdout", "--psm", layout]
            code, output = self._output(words, **variables)
            if code != 0:
                raise ValueError(f"{TESSERACT} cannot read the picture (exit code {code})")
            if letters(wanted) in letters(output):
                return True, f"the text {quoted(wanted)} is there"
            read.append(" ".join(output.split()))
        seen = max(read, key=len)
        shown = f"; it reads {quoted(seen)}" if seen else "; no text can be read"
        return False, f"the text {quoted(wanted)} is not there{shown}"

    def _command(self, check: Check, file: Path) -> tuple[bool, str]:
        if not self.allowed:
            raise ValueError(f"the recipe's commands run only with {ALLOW_OPTION}")
        name, *others = check.command
        # As in a shell, a name with a slash is a path, here from the recipe's folder.
        program = (
            str(self.folder / name) if "/" in name else children.find_program(name, outside=None)
        )
        if program is None:
            raise ValueError(
                f"there is no program {quoted(name)} on PATH, and no shell is used; for one in the"
                f" recipe's folder write {quoted(f'./{name}')}"
            )
        words = [program, *("".join(_filled(word, str(file))) for word in others)]
        code, output = self._output(words)
        lines = [line for line in output.splitlines() if line.strip()]
        last = lines[-1] if lines else ""
        if code == 0:
            return True, last or "exit code 0"
        return False, last or f"exit code {code}"

    def _output(self, words: Sequence[str], **variables: str) -> tuple[int, str]:
        """The exit code of a program, and what it prints.

        Raises OSError, ValueError and TimeoutError.
        """
        ended = children.run(
            words,
            children.environment(**variables),
            seconds=self.seconds,
            folder=self.folder,
            most=_MOST_OUTPUT,
        )
        return ended.code, ended.output.decode(errors="replace")

    def missing(self, checks: Iterable[Check]) -> str | None:
        """A note if a check needs tesseract and it is not installed, else None."""
        first = next((check for check in checks if check.kind is Kind.TEXT), None)
        if first is None or children.find_program(TESSERACT, outside=self.outside) is not None:
            return None
        return (
            f"{quoted(first.label)} reads pictures with {TESSERACT}, which is not installed:"
            " this check fails for every picture; install it"
        )


def _filled(word: str, file: str) -> Iterable[str]:
    return (file if token.name == FILE else token.text for token in template_tokens(word))


def _words(error: Exception) -> str:
    """The error as a text, without the full path in an OSError."""
    if isinstance(error, OSError) and error.strerror:
        name = Path(str(error.filename)).name if error.filename else "it"
        hint = _HINTS.get(error.errno or 0, "")
        return f"{quoted(name)} cannot be started: {error.strerror}{hint}"
    return str(error)
