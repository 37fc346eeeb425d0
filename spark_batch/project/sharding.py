"""Checks before a run of a shard or beside shards, and a shard's budget."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import ROUND_DOWN, Context, Decimal

from spark_batch.checkpoint import Charge, Checkpoint, Lock
from spark_batch.errors import UsageError
from spark_batch.jobs import Recipe
from spark_batch.paths import lock_path
from spark_batch.pictures import make_folder
from spark_batch.project.adopting import with_adopted
from spark_batch.project.layout import RecipeLayout, shards_of

_SHARES = Context(prec=9, rounding=ROUND_DOWN)  # never more than the limit, and short to read
_NAMED = 4  # shards that an error lists


def refuse_unmerged(layout: RecipeLayout) -> None:
    """Raise UsageError while there are shards with paid jobs that a run here would pay for again.

    Shards of the same count are allowed: they have other jobs than this one.
    """
    count = layout.shard.count if layout.shard else None
    others = [other for other in shards_of(layout) if other.shard and other.shard.count != count]
    if others:
        shards = ", ".join(str(other.shard) for other in others[:_NAMED])
        more = ", …" if len(others) > _NAMED else ""
        raise UsageError(
            f"shards of this recipe are not merged ({shards}{more}), and a run would pay for their"
            f" jobs again: merge them first with `{layout.whole.command('merge')}`"
        )


@contextlib.contextmanager
def opened(layout: RecipeLayout) -> Iterator[Checkpoint]:
    """Open the checkpoint of a run, and keep every other process from paying for the same jobs.

    A shard also takes a shared lock on the whole recipe's checkpoint, which excludes runs of the
    whole recipe and merges. Raises what `Checkpoint.open` raises, and UsageError.
    """
    refuse_unmerged(layout)  # before this creates a file that others would see
    with contextlib.ExitStack() as stack:
        if layout.shard is not None:
            make_folder(layout.state)
            whole = lock_path(layout.whole.checkpoint)
            stack.enter_context(Lock(whole, seat=layout.shard.index))
        checkpoint = stack.enter_context(Checkpoint.open(layout.checkpoint))
        # Checked again now that this checkpoint exists: of two simultaneous starts, one sees the
        # other.
        try:
            refuse_unmerged(layout)
            yield checkpoint
        except UsageError:
            if checkpoint.is_empty():  # so that it does not block others
                checkpoint.close()
                checkpoint.path.unlink(missing_ok=True)
            raise


def shard_budget(recipe: Recipe, layout: RecipeLayout) -> tuple[Recipe, Iterable[Charge]]:
    """The recipe with the shard's part of `max_cost`, and the charges of the other shards' jobs.

    The part is an N-th of what the whole recipe has left, plus what the shard has spent, so that
    all shards together keep the recipe's limit. What is left, and the charges from which prices
    follow, are those in the checkpoint and the manifest of the whole recipe. Without a shard it is
    the recipe itself.
    """
    shard = layout.shard
    if shard is None:
        return recipe, ()
    whole, _ = with_adopted(layout.whole)
    with whole:
        charges = tuple(whole.charges(lambda key: not shard.owns(key)))
        limit = recipe.run.max_cost
        if limit is None:
            return recipe, charges
        money, mine = whole.money(), whole.money(shard.owns)
    left = max(Decimal(0), limit - money.spent - money.reserved)
    part = _SHARES.divide(left, Decimal(shard.count))
    run = replace(recipe.run, max_cost=mine.spent + mine.reserved + part)
    return replace(recipe, run=run), charges


def refuse_blind(recipe: Recipe, layout: RecipeLayout, *, unpriced: int) -> None:
    """Raise UsageError when a limit is shared and no price is known.

    Every shard would have to create a task to learn the price.
    """
    if layout.shard is not None and recipe.run.max_cost is not None and unpriced:
        raise UsageError(
            "max_cost is set and no price is known, so that every shard would make a picture to"
            " learn it: give the recipe a `price`, or make one picture first with"
            f" `{layout.whole.command('run', '--limit', '1')}`"
        )
