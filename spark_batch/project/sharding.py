"""What a shard's run, and a run beside shards, must know before any money is spent."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Context, Decimal

from spark_batch.checkpoint import Charge, Checkpoint, Lock
from spark_batch.errors import UsageError
from spark_batch.jobs import Recipe
from spark_batch.paths import lock_path
from spark_batch.pictures import make_folder
from spark_batch.project.adopting import rehearsed
from spark_batch.project.layout import RecipeLayout, shards_of

_SHARES = Context(prec=9, rounding=ROUND_DOWN)  # never more than the limit, and short to read
_TOLD = 4  # shards that an error names


@dataclass(frozen=True, slots=True)
class ShardBudget:
    """What a run may spend, and the prices that it knows beside those of its own checkpoint.

    `recipe` is the recipe with the limit in USD that holds for the checkpoint that is written.
    """

    recipe: Recipe
    charges: Iterable[Charge] = ()


def refuse_unmerged(layout: RecipeLayout) -> None:
    """Raise UsageError while shards stand there that know of paid jobs which a run here does not.

    Those of the same number of shards know of other jobs than this one.
    """
    count = layout.shard.count if layout.shard else None
    others = [each for each in shards_of(layout) if each.shard and each.shard.count != count]
    if others:
        shards = ", ".join(str(each.shard) for each in others[:_TOLD])
        more = ", …" if len(others) > _TOLD else ""
        raise UsageError(
            f"shards of this recipe are not merged ({shards}{more}): what they paid for would be"
            f" paid for again; merge first: {layout.merging}"
        )


@contextlib.contextmanager
def opened(layout: RecipeLayout) -> Iterator[Checkpoint]:
    """The checkpoint that a run writes, while nothing else may pay for the same jobs.

    Shards share the lock of the whole recipe's checkpoint, so that no run of the whole recipe, and
    no merge, goes on beside them. Raises what `Checkpoint.open` raises, and UsageError.
    """
    refuse_unmerged(layout)  # before a file is made that others would see
    with contextlib.ExitStack() as stack:
        if layout.shard is not None:
            make_folder(layout.state)
            whole = lock_path(layout.whole.checkpoint)
            stack.enter_context(Lock(whole, seat=layout.shard.index))
        checkpoint = stack.enter_context(Checkpoint.open(layout.checkpoint))
        # Once more, now that this one can be seen: of two that start at once one sees the other.
        try:
            refuse_unmerged(layout)
            yield checkpoint
        except UsageError:
            _withdraw(checkpoint)
            raise


def _withdraw(checkpoint: Checkpoint) -> None:
    """Take an empty checkpoint away again, so that it does not stand in the way of others."""
    if checkpoint.is_empty():
        checkpoint.close()
        checkpoint.path.unlink(missing_ok=True)


def shard_budget(recipe: Recipe, layout: RecipeLayout) -> ShardBudget:
    """What a shard may spend: its N-th of what the whole recipe has left, beside what it had spent.

    So that all shards together keep the recipe's limit. What counts is what stood in the checkpoint
    and the manifest of the whole recipe when it was dealt out. Without a shard the recipe's own.
    """
    shard = layout.shard
    if shard is None:
        return ShardBudget(recipe)
    whole, _ = rehearsed(layout.whole)
    with whole:
        charges = tuple(whole.charges(lambda key: not shard.owns(key)))
        limit = recipe.run.max_cost
        if limit is None:
            return ShardBudget(recipe, charges)
        money, mine = whole.money(), whole.money(shard.owns)
    left = max(Decimal(0), limit - money.spent - money.reserved)
    part = _SHARES.divide(left, Decimal(shard.count))
    run = replace(recipe.run, max_cost=mine.spent + mine.reserved + part)
    return ShardBudget(replace(recipe, run=run), charges)


def refuse_blind(recipe: Recipe, layout: RecipeLayout, *, unpriced: int) -> None:
    """Raise UsageError when every shard would send a job to learn the price, against one limit."""
    if layout.shard is not None and recipe.run.max_cost is not None and unpriced:
        raise UsageError(
            "there is a limit, and no price is known: each shard would make a picture to learn it;"
            " give the recipe a price, or make one first: spark-batch run RECIPE --limit 1"
        )
