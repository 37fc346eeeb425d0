"""`plan --json`: the plan as one JSON document, which schemas/plan.schema.json describes."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from spark_batch import project
from spark_batch.cli.standing import command_line
from spark_batch.project import (
    Action,
    ErrorCode,
    Forecast,
    Input,
    Job,
    Models,
    Prompt,
    Step,
    amount_text,
    excluded,
    origins,
    source,
)


def show(plan: project.Plan) -> None:
    """Print the document job by job; takes every step of the plan."""
    click.echo('{"jobs": [')
    for position, step in enumerate(plan.steps()):
        entry = json.dumps(_job(plan, step), ensure_ascii=False)
        click.echo(f"{',' if position else ''}{entry}")
    click.echo(f"],\n{json.dumps(_sums(plan), indent=2, ensure_ascii=False)[2:]}")


def next_command(plan: project.Plan, step: Step) -> str | None:
    """The command that continues a job which a run leaves as it is."""
    layout, key = plan.layout, step.job.key
    if step.action is Action.UNCERTAIN:
        return command_line("resolve", layout, "--task-id", "ID", job=key)
    if step.action is Action.EXPIRED:
        return command_line("rescue", layout)
    if step.action is Action.PRUNED:
        return command_line("prune", layout, "--undo", "--only", f"job={key}")
    if step.action is Action.FAILED and not is_refused(step, plan.recipe.models):
        return command_line("retry", layout, "--only", f"job={key}")
    return None


def known_error(step: Step, models: Models) -> ErrorCode | None:
    """The documented error code of a job's last attempt, if it failed with one."""
    attempt = step.attempt
    if attempt is None or attempt.error_message is None:
        return None
    return models.of(step.job.model).errors.find(attempt.error_code)


def is_refused(step: Step, models: Models) -> bool:
    """Whether a job is left failed since the API refuses its request."""
    known = known_error(step, models) if step.action is Action.FAILED else None
    return known is not None and known.refuses_request


def _job(plan: project.Plan, step: Step) -> dict[str, Any]:
    attempt = step.attempt
    charged = attempt.cost if attempt else None
    done_at = attempt.completed_at if attempt and step.action is Action.KEEP else None
    return {
        "job": step.job.key,
        "output": step.job.output,
        **_request(step.job, plan.recipe.models),
        "action": step.action.value,
        "cause": step.cause.value,
        "reason": step.reason,
        "changes": [
            {"field": change.field, "from": change.before, "to": change.after}
            for change in step.changes
        ],
        "error": _error(step, plan.recipe.models),
        "done_at": None if done_at is None else done_at.isoformat(timespec="seconds"),
        "charged_usd": amount_text(charged),
        "cost_usd": amount_text(plan.cost(step)),
        "quoted_usd": amount_text(plan.quoted(step)),
        "fit": step.job.input.fit,
        "next": next_command(plan, step),
    }


def _request(job: Job, models: Models) -> dict[str, Any]:
    """The job's value on each axis, and what the request asks for."""
    request = job.request
    sides = None if request.width is None else (request.width, request.height)
    expected = models.of(job.model).expected_size(request.width, request.height)
    return {
        "input": _input(job.input),
        "prompt": _prompt(job.prompt),
        "variables": dict(job.prompt.variables),
        "model": job.model,
        "scale": job.scale,
        "seed": job.seed,
        "take": job.take,
        "size": _size(sides),
        "expected": _size(expected),
        "parameters": request.plain_parameters,
    }


def _input(picture: Input) -> dict[str, str | None]:
    """An input; its path is relative to the recipe's folder, so that any machine gives the same."""
    return {
        "id": picture.id,
        "path": None if picture.path is None else picture.image,
        "url": picture.url,
        "sha256": None if picture.picture is None else picture.picture.sha256,
    }


def _prompt(prompt: Prompt) -> dict[str, Any]:
    place = source(prompt.source)
    return {
        "id": prompt.id,
        "text": prompt.text,
        "source": None if place is None else asdict(place),
    }


def _size(sides: tuple[int | None, int | None] | None) -> dict[str, int | None] | None:
    return None if sides is None else {"width": sides[0], "height": sides[1]}


def _error(step: Step, models: Models) -> dict[str, str | None] | None:
    """The last attempt's error, with what is advised for its code."""
    attempt = step.attempt
    if attempt is None or attempt.error_message is None:
        return None
    known = known_error(step, models)
    return {
        "code": attempt.error_code,
        "message": attempt.error_message,
        "advice": known.advice if known else None,
    }


def _sums(plan: project.Plan) -> dict[str, Any]:
    """The sums, complete once every step of the plan has been taken."""
    count, spent = plan.left_over()
    forecast, money = plan.forecast, plan.checkpoint.money()
    return {
        "recipe": plan.recipe.name,
        "output_dir": str(plan.layout.output_dir),
        "counts": {action.value: forecast.counts[action] for action in Action},
        "origins": origins(plan.recipe),
        "excluded": list(excluded(plan.recipe)),
        "left_over": {"jobs": count, "cost_usd": amount_text(spent)},
        "sample": _sample(plan),
        "cost_usd": {
            "spent": amount_text(money.spent),
            "reserved": amount_text(money.reserved),
            "expected": None if forecast.unpriced else amount_text(forecast.expected),
            "quoted": None if forecast.unquoted else amount_text(forecast.quoted),
            "most": amount_text(plan.most()),
            "limit": amount_text(plan.recipe.run.max_cost),
            "sources": sorted(forecast.sources),
        },
        "stop": _stop(forecast),
    }


def _stop(forecast: Forecast) -> dict[str, Any] | None:
    """Where the limit on the cost is expected to stop a run."""
    if forecast.stop is None:
        return None
    made, job = forecast.stop.made, forecast.stop.job
    return {"made": made, "job": job.key, "output": job.output}


def _sample(plan: project.Plan) -> dict[str, Any] | None:
    """The sample, and what all jobs would cost that it is taken from."""
    if plan.sample is None:
        return None
    return {
        "jobs": len(plan.sample.keys),
        "of": plan.sample.total,
        "covering": plan.sample.covering,
        "whole_usd": None if plan.whole.unpriced else amount_text(plan.whole.expected),
    }
