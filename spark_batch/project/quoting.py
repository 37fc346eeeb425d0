"""`plan --quote`: asks the API what the jobs would cost. No task is made."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path

from spark_batch import pictures
from spark_batch.client import TaskClient
from spark_batch.client.bodies import Bodies
from spark_batch.client.outcomes import Quoted
from spark_batch.errors import PictureError
from spark_batch.jobs import Job
from spark_batch.project import access
from spark_batch.project.layout import RecipeLayout

MAX_QUESTIONS = 20  # sizes that are asked about; each is a request with a whole picture


@dataclass(frozen=True, slots=True)
class Quotes:
    """USD a picture by width and height as asked; why the API told none for the others.

    `unasked` counts the sizes beyond the first 20.
    """

    prices: Mapping[tuple[int, int], Decimal]
    refused: tuple[str, ...]
    unasked: int


def ask(
    jobs: Mapping[tuple[int, int], Job],
    layout: RecipeLayout,
    *,
    sandbox: bool,
    env_file: Path | None,
) -> Quotes:
    """Ask precharge for one job of each size; the API may refuse (schemas/README.md).

    Raises UsageError when there is no key.
    """
    prices: dict[tuple[int, int], Decimal] = {}
    refused: dict[str, None] = {}
    bodies = Bodies(fitted=partial(pictures.fitted, rules=layout.model.picture))
    # A sandbox of its own, since a plan touches no file of the recipe's.
    with (
        tempfile.TemporaryDirectory() as folder,
        access.endpoint(
            RecipeLayout(layout.name, Path(folder), layout.model),
            sandbox=sandbox,
            env_file=env_file,
        ) as endpoint,
        TaskClient(endpoint.base_url, endpoint.key, model=layout.model) as client,
    ):
        for size, job in list(jobs.items())[:MAX_QUESTIONS]:
            try:
                outcome = client.quote(bodies.body(job))
            except PictureError as error:
                refused[str(error)] = None
                continue
            if isinstance(outcome, Quoted):
                prices[size] = outcome.cost
            else:
                refused[outcome.reason] = None
    return Quotes(prices, tuple(refused), max(0, len(jobs) - MAX_QUESTIONS))
