"""Diagnostics can be read by people, by tools and by GitHub, and cannot steer a terminal."""

from __future__ import annotations

from pathlib import Path

from spark_batch.jobs import SourceLocation
from spark_batch.recipe.diagnostics import Diagnostic, Findings, Mark, Source
from spark_batch.text import closest, quoted


def _diagnostic(line: str, column: int, message: str = "wrong") -> Diagnostic:
    place = SourceLocation(Path("dir/a,b.yaml"), 3, column)
    return Diagnostic(place, "error", "type", "run.attempts", message, line)


def test_render() -> None:
    """A message is place, severity, path and text, then the line with a caret."""
    said = _diagnostic("run: {attempts: x}", 17).render()
    assert said == (
        "dir/a,b.yaml:3:17: error: run.attempts: wrong\n  run: {attempts: x}\n                  ^"
    )


def test_caret_stands_below_wide_characters() -> None:
    """A wide character takes two cells, a combining one none."""
    lines = _diagnostic("日本e\u0301: x", 7).render().splitlines()
    assert lines[2].index("^") == 2 + 4 + 1 + 2


def test_long_line_is_cut_around_the_place() -> None:
    """Of a long line only the part around the place is shown."""
    lines = _diagnostic("a" * 5000 + "HERE" + "b" * 5000, 5001).render().splitlines()
    assert len(lines[1]) < 110
    assert lines[1][lines[2].index("^") :].startswith("HERE")


def test_control_characters_are_not_printed() -> None:
    """What a recipe holds cannot move the cursor or break the line."""
    findings = Findings(Source(Path("a\x1b.yaml"), ("x: \x1b[31m",)))
    findings.error(Mark(1, 4), code="c", path="", message="bad \x1b[2J\nnext")
    said = findings.of("error")[0].render()
    assert "\x1b" not in said
    assert len(said.splitlines()) == 3


def test_json() -> None:
    """The JSON form has every field as a plain value."""
    assert _diagnostic("x", 1).as_json() == {
        "file": str(Path("dir/a,b.yaml")),
        "line": 3,
        "column": 1,
        "severity": "error",
        "code": "type",
        "path": "run.attempts",
        "message": "wrong",
    }


def test_github() -> None:
    """Workflow commands are escaped as GitHub wants it."""
    said = _diagnostic("x", 1, "100%: a,b").as_github()
    assert said == (
        "::error file=dir/a%2Cb.yaml,line=3,col=1,title=spark-batch type::run.attempts: 100%25: a,b"
    )


def test_found_in_the_order_of_the_file_and_once() -> None:
    """Whatever the order of finding, the order of telling is the file's."""
    findings = Findings(Source(Path("a.yaml"), ("x", "y")))
    for mark in (Mark(2, 1), Mark(1, 5), Mark(1, 1), Mark(2, 1)):
        findings.error(mark, code="c", path="", message="m")
    findings.warn(Mark(1, 1), code="c", path="", message="m")
    places = [(error.place.line, error.place.column) for error in findings.of("error")]
    assert places == [(1, 1), (1, 5), (2, 1)]


def test_values_are_cut() -> None:
    """A long value is shown by its beginning, on one line."""
    assert quoted("a\nb") == "'a b'"
    assert len(quoted("x" * 1000)) == 62


def test_only_close_words_are_suggested() -> None:
    """A typo is recognised, another word is not."""
    known = ("prompts", "inputs", "scale")
    assert closest("promts", known) == "prompts"
    assert closest("Scales", known) == "scale"
    assert closest("photos", known) is None
