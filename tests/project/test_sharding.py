"""What a shard's run must know before money is spent, as a program uses it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from PIL import Image

from spark_batch.errors import UsageError
from spark_batch.project import Recipe, RecipeLayout, RunOptions, Shard, load, merge, plan
from spark_batch.project.sharding import opened, shard_budget
from spark_batch.reports.manifest import read_manifest
from tests.makers import a_picture, a_result
from tests.runs import run

RECIPE = """
version: 1
name: mine
inputs: [cat.jpg]
prompts: [Beach, Snow, Desert]
price: 0.03
run: {max_cost: 1}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """A recipe of three jobs with a limit of 1 USD."""
    Image.new("RGB", (96, 64), (200, 120, 40)).save(tmp_path / "cat.jpg", "JPEG")
    path = tmp_path / "mine.yaml"
    path.write_text(RECIPE)
    return load(path).recipe


def layout(recipe: Recipe, *shard: int) -> RecipeLayout:
    return RecipeLayout(
        recipe.name,
        recipe.output_dir / "sandbox",
        recipe.models,
        Shard(*shard) if shard else None,
    )


def test_run_the_shards_and_merge_them(recipe: Recipe) -> None:
    """A program's way: what the plans of the shards tell is what the runs make."""
    planned = 0
    for index in (1, 2):
        with plan(recipe, sandbox=True, shard=Shard(index, 2)) as each:
            planned += len(list(each.steps()))
        run(recipe, RunOptions(sandbox=True, shard=Shard(index, 2)))
    assert planned == 3
    merged = merge(recipe, sandbox=True)
    assert sum(merged.counts.values()) == 3
    assert merged.double_payments == []
    assert run(recipe, RunOptions(sandbox=True)).idle


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_the_shares_of_all_shards_are_the_limit(recipe: Recipe, count: int) -> None:
    """All but a rest of it, never more; and a run keeps its share when it goes on."""
    run(recipe, RunOptions(sandbox=True, limit=1))
    places = [layout(recipe, index, count) for index in range(1, count + 1)]

    def limits() -> list[Decimal]:
        found = [shard_budget(recipe, each)[0].run.max_cost for each in places]
        return [limit for limit in found if limit is not None]

    before = limits()
    assert Decimal("0.99999") <= sum(before) <= Decimal(1)
    run(recipe, RunOptions(sandbox=True, shard=Shard(1, count)))
    assert limits() == before


@pytest.mark.parametrize("limit", ["1e30", "1e-30", "0", "1e400", "12345.678901"])
def test_any_limit_can_be_shared(recipe: Recipe, limit: str) -> None:
    """The command line takes every finite amount."""
    whole = replace(recipe, run=replace(recipe.run, max_cost=Decimal(limit)))
    part = shard_budget(whole, layout(recipe, 1, 3))[0].run.max_cost
    assert part is not None
    assert 0 <= part * 3 <= Decimal(limit)


def test_a_limit_that_is_passed_leaves_nothing_to_share(recipe: Recipe) -> None:
    """Each shard may keep what its jobs cost, and spend nothing more."""
    run(recipe, RunOptions(sandbox=True))
    low = RunOptions(sandbox=True, max_cost=Decimal("0.05"), shard=Shard(1, 1))
    assert run(recipe, low).idle
    with plan(recipe, sandbox=True, shard=Shard(1, 1)) as planned:
        assert planned.checkpoint.money().spent == Decimal("0.09")


def test_of_two_numbers_of_shards_at_most_one_is_at_work(recipe: Recipe) -> None:
    """Started at the same moment, over and over; who is refused leaves no file in the way."""
    places = [layout(recipe, 1, 2), layout(recipe, 1, 3)]
    barrier = threading.Barrier(2, timeout=30)

    def work(each: RecipeLayout) -> bool:
        barrier.wait()
        try:
            with opened(each) as checkpoint:
                checkpoint.sync_jobs(each.jobs(recipe))
                return True
        except UsageError as error:
            assert "not merged" in str(error)
            return False

    with ThreadPoolExecutor(2) as pool:
        for _ in range(20):
            worked = list(pool.map(work, places))
            assert sum(worked) <= 1
            assert [each.checkpoint.exists() for each in places] == worked
            for each in places:
                each.checkpoint.unlink(missing_ok=True)


def test_twins_of_two_shards_are_suspected(recipe: Recipe) -> None:
    """Each made one of two pictures with the same bytes: merged, the later one is told."""
    seeds = replace(recipe.blocks[0], prompts=recipe.blocks[0].prompts[:1], seeds=tuple(range(9)))
    recipe = replace(recipe, blocks=(seeds,))
    for each in (layout(recipe, 1, 2), layout(recipe, 2, 2)):
        with opened(each) as checkpoint:
            checkpoint.sync_jobs(each.jobs(recipe))
            job = next(each.jobs(recipe))
            attempt = checkpoint.begin_attempt(job.key, number=1, reserved=None, api="sandbox")
            checkpoint.submitted(attempt, f"task-{job.key}")
            checkpoint.fetching(attempt, a_result())
            checkpoint.done(attempt, a_picture(), {})
    merged = merge(recipe, sandbox=True)
    assert merged.missing == 2
    rows = list(read_manifest(merged.layout.manifest))
    assert [row["error_code"] for row in rows].count("flagged") == 1
