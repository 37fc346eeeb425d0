"""A checkpoint deleted, replaced or cut while a run uses it: the run stops and names its tasks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from spark_batch.checkpoint import Checkpoint
from spark_batch.engine import Driver
from spark_batch.engine.events import Event, Submitted
from spark_batch.errors import CheckpointReplaced, ExitCode
from tests.engine.conftest import MakeWorld


def _deleted(path: Path, old: bytes) -> None:
    path.unlink()


def _moved(path: Path, old: bytes) -> None:
    shutil.move(path, path.with_name("elsewhere"))


def _folder_gone(path: Path, old: bytes) -> None:
    shutil.rmtree(path.parent)


def _replaced(path: Path, old: bytes) -> None:
    other = path.with_name("other")
    other.write_bytes(old)
    other.replace(path)


def _overwritten(path: Path, old: bytes) -> None:
    with path.open("r+b") as file:
        file.write(old)


def _cut(path: Path, old: bytes) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _emptied(path: Path, old: bytes) -> None:
    os.truncate(path, 0)


def _garbled(path: Path, old: bytes) -> None:
    path.write_bytes(b"x" * path.stat().st_size)


@pytest.mark.parametrize(
    "spoil",
    [_deleted, _moved, _folder_gone, _replaced, _overwritten, _cut, _emptied, _garbled],
)
def test_the_run_stops_and_names_every_task_that_it_holds(
    make_world: MakeWorld, spoil: Callable[[Path, bytes], None]
) -> None:
    """None that was paid for is forgotten, and nothing more is sent."""
    world = make_world(concurrency=2)
    world.prompts(*[f"Beach {n}" for n in range(8)])
    world.run_nothing()
    old = world.checkpoint.read_bytes()
    ended: list[str] = []

    def on_event(run: Driver, event: Event) -> None:
        if isinstance(event, Submitted) and not ended:
            ended.append("spoilt")
            spoil(world.checkpoint, old)

    with pytest.raises(CheckpointReplaced, match="while the run used it") as caught:
        world.run(on_event=on_event)
    assert caught.value.exit_code is ExitCode.FAILED
    accepted = [entry.id for entry in world.served.ledger.accepted()]
    assert 1 <= len(accepted) <= 2
    assert all(task in str(caught.value) for task in accepted)


@pytest.mark.skipif(os.name == "nt", reason="Windows moves no folder with an open file")
def test_a_folder_that_is_moved_away_in_a_transaction_is_named(tmp_path: Path) -> None:
    """SQLite calls it a disk I/O error, which is true of no disk here."""
    path = tmp_path / "state" / "mine.checkpoint"
    checkpoint = Checkpoint.open(path)
    with (
        closing(checkpoint),
        pytest.raises(CheckpointReplaced, match="was deleted"),
        checkpoint.transaction(),
    ):
        checkpoint.use_plan("0" * 32)
        path.parent.rename(tmp_path / "elsewhere")
