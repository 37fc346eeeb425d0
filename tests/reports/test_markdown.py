"""The Markdown summary, as a reader of Markdown sees it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from spark_batch.checkpoint import Checkpoint
from spark_batch.jobs import Prompt
from spark_batch.reports import markdown
from spark_batch.reports.formats import write_all
from spark_batch.reports.report import Target
from spark_batch.text import one_line
from tests.makers import MODELS, a_picture, a_result, some_jobs
from tests.reports.conftest import HOSTILE, fill, write_report

TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]))


def tokens(text: str) -> Iterator[Token]:
    """Everything that GitHub's Markdown would read in a text, the inner tokens too."""
    for token in MarkdownIt("commonmark", {"html": True}).enable("table").parse(text):
        yield token
        yield from token.children or ()


def kinds(text: str) -> list[str]:
    return [token.type for token in tokens(text)]


def written(checkpoint: Checkpoint, folder: Path) -> str:
    return write_report(checkpoint, folder, "markdown").read_text(encoding="utf-8")


class _Images(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.found.append(dict(attrs))


def images(text: str) -> list[dict[str, str | None]]:
    parser = _Images()
    parser.feed("".join(each.content for each in tokens(text) if each.type == "html_inline"))
    return parser.found


def test_counts_and_money(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """A table of the statuses; what is spent, and what may still be."""
    fill(checkpoint)
    text = written(checkpoint, tmp_path)
    cells = [each.content for each in tokens(text) if each.type == "inline"]
    table = dict(zip(cells[1:9], cells[9:17], strict=True))
    assert table == {
        "jobs": "9",
        "done": "2",
        "failed": "1",
        "uncertain": "2",
        "expired": "1",
        "under way": "2",
        "pending": "1",
        "flagged": "1",
    }
    assert "**0.12 USD** spent, 0.09 USD reserved" in text


def test_money_of_the_sandbox_is_play_money(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """As in every other output: nothing was charged."""
    jobs = [
        job._replace(prompt=replace(job.prompt, id=f"prompt-{number}"))
        for number, job in enumerate(some_jobs(2))
    ]
    checkpoint.sync_jobs(jobs)
    for number, job in enumerate(jobs):
        attempt = checkpoint.begin_attempt(job.key, number=1, reserved=None, api="sandbox")
        checkpoint.submitted(attempt, f"task-{number}")
        checkpoint.fetching(attempt, a_result())
    text = written(checkpoint, tmp_path)
    assert "\nnothing charged, would be about 0.06 USD.\n" in text
    assert "| prompt | play USD |" in text
    assert "spent" not in text


def test_picks_are_counted(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """In one line; none without verdicts, and none of a picks file with an error."""
    jobs = fill(checkpoint)
    picks = tmp_path / "t.picks.csv"
    target = Target("t", tmp_path, None, MODELS, picks)

    def text() -> str:
        (path,) = write_all(checkpoint, target, ["markdown"]).paths
        return path.read_text(encoding="utf-8")

    assert "picked" not in text()
    verdicts = zip(jobs[:3], ("pick", "reject", "pick"), strict=True)
    rows = "".join(f"{job.key},{job.output},{verdict},\n" for job, verdict in verdicts)
    picks.write_text(f"job,output,verdict,note\n{rows}")
    assert "\n2 picked, 1 rejected.\n" in text()
    picks.write_text("<<<<<<< HEAD\n")
    assert "picked" not in text()


def test_what_needs_a_person_comes_with_reason_advice_and_command(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    """Uncertain first, since it may be paid for twice; then failed, lost and flagged."""
    jobs = fill(checkpoint, "too long")
    text = written(checkpoint, tmp_path)
    titles = [line for line in text.splitlines() if line.startswith("## ")]
    assert titles == [
        "## 2 jobs uncertain",
        "## 1 job failed",
        "## 1 job expired",
        "## 1 job flagged",
        "## Pictures",
    ]
    said = (
        "- `cat/beach-8`, `test.yaml:13:5`: `003003002` Invalid prompt length `too long`\\\n"
        "  Shorten the prompt to at most 800 characters; 120 or fewer work best. Change that in the"
        " recipe, and run it again.\n"
    )
    assert said in text
    changed = "To make those whose request is refused, once the recipe has changed:"
    assert f"{changed}\n\n    spark-batch run test.yaml\n" in text
    assert "spark-batch retry test.yaml" not in text
    assert f"`spark-batch resolve test.yaml {jobs[8].key} --task-id ID`" in text


def test_the_cost_of_each_prompt(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """In the recipe's order, what an older recipe left over last."""
    jobs = some_jobs(3)
    jobs = [j._replace(prompt=Prompt(f"p{n}", j.prompt.text)) for n, j in enumerate(jobs)]
    checkpoint.sync_jobs(jobs)
    for job in reversed(jobs):
        attempt = checkpoint.begin_attempt(job.key, number=1, reserved=Decimal("1"), api="x")
        checkpoint.submitted(attempt, job.key)
        checkpoint.fetching(attempt, a_result(f"0.0{job.seed}"))
        checkpoint.done(attempt, a_picture(job.key), {})
    checkpoint.sync_jobs(jobs[1:])
    assert checkpoint.spent_by_prompt() == {
        "p1": Decimal("0.02"),
        "p2": Decimal("0.03"),
        None: Decimal("0.01"),
    }
    rows = [each for each in written(checkpoint, tmp_path).splitlines() if "0.0" in each]
    assert rows[1:] == [
        "| <code>p1</code> | 0.02 |",
        "| <code>p2</code> | 0.03 |",
        "| left over from an older recipe | 0.01 |",
    ]


@pytest.mark.parametrize("said", HOSTILE)
def test_hostile_texts_change_nothing_of_the_page(
    checkpoint: Checkpoint, tmp_path: Path, said: str
) -> None:
    """A reader finds the same headings, lists, links and HTML as with a harmless text."""
    fill(checkpoint, said, prompt=said)
    hostile = written(checkpoint, tmp_path)
    with Checkpoint.open(tmp_path / "harmless.checkpoint") as harmless:
        fill(harmless, "no")
        assert kinds(hostile) == kinds(written(harmless, tmp_path))


@given(text=TEXTS)
def test_a_code_span_is_one_and_says_the_text(text: str) -> None:
    """Whatever stands before and after it."""
    found = [each for each in tokens(f"- {markdown.code(text)}: *x*") if not each.block]
    assert [each.type for each in found[:2]] == ["code_inline", "text"]
    assert found[0].content.strip(" ") == one_line(text, 300)


@given(text=TEXTS)
def test_a_cell_is_one_and_says_the_text(text: str) -> None:
    """A pipe does not end it, nothing in it is markup."""
    found = list(tokens(f"| a | b |\n|---|---|\n| {markdown.cell(text)} | 1 |\n"))
    cells = [each for each in found if each.type == "inline"]
    assert len(cells) == 4
    inner = [each.type for each in cells[2].children or ()]
    assert set(inner) <= {"html_inline", "text", "text_special"}
    assert inner.count("html_inline") == 2
    said = "".join(c.content for c in cells[2].children or () if c.type != "html_inline")
    assert said.strip() == one_line(text, 300)


def test_thumbnails_are_relative_links_and_few(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """The first of them, each with a width and a name."""
    jobs = some_jobs(30)
    checkpoint.sync_jobs(jobs)
    for job in jobs:
        attempt = checkpoint.begin_attempt(job.key, number=1, reserved=None, api="x")
        checkpoint.submitted(attempt, job.key)
        checkpoint.fetching(attempt, a_result())
        checkpoint.done(attempt, a_picture(job.key), {job.output: f'{job.output} "x" <&>#?.jpg'})
    text = written(checkpoint, tmp_path)
    shown = images(text)
    assert [unquote(each["src"] or "") for each in shown] == [
        f'cat/beach-{n} "x" <&>#?.jpg' for n in range(1, 25)
    ]
    assert shown[0]["alt"] == 'cat/beach-1 "x" <&>#?.jpg'
    assert "30 pictures in all." in text


def test_long_lists_are_cut_and_say_so(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """So that a summary stays one, with however many jobs."""
    jobs = some_jobs(60)
    checkpoint.sync_jobs(jobs)
    for job in jobs:
        attempt = checkpoint.begin_attempt(job.key, number=1, reserved=None, api="x")
        checkpoint.fail(attempt, code=None, message="x" * 5000, again="never")
    text = written(checkpoint, tmp_path)
    assert "## 60 jobs failed" in text
    assert text.count("\n- `cat/beach-") == 50
    assert "- … and 10 more" in text
    assert len(text) < 60 * 500
