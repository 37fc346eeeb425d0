"""`plan --against`: print what changed in pictures and money, as text, JSON or Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal

import click

from spark_batch import project
from spark_batch.cli import changes
from spark_batch.cli.colours import print_err, print_folded, print_wrapped
from spark_batch.cli.sums import print_table
from spark_batch.project import Change, Comparison, Entry, Paid, Sum, Totals, base, measured
from spark_batch.text import printable, quoted

_SIGNS = {
    Change.NEW: "+",
    Change.CHANGED: "~",
    Change.KEPT: "=",
    Change.RENAMED: ">",
    Change.REMOVED: "-",
}
_PAID = (Change.NEW, Change.CHANGED, Change.KEPT, Change.REMOVED)


def show(
    plan: project.Plan, given: str, *, as_json: bool, markdown: bool, shown: int | None
) -> bool:
    """Print what changed since `given`, in text at most `shown` jobs; gives whether anything did.

    Raises UsageError when `given` is neither a manifest nor a commit.
    """
    comparison = Comparison(plan, base(plan.recipe, given))
    for note in comparison.base.notes:
        print_err(f"note: {note}")
    if as_json:
        _print_json(comparison)
    elif markdown:
        click.echo(changes.comment(comparison))
    else:
        _print_text(comparison, shown)
    counts = comparison.totals.all.counts
    return counts.total() > counts[Change.KEPT]


def _print_text(comparison: Comparison, shown: int | None) -> None:
    """Print at most `shown` changed jobs, then the sums; None prints every job."""
    lines, hidden = _lines(comparison, shown)
    for line in lines:
        print_folded(line, after="  ")
    if hidden:
        click.echo(f"… and {hidden} more (--all lists them)")
    totals, against = comparison.totals, comparison.base
    for axis, sums in (("prompt", totals.prompts), ("input", totals.inputs)):
        _print_table(axis, sums, shown)
    commit = f" ({against.commit[:10]})" if against.commit else ""
    name = f"{comparison.plan.recipe.name} against {quoted(against.given)}{commit}"
    print_wrapped(f"{name}: {changes.headline(totals)}")
    is_preview = comparison.plan.layout.is_preview
    for line in changes.details(totals, is_preview=is_preview):
        print_wrapped(f"  {line}")


def _lines(comparison: Comparison, shown: int | None) -> tuple[list[str], int]:
    """The lines of at most `shown` changed jobs, and how many more there are.

    Pictures that replace others come first, and of those what moved farthest.
    """
    moved: list[Entry] = []
    others: list[str] = []
    count = 0
    for entry in measured(comparison):
        if entry.move is None and entry.change is Change.KEPT and shown is not None:
            continue
        count += 1
        if entry.move is not None:
            moved.append(entry)
        elif shown is None or len(others) < shown:
            others.append(_line(entry))
    lines = [*map(_line, sorted(moved, key=changes.how_far)), *others][:shown]
    return lines, count - len(lines)


def _line(entry: Entry) -> str:
    parts = [f"{_SIGNS[entry.change]} {printable(entry.job.output)}", changes.moved(entry.move)]
    parts += [changes.reason(entry), f"about {entry.cost} USD" if entry.cost is not None else ""]
    return "  ".join(filter(None, parts))


def _print_table(axis: str, sums: Mapping[str, Sum], shown: int | None) -> None:
    rows = changes.rows(sums)
    if rows:
        cut = rows if shown is None else rows[:shown]
        print_table([(axis, *changes.HEAD), *cut], numbers=len(changes.HEAD))
        if len(cut) < len(rows):
            click.echo(f"… and {len(rows) - len(cut)} more (--all lists them)")


def _print_json(comparison: Comparison) -> None:
    """Print one JSON document, job by job."""
    click.echo('{"jobs": [')
    for position, entry in enumerate(measured(comparison)):
        comma = "," if position else ""
        click.echo(f"{comma}{json.dumps(_entry(entry), ensure_ascii=False)}")
    plan, against, totals = comparison.plan, comparison.base, comparison.totals
    rest = {
        "recipe": plan.recipe.name,
        "output_dir": str(plan.layout.output_dir),
        "against": {
            "given": against.given,
            "commit": against.commit,
            "jobs": len(against.lines),
            "notes": list(against.notes),
        },
        "counts": _counts(totals.all),
        "prompts": {value: _sum(found) for value, found in totals.prompts.items()},
        "inputs": {value: _sum(found) for value, found in totals.inputs.items()},
        "moved": {"pictures": totals.moved, "unknown": totals.unmeasured},
        "waiting": {
            "jobs": totals.waiting,
            "cost_usd": _usd(totals.waiting_cost, totals.waiting_unpriced),
        },
        "cost_usd": {
            "expected": _usd(totals.all.expected, totals.all.unpriced),
            "paid": {change.value: _paid(totals, change) for change in _PAID},
        },
    }
    click.echo(f"],\n{json.dumps(rest, indent=2, ensure_ascii=False)[2:]}")


def _entry(entry: Entry) -> dict[str, object]:
    before = entry.before
    return {
        "job": entry.job.key,
        "output": entry.job.output,
        "change": entry.change.value,
        "before": None if before is None else {"job": before.key, "output": before.output},
        "differences": [
            {"field": found.field, "from": found.before, "to": found.after}
            for found in entry.differences
        ],
        "moved": None if entry.move is None else entry.move.distance,
        "cost_usd": None if entry.cost is None else str(entry.cost),
    }


def _counts(found: Sum) -> dict[str, int]:
    return {change.value: found.counts[change] for change in Change}


def _sum(found: Sum) -> dict[str, object]:
    return {**_counts(found), "expected_usd": _usd(found.expected, found.unpriced)}


def _usd(cost: Decimal, unpriced: int) -> str | None:
    return None if unpriced else str(cost)


def _paid(totals: Totals, change: Change) -> dict[str, object]:
    paid = totals.paid.get(change, Paid())
    return {"usd": str(paid.cost), "untold": paid.unpriced}
