"""A disk that is full: nothing more is sent, nothing that is paid for is lost."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from spark_batch.errors import ExitCode, OutputError
from tests.engine.conftest import MakeWorld

KILOBYTES = 2048


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes, where the machine allows one to be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={KILOBYTES}k", "tmpfs", str(folder)]
    if os.name != "posix" or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no small disk can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("metadata", [False, True])
@pytest.mark.parametrize("left", [4, 24, 60, 90, 140])
def test_a_full_disk_stops_sending_and_loses_nothing(
    make_world: MakeWorld, small_disk: Path, left: int, metadata: bool
) -> None:
    """With so many kilobytes left: every task is known or its job uncertain, and room mends it."""
    world = make_world(concurrency=2)
    world.settings["metadata"] = metadata
    world.recipe = replace(world.recipe, output_dir=small_disk / "out")
    world.prompts(*[f"Beach {n}" for n in range(8)])
    world.recipe = replace(world.recipe, run=replace(world.recipe.run, max_uncertain=8))
    filler = small_disk / "filler"
    try:
        world.run_nothing()
        with filler.open("wb") as file:
            free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
            file.write(b"\0" * max(0, free - left * 1024))
        tally = world.run()
        told = tally.exit_code()
        assert told in (ExitCode.FAILED, ExitCode.UNCERTAIN)
        assert tally.halted is not None
        assert "space" in tally.halted.reason
    except OutputError as error:
        assert any(text in str(error) for text in ("full", "disk I/O", "no space"))
    assert len(world.fingerprints()) < 8
    filler.unlink()
    world.run()
    assert set(world.statuses()) <= {"done", "uncertain"}
    assert len(set(world.fingerprints())) == len(world.fingerprints())
    world.check_books()
