"""`spark-batch status RECIPE`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict

import click

from spark_batch import project
from spark_batch.cli import options, session, standing
from spark_batch.cli.colours import print_err, print_folded, print_wrapped
from spark_batch.errors import ExitCode, PicksError
from spark_batch.paths import shown
from spark_batch.project import FLAGGED, CheckpointReader, JobRecord, PickCounts, Status
from spark_batch.text import counted, printable

_TROUBLE = (Status.FAILED, Status.UNCERTAIN, Status.EXPIRED, Status.SUBMITTING)


@click.command()
@options.layout_options
@options.only_option
@options.json_option
def command(layout: project.RecipeLayout, *, only: tuple[str, ...], as_json: bool) -> None:
    """Show the state of all jobs, also during a run.

    Reads the checkpoint alone, and the recipe only to say how to go on: its pictures may be
    missing.
    """
    with project.open_readonly(layout) as checkpoint:
        counts: Counter[Status] = Counter()
        trouble = []
        for record in project.chosen_records(checkpoint, only, layout):
            counts[record.status] += 1
            if record.status in _TROUBLE or record.flag:
                trouble.append(record)
        picks = _counted_picks(layout, checkpoint)
        if as_json:
            _print_json(layout, checkpoint, counts, trouble, picks)
        else:
            _print_text(layout, checkpoint, counts, trouble)
            if picks:
                _print_picks(layout, checkpoint, counts, picks)
            too_many = project.too_many_uncertain(layout, checkpoint)
            end = ExitCode.UNCERTAIN if too_many else ExitCode.DONE
            rerolls = project.awaits_reroll(layout, checkpoint)
            more = ("--reroll",) if rerolls else ()
            if step := standing.next_step(counts, layout, *more, end=end):
                click.echo(step)
    if picks and picks.unknown:
        print_err(f"note: {project.unknown_picks(picks.unknown)}")
    session.print_unmerged_shards(layout)


def _counted_picks(layout: project.RecipeLayout, checkpoint: CheckpointReader) -> PickCounts | None:
    """The numbers of verdicts; None, with a message on stderr, for a damaged picks file."""
    try:
        return project.count_picks(checkpoint, layout)
    except PicksError as error:
        print_err(printable(f"note: {error}"))
        return None


def _print_text(
    layout: project.RecipeLayout,
    checkpoint: CheckpointReader,
    counts: Counter[Status],
    trouble: Sequence[JobRecord],
) -> None:
    """Print the jobs to look at, then the sums, which a terminal still shows at the end."""
    total = sum(counts.values())
    refused = sum(project.refused(record, layout.models) for record in trouble)
    for record in trouble:
        status = (_status(record), standing.colour(record))
        print_folded(status, f" {record.output}: {_why(record)} (job {record.key})")
    print_wrapped(f"{layout.name}: {counted(total, 'job')} in {shown(layout.output_dir)}")
    standing.print_rows(counts, layout, flagged=_flagged(trouble), refused=refused)
    money = checkpoint.money()
    print_wrapped(f"  {standing.spent(layout, money.spent)}{standing.pending(money)}")
    if files := sum(1 for _ in checkpoint.placed_lines(left_over=True)):
        print_wrapped(f"  {session.left_over_files(files, layout)}")


def _print_picks(
    layout: project.RecipeLayout,
    checkpoint: CheckpointReader,
    counts: Counter[Status],
    picks: PickCounts,
) -> None:
    """Print the numbers of verdicts, and how to get back picked pictures that were pruned."""
    if picks.picked or picks.rejected:
        print_wrapped(f"  {picks.picked} picked, {picks.rejected} rejected")
    if not counts[Status.PRUNED]:
        return
    only = "pick=yes,status=pruned"
    if count := sum(1 for _ in project.chosen_records(checkpoint, (only,), layout, strict=False)):
        undo = standing.command_line("prune", layout, "--undo", "--only", only)
        pictures = counted(count, "picked picture")
        print_wrapped(f"  {pictures} without a file, since pruned: `{undo}` undoes that")


def _flagged(records: Iterable[JobRecord]) -> int:
    return sum(record.flag is not None for record in records)


def _status(record: JobRecord) -> str:
    return FLAGGED if record.flag else record.status.value


def _why(record: JobRecord) -> str:
    if record.flag:
        return record.flag
    attempt = record.attempt
    if attempt is None:
        return ""
    reason = attempt.error_message or "a run is sending it, or ended while it did"
    return f"{attempt.error_code} {reason}" if attempt.error_code else reason


def _print_json(
    layout: project.RecipeLayout,
    checkpoint: CheckpointReader,
    counts: Counter[Status],
    trouble: Sequence[JobRecord],
    picks: PickCounts | None,
) -> None:
    money = checkpoint.money()
    document = {
        "recipe": layout.name,
        "output_dir": str(layout.output_dir),
        "jobs": {status.value: counts[status] for status in Status},
        FLAGGED: _flagged(trouble),
        "cost_usd": {"spent": str(money.spent), "reserved": str(money.reserved)},
        "picks": None if picks is None else asdict(picks),
        "trouble": [
            {
                "job": record.key,
                "output": record.output,
                "status": _status(record),
                "why": _why(record),
            }
            for record in trouble
        ],
    }
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))
