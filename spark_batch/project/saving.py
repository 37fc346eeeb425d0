"""`plan --out`: what was planned, with all that it rests on."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

from spark_batch.checkpoint import time_text
from spark_batch.errors import UsageError
from spark_batch.jobs import Recipe
from spark_batch.project import access, planfile
from spark_batch.project.planfile import SavedPlan
from spark_batch.project.planning import Plan, PlanSnapshot
from spark_batch.recipe.outline import sources


def save(
    plan: Plan,
    kept: PlanSnapshot,
    path: Path,
    *,
    max_cost: Decimal | None = None,
    env_file: Path | None = None,
) -> SavedPlan:
    """Save `plan`, once all its steps have been taken since `kept` was asked for.

    Its ceiling is what it may cost when every job needs all its attempts, together with what is
    spent and reserved; not more than `max_cost` and the recipe's own. Raises UsageError when there
    is nothing that bounds it, and where `planfile.check_target` does, OutputError.
    """
    planfile.check_target(path)
    committed = kept.money.spent + kept.money.reserved
    saved = SavedPlan(
        id=uuid.uuid4().hex,
        created_at=time_text(datetime.now(timezone.utc)),
        recipe=plan.recipe.name,
        sandbox=plan.sandbox,
        api=access.address(sandbox=plan.sandbox, env_file=env_file),
        only=plan.only,
        files=sources(plan.recipe.path),
        pictures=pictures_of(plan.recipe),
        state=kept.fingerprint,
        quotes=plan.prices.quotes,
        committed=committed,
        expected=None if plan.forecast.unpriced else plan.forecast.expected,
        ceiling=_ceiling(plan, kept, max_cost),
        jobs={step.job.output: (step.job.key, step.action) for step in kept.steps},
    )
    planfile.write(path, saved)
    return saved


def pictures_of(recipe: Recipe) -> Mapping[str, str]:
    """The SHA-256 of every input picture that is a file, by its path from the recipe's folder.

    A URL may be signed, so that it is a secret; the jobs' keys bind it.
    """
    return {
        each.image: each.picture.sha256
        for block in recipe.blocks
        for each in block.inputs
        if each.picture is not None
    }


def _ceiling(plan: Plan, kept: PlanSnapshot, max_cost: Decimal | None) -> Decimal:
    bounds = [each for each in (max_cost, plan.recipe.run.max_cost) if each is not None]
    forecast, money = plan.forecast, kept.money
    if not forecast.unbounded and not money.unpriced:
        bounds.append(money.spent + money.reserved + forecast.most - forecast.resumed)
    if not bounds:
        raise UsageError(
            "the price is not known, so that nothing bounds what the plan may cost:"
            " give --max-cost, ask with --quote, or give the recipe a price"
        )
    return min(bounds)
