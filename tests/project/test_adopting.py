"""A look into a manifest that cannot be read: what a checkpoint knows of it, and what not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spark_batch.checkpoint import Checkpoint
from spark_batch.project.adopting import may_know_more
from tests.makers import some_jobs

SENT, PENDING = some_jobs(2)
UNKNOWN = "fedcba9876543210"
More = Callable[[str], bool]


@pytest.fixture
def more(tmp_path: Path) -> Iterator[More]:
    """Whether a text may tell of more than a checkpoint knows in which one of two jobs was sent."""
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        checkpoint.sync_jobs([SENT, PENDING])
        attempt = checkpoint.begin_attempt(SENT.key, number=1, reserved=None, api="sandbox")
        checkpoint.submitted(attempt, "task-1")

        def ask(text: str, *, encoding: str = "utf-8") -> bool:
            path = tmp_path / "m.csv"
            path.write_text(text, encoding=encoding)
            return may_know_more(checkpoint, path, owns=lambda key: key != "0" * 16)

        yield ask


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", False),
        ("job,status\n", False),
        (f"{SENT.key},running,x,task-1\n", False),
        (f'{SENT.key}|running|"Beach\nat dawn"|task-1\n', False),
        (f"{SENT.key},running,x,task-2\n", True),
        (f"{PENDING.key},pending,x\n", False),
        (f"{PENDING.key},done,x,task-3\n", True),
        (f"{PENDING.key},done,pending,task-3\n", True),
        (f"{UNKNOWN};pending;x\n", False),
        (f"{UNKNOWN};uncertain;x\n", True),
        (f"{SENT.key},running,x,task-1\n{UNKNOWN},done,x,task-1\n", True),
        (f"{SENT.key},running,x,task-1\n1.23457E+15,done,x,task-2\n", True),
        (f"{'0' * 16},done,x,task-4\n", False),
        (f"{SENT.key},running,{'ab' * 32},task-1\n", False),
    ],
)
def test_a_job_of_which_the_checkpoint_knows_less_is_found(
    more: Callable[..., bool], text: str, expected: bool, encoding: str
) -> None:
    """By its key and its task, whatever separates the cells, in any encoding of a spreadsheet."""
    assert more(text, encoding=encoding) is expected


def test_of_a_checkpoint_without_attempts_nothing_is_sure(tmp_path: Path) -> None:
    """An empty manifest may have known everything; a folder knows nothing."""
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        (tmp_path / "m.csv").touch()
        assert may_know_more(checkpoint, tmp_path / "m.csv", owns=lambda _: True)
        assert not may_know_more(checkpoint, tmp_path, owns=lambda _: True)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_what_cannot_be_looked_into_may_tell_of_anything(tmp_path: Path, more: More) -> None:
    """A file without permission."""
    more("")
    path = tmp_path / "m.csv"
    path.chmod(0)
    with Checkpoint.open(tmp_path / "other.checkpoint") as checkpoint:
        assert may_know_more(checkpoint, path, owns=lambda _: True)
