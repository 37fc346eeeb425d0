"""A checkpoint with a job of every status, and texts that try to break out of a report."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from spark_batch.checkpoint import Checkpoint, CheckpointReader
from spark_batch.jobs import Job, Prompt
from spark_batch.reports.formats import write_all
from spark_batch.reports.report import Target
from tests.makers import MODELS, a_picture, a_result, some_jobs

STATUSES = (
    "pending",
    "submitting",
    "running",
    "fetching",
    "done",
    "done",
    "expired",
    "failed",
    "uncertain",
)
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "]]></failure><!-- & &amp; \" ' -->",
    "a | b \\| c\n| --- | --- |\r\n# title",
    "`one` ``two`` ```three",
    "`",
    "ping @octocat, see #1, mail a@b.example, www.example.com https://example.com/x",
    "[link](https://example.com) ![image](x) **bold** _em_ ~~gone~~ <https://example.com>",
    "::error file=a,line=1::done%0A::stop-commands::x",
    "value\nEOF\nfailed=0\nspark-batch-0",
    "nul\x00 escape\x1b[31m bell\x07 \ufffe\uffff \u202eright to left\u2028next",
    "日本語 e\u0301 👩‍🎨 " + "long " * 200,
    "=1+1",
    " \\",
)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Iterator[Checkpoint]:
    """An open and empty one."""
    with Checkpoint.open(tmp_path / ".spark-batch" / "t.checkpoint") as opened:
        yield opened


def write_report(checkpoint: CheckpointReader, folder: Path, form: str) -> Path:
    """Write one report of the recipe `t` into a folder, as all commands do; return its path."""
    written = write_all(checkpoint, Target("t", folder, None, MODELS), [form])
    assert not written.failures
    (path,) = written.paths
    return path


def fill(checkpoint: Checkpoint, said: str = "no", *, prompt: str | None = None) -> list[Job]:
    """A job of each of STATUSES, the second one that is done a suspect; a server `said` something.

    The failed one is at its second attempt.
    """
    jobs = [_placed(job, line, prompt) for line, job in enumerate(some_jobs(len(STATUSES)), 6)]
    with checkpoint.transaction():
        _fill(checkpoint, jobs, said)
    return jobs


def _fill(checkpoint: Checkpoint, jobs: list[Job], said: str) -> None:
    checkpoint.sync_jobs(jobs)
    ids = [_intend(checkpoint, job) for job in jobs[1:]]
    for n, attempt in enumerate(ids[1:6]):
        checkpoint.submitted(attempt, f"task-{n}")
    for attempt in ids[2:6]:
        checkpoint.fetching(attempt, a_result())
    for n in (3, 4, 5):
        file = {jobs[n + 1].output: f"{jobs[n + 1].output}.jpg"}
        checkpoint.done(ids[n], a_picture(str(n)), file, suspect=said if n == 4 else None)
    checkpoint.expire(ids[5], said)
    checkpoint.fail(ids[6], code="003003095", message="first", again="new-task")
    again = _intend(checkpoint, jobs[7], number=2)
    checkpoint.fail(again, code="003003002", message=said, again="never")
    checkpoint.uncertain(ids[7], said)


def _intend(checkpoint: Checkpoint, job: Job, *, number: int = 1) -> int:
    return checkpoint.begin_attempt(
        job.key, number=number, reserved=Decimal("0.03"), api="https://api.example"
    )


def _placed(job: Job, line: int, prompt: str | None) -> Job:
    text = job.prompt.text if prompt is None else prompt
    return job._replace(prompt=Prompt("beach", text, (("hue", text),), f"test.yaml:{line}:5"))
