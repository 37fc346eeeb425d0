"""What the decisions of a job cost: sent, made, polled twice, downloaded, placed, done."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path

from spark_batch.client.outcomes import Completed, InProgress, Made
from spark_batch.engine import effects, triggers
from spark_batch.jobs import matrix
from tests.engine.conftest import a_recipe
from tests.engine.test_decide import PICTURE, RESULT, admit, an_engine

JOBS = 2000


def main() -> None:
    """Print microseconds of CPU a job, with so many in flight."""
    with tempfile.TemporaryDirectory() as name:
        recipe = a_recipe(Path(name), concurrency=JOBS, submit_rate=1e9, task_timeout=600.0)
    (block,) = recipe.blocks
    block = replace(block, prompts=block.prompts[:1], seeds=tuple(range(JOBS)))
    jobs = list(matrix.jobs(replace(recipe, blocks=(block,))))
    engine = an_engine(recipe)
    start = time.process_time()
    tickets = [admit(engine, job, 1.0).effects[0].ticket for job in jobs]
    for ticket in tickets:
        engine.take(triggers.SubmitAnswered(ticket, Made(task_id=str(ticket))), 2.0)
    engine.take(triggers.TimersDue(), 30.0)
    for ticket in tickets:
        engine.take(triggers.PollAnswered(ticket, InProgress()), 31.0)
    engine.take(triggers.TimersDue(), 90.0)
    for ticket in tickets:
        engine.take(triggers.PollAnswered(ticket, Completed(result=RESULT)), 91.0)
    engine.take(triggers.TimersDue(), 91.0)
    for ticket in tickets:
        delivered = effects.Delivered(PICTURE, {"a": "a.jpg"})
        engine.take(triggers.PictureAnswered(ticket, delivered), 93.0)
    seconds = time.process_time() - start
    assert engine.tally.done == JOBS
    print(f"decisions: {seconds / JOBS * 1e6:.0f} us a job, {JOBS} in flight")


if __name__ == "__main__":
    main()
