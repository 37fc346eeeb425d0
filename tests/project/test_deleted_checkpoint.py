"""A checkpoint that is deleted under a run: what the run paid for stays on record."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from PIL import Image

from spark_batch.engine import Driver
from spark_batch.engine.events import Done
from spark_batch.errors import CheckpointReplaced, ExitCode
from spark_batch.project import RunOptions, load, prepare
from tests.runs import run

RECIPE = """\
version: 1
name: mine
inputs: [cat.jpg]
prompts: [Beach, Snow, Desert]
price: 0.03
run: {concurrency: 1}
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows deletes no file that is open")
def test_the_next_run_pays_for_nothing_twice(tmp_path: Path) -> None:
    """The manifest is written from the file that the process still has open."""
    Image.new("RGB", (96, 64), (200, 120, 40)).save(tmp_path / "cat.jpg", "JPEG")
    (tmp_path / "mine.yaml").write_text(RECIPE)
    recipe = load(tmp_path / "mine.yaml").recipe
    options = RunOptions(sandbox=True)

    def watch(going: Driver, total: int) -> None:
        for event in going.events():
            if isinstance(event, Done):
                prepared.plan.layout.checkpoint.unlink(missing_ok=True)

    with prepare(recipe, options) as prepared, pytest.raises(CheckpointReplaced) as caught:
        prepared.execute(watch)
    assert "was deleted" in str(caught.value)
    assert f"takes over what {prepared.plan.layout.manifest} lists" in str(caught.value)
    assert run(recipe, options).exit_code == ExitCode.DONE
    ledger = prepared.plan.layout.sandbox / "ledger.jsonl"
    entries = [json.loads(line) for line in ledger.read_text().splitlines()]
    accepted = [entry for entry in entries if "accepted" in entry.values()]
    assert len(accepted) == 3
