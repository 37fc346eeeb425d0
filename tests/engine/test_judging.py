"""Checks that start a program: no shell, no key, a bounded time, and no way to pass by failing."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from spark_batch.engine.judging import Programs
from spark_batch.jobs.checks import Check, CheckResult, Kind, checks_for
from spark_batch.text import Token

needs_tesseract = pytest.mark.skipif(
    shutil.which("tesseract") is None, reason="tesseract reads the pictures of this test"
)
needs_posix = pytest.mark.skipif(os.name != "posix", reason="a script is no program on Windows")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "out put" / "a $(touch pwned) b.png"
    path.parent.mkdir()
    Image.new("RGB", (8, 8)).save(path)
    return path


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path, tmp_path, allowed=True)


def command(*words: str) -> Check:
    return Check(Kind.RUN, "run: it", command=words)


def python(code: str) -> Check:
    return command(sys.executable, "-c", code, "${file}")


def the_text(text: str) -> Check:
    return Check(Kind.TEXT, f"text: {text}", text=(Token(text),))


def judged(programs: Programs, check: Check, picture: Path) -> CheckResult:
    (found,) = programs.judge([check], picture)
    assert found.check == check.label
    return found


def test_the_exit_code_decides_and_the_last_line_is_the_reason(
    programs: Programs, picture: Path
) -> None:
    for code, passed in ((0, True), (1, False), (3, False)):
        check = python(
            f"print('first'); print('the logo is there'); print(); raise SystemExit({code})"
        )
        assert judged(programs, check, picture) == CheckResult(
            "run: it", passed, "the logo is there"
        )
    assert judged(programs, python("raise SystemExit(7)"), picture).reason == "exit code 7"


def test_the_file_is_one_argument_and_no_shell_reads_it(
    programs: Programs, picture: Path, tmp_path: Path
) -> None:
    """Spaces, quotes and `$(…)` in its name are a part of the name."""
    check = python("import sys; print(len(sys.argv), sys.argv[1])")
    assert judged(programs, check, picture).reason == f"2 {picture}"
    inside = command(sys.executable, "-c", "import sys; print(sys.argv[1])", "--file=${file};$x")
    assert judged(programs, inside, picture).reason == f"--file={picture};$x"
    assert not (tmp_path / "pwned").exists()


def test_it_runs_in_the_recipes_folder_without_the_key(
    programs: Programs, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_API_KEY", "sk-canary")
    monkeypatch.setenv("SOME_TOKEN", "canary")
    check = python("import os; print(os.getcwd(), 'canary' in str(dict(os.environ)))")
    assert judged(programs, check, picture).reason == f"{tmp_path} False"


@needs_posix
def test_a_program_with_a_slash_is_the_recipes_own(
    programs: Programs, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One without is found on PATH, and never in the current folder."""
    (tmp_path / "tools").mkdir()
    script = tmp_path / "tools" / "look-at"
    script.write_text('#!/bin/sh\necho "looked at $1"\n')
    script.chmod(0o755)
    assert judged(programs, command("tools/look-at", "${file}"), picture).passed
    monkeypatch.chdir(tmp_path / "tools")
    found = judged(programs, command("look-at", "${file}"), picture)
    assert found.reason.startswith("not checked: there is no program 'look-at' on PATH")
    assert not found.passed


def test_a_program_that_hangs_is_ended_with_its_children(picture: Path, tmp_path: Path) -> None:
    hasty = Programs(tmp_path, tmp_path, allowed=True, seconds=0.5)
    code = (
        "import subprocess, sys, time;"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); time.sleep(60)"
    )
    began = time.monotonic()
    found = judged(hasty, python(code), picture)
    assert found == CheckResult(
        "run: it", False, "not checked: it did not answer within 0.5 seconds"
    )
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        (
            command("cd-built-in", "${file}"),
            "there is no program 'cd-built-in' on PATH, and no shell is used; for one in the"
            " recipe's folder write './cd-built-in'",
        ),
        (command("./missing", "${file}"), "'missing' cannot be started: No such file or directory"),
        (python("print('x' * (1 << 21))"), "it printed more than 1 MB"),
    ],
)
def test_a_check_that_cannot_run_has_failed(
    programs: Programs, picture: Path, check: Check, reason: str
) -> None:
    found = judged(programs, check, picture)
    assert found == CheckResult("run: it", False, f"not checked: {reason}")


@needs_posix
def test_a_file_that_is_no_program_says_what_it_lacks(
    programs: Programs, picture: Path, tmp_path: Path
) -> None:
    """No permission, no first line that names a program; spaces in its path are no matter."""
    folder = tmp_path / "my tools"
    folder.mkdir()
    script = folder / "look at.sh"
    script.write_text("echo it is fine\n")
    check = command("my tools/look at.sh", "${file}")
    found = judged(programs, check, picture)
    assert "'look at.sh' cannot be started: Permission denied (`chmod +x`" in found.reason
    script.chmod(0o755)
    found = judged(programs, check, picture)
    assert "cannot be started: Exec format error (its first line" in found.reason
    script.write_text("#!/bin/sh\necho it is fine\n")
    assert judged(programs, check, picture) == CheckResult("run: it", True, "it is fine")


def test_what_a_program_prints_steers_no_terminal(programs: Programs, picture: Path) -> None:
    """And is cut; bytes that are no text are shown as such."""
    check = python(r"print('\x1b[31mred\x07'); raise SystemExit(1)")
    assert judged(programs, check, picture).reason == "\ufffd[31mred\ufffd"
    check = python(r"import sys; sys.stdout.buffer.write(b'\xff\xfe' + b'a' * 5000)")
    reason = judged(programs, check, picture).reason
    assert len(reason) == 300
    assert reason.startswith("\ufffd\ufffda")


def test_a_command_that_is_not_allowed_is_not_run(picture: Path, tmp_path: Path) -> None:
    """As in a `rescue` of somebody else's recipe."""
    guarded = Programs(tmp_path, tmp_path)
    check = python(f"open({str(tmp_path / 'ran')!r}, 'w')")
    found = judged(guarded, check, picture)
    assert not found.passed
    assert found.reason.startswith(
        "not checked: the recipe's commands run only with --allow-commands"
    )
    assert not (tmp_path / "ran").exists()


# --- Texts.


def lettered(path: Path, text: str) -> Path:
    image = Image.new("RGB", (900, 300), "white")
    font = ImageFont.load_default(size=64)
    ImageDraw.Draw(image).text((40, 100), text, fill="black", font=font)
    image.save(path)
    return path


@needs_tesseract
def test_a_text_is_read_whatever_its_case_and_spaces(programs: Programs, tmp_path: Path) -> None:
    path = lettered(tmp_path / "a.png", "Merry Christmas!")
    for text in ("Merry Christmas", "merry  christmas", "MERRY\nCHRISTMAS"):
        assert judged(programs, the_text(text), path).passed
    found = judged(programs, the_text("Happy New Year"), path)
    assert not found.passed
    assert found.reason.startswith("the text 'Happy New Year' is not there; it reads 'Merry Chris")


@needs_tesseract
def test_a_picture_without_letters(programs: Programs, picture: Path) -> None:
    Image.new("RGB", (300, 300), "white").save(picture)
    found = judged(programs, the_text("Sale"), picture)
    assert found.reason == "the text 'Sale' is not there; no text can be read"


@needs_tesseract
def test_what_is_no_picture_is_not_read(programs: Programs, picture: Path) -> None:
    picture.write_bytes(b"no picture")
    assert judged(programs, the_text("Sale"), picture).reason == (
        "not checked: tesseract cannot read the picture (exit code 1)"
    )


@needs_posix
def test_a_tesseract_of_the_repository_is_not_run(
    programs: Programs, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger's file is no program that the user installed."""
    ours = tmp_path / "node_modules" / ".bin" / "tesseract"
    ours.parent.mkdir(parents=True)
    ours.write_text(f"#!/bin/sh\ntouch {shlex.quote(str(tmp_path / 'ran'))}\necho Sale\n")
    ours.chmod(0o755)
    monkeypatch.setenv("PATH", str(ours.parent))
    found = judged(programs, the_text("Sale"), picture)
    assert found.reason == "not checked: the program 'tesseract' is not installed"
    assert not (tmp_path / "ran").exists()
    note = programs.missing([the_text("Sale")])
    assert note is not None
    assert "tesseract, which is not installed" in note
    assert programs.missing([python("")]) is None


def test_a_text_with_variables_is_for_the_jobs_that_have_them() -> None:
    check = Check(
        Kind.TEXT, "text: ${headline}!", text=(Token("${headline}", "headline"), Token("!"))
    )
    (filled,) = checks_for([check], [("headline", "Two for one"), ("sku", "7")])
    assert (filled.label, filled.text) == ("text: Two for one!", (Token("Two for one!"),))
    assert checks_for([check], [("sku", "7")]) == ()
    plain = Check(Kind.SHARP, "sharp", limit=0.1)
    assert checks_for([plain], []) == (plain,)
