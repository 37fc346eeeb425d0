"""What commands do, without the terminal: load, plan, run, rescue, merge, trace, and more.

The only package that puts recipe, checkpoint, client, engine, sandbox and reports together. The
command line imports from here and from `errors` alone, so that this list is all that it knows of
the packages below. Nothing here prints, asks or handles signals.

Names are imported from their modules when they are first used: `validate` needs few of them.
"""

# ruff: noqa: F401 - the names under TYPE_CHECKING are for those that import them from here
# mypy: implicit-reexport

from __future__ import annotations

from typing import TYPE_CHECKING

from spark_batch.lazy import attributes

if TYPE_CHECKING:
    from spark_batch import models, sandbox
    from spark_batch.checkpoint import CheckpointReader, DoublePayment, Money
    from spark_batch.engine import Driver
    from spark_batch.engine.events import (
        BecameUncertain,
        Cure,
        Done,
        Event,
        Expired,
        Failed,
        Halted,
        Note,
        Submitted,
        Tally,
        Unfinished,
    )
    from spark_batch.engine.forecast import Forecast
    from spark_batch.engine.planner import COSTS, WORK, Action, Cause, Step
    from spark_batch.jobs import (
        FLAG_CODES,
        FLAGGED,
        Attempt,
        Difference,
        Input,
        Job,
        JobRecord,
        Prompt,
        Recipe,
        State,
        Status,
        record_of,
        status_of,
    )
    from spark_batch.jobs.dropping import excluded
    from spark_batch.jobs.matrix import count_jobs, origins
    from spark_batch.jobs.picks import PickCounts
    from spark_batch.jobs.request import picture_words
    from spark_batch.jobs.sample import SampleSize, read_size
    from spark_batch.jobs.select import facts
    from spark_batch.jobs.shard import Shard, read_shard
    from spark_batch.models import ErrorCode, ErrorCodes, Models, schemas
    from spark_batch.pictures import Marks
    from spark_batch.project.adopting import Adoption
    from spark_batch.project.amounts import read_amount, read_workers
    from spark_batch.project.bases import base
    from spark_batch.project.browsing import browse
    from spark_batch.project.checking import CheckedPicture, check, verify
    from spark_batch.project.compare import Change, Comparison, Entry, Move, Paid, Sum, Totals
    from spark_batch.project.completing import fill_axes, fill_jobs
    from spark_batch.project.event_log import EventLog, RunEvents
    from spark_batch.project.explaining import (
        HTTP_STATUSES,
        balance_codes,
        balance_meaning,
        http_meaning,
        http_title,
        warning_codes,
    )
    from spark_batch.project.exporting import Export, ExportChange, ExportOptions, prepare_export
    from spark_batch.project.layout import (
        RecipeLayout,
        copied,
        find_layout,
        open_readonly,
        shards_of,
    )
    from spark_batch.project.loading import load, load_models
    from spark_batch.project.merging import Merged, merge
    from spark_batch.project.moves import measured
    from spark_batch.project.ownership import earlier_hint
    from spark_batch.project.picking import check_picks, count_picks, unknown_picks
    from spark_batch.project.planfile import SavedPlan, check_target
    from spark_batch.project.planning import Plan, Quotes, plan
    from spark_batch.project.pruning import Kind, Pruning, prune, undo
    from spark_batch.project.reporting import (
        annotation_commands,
        job_results,
        manifest_text,
        summary_text,
        thumbnail_url,
        write_known_reports,
        write_sheet,
    )
    from spark_batch.project.rerolling import awaits_reroll
    from spark_batch.project.rescuing import Rescued, rescue
    from spark_batch.project.resolving import settling, too_many_uncertain
    from spark_batch.project.reviewing import review
    from spark_batch.project.running import PreparedRun, RunOptions, RunResult, Watch, prepare
    from spark_batch.project.saved_plan import save
    from spark_batch.project.selecting import chosen_records, find_job
    from spark_batch.project.starting import WORKFLOW, write_starter
    from spark_batch.project.tracing import (
        METADATA,
        SHA256,
        RunRecords,
        Trace,
        Traced,
        records_below,
        records_named,
        trace,
    )
    from spark_batch.recipe import Diagnostic, Loaded
    from spark_batch.recipe.boundary import OUTSIDE_OPTION, outside_allowed
    from spark_batch.recipe.diagnostics import ERROR
    from spark_batch.recipe.mapping import MAPPING
    from spark_batch.reports.formats import FORMATS, ON_DEMAND, Written, chosen_formats
    from spark_batch.reports.results import JobLine, JobResult, read_results
    from spark_batch.reports.values import amount_text, moment_text
    from spark_batch.reports.verdicts import refused, source

_HOMES = {
    "": "models sandbox",
    "checkpoint": "CheckpointReader DoublePayment Money",
    "engine": "Driver",
    "engine.events": (
        "BecameUncertain Cure Done Event Expired Failed Halted Note Submitted Tally Unfinished"
    ),
    "engine.forecast": "Forecast",
    "engine.planner": "Action COSTS Cause Step WORK",
    "jobs": (
        "Attempt Difference FLAGGED FLAG_CODES Input Job JobRecord Prompt Recipe State Status "
        "record_of status_of"
    ),
    "jobs.dropping": "excluded",
    "jobs.matrix": "count_jobs origins",
    "jobs.picks": "PickCounts",
    "jobs.request": "picture_words",
    "jobs.sample": "SampleSize read_size",
    "jobs.select": "facts",
    "jobs.shard": "Shard read_shard",
    "models": "ErrorCode ErrorCodes Models schemas",
    "pictures": "Marks",
    "project.adopting": "Adoption",
    "project.amounts": "read_amount read_workers",
    "project.bases": "base",
    "project.browsing": "browse",
    "project.checking": "CheckedPicture check verify",
    "project.compare": "Change Comparison Entry Move Paid Sum Totals",
    "project.completing": "fill_axes fill_jobs",
    "project.event_log": "EventLog RunEvents",
    "project.explaining": (
        "HTTP_STATUSES balance_codes balance_meaning http_meaning http_title warning_codes"
    ),
    "project.exporting": "Export ExportChange ExportOptions prepare_export",
    "project.layout": "RecipeLayout copied find_layout open_readonly shards_of",
    "project.loading": "load load_models",
    "project.merging": "Merged merge",
    "project.moves": "measured",
    "project.ownership": "earlier_hint",
    "project.picking": "check_picks count_picks unknown_picks",
    "project.planfile": "SavedPlan check_target",
    "project.planning": "Plan Quotes plan",
    "project.pruning": "Kind Pruning prune undo",
    "project.reporting": (
        "annotation_commands job_results manifest_text summary_text thumbnail_url "
        "write_known_reports write_sheet"
    ),
    "project.rerolling": "awaits_reroll",
    "project.rescuing": "Rescued rescue",
    "project.resolving": "settling too_many_uncertain",
    "project.reviewing": "review",
    "project.running": "PreparedRun RunOptions RunResult Watch prepare",
    "project.saved_plan": "save",
    "project.selecting": "chosen_records find_job",
    "project.starting": "WORKFLOW write_starter",
    "project.tracing": "METADATA RunRecords SHA256 Trace Traced records_below records_named trace",
    "recipe": "Diagnostic Loaded",
    "recipe.boundary": "OUTSIDE_OPTION outside_allowed",
    "recipe.diagnostics": "ERROR",
    "recipe.mapping": "MAPPING",
    "reports.formats": "FORMATS ON_DEMAND Written chosen_formats",
    "reports.results": "JobLine JobResult read_results",
    "reports.values": "amount_text moment_text",
    "reports.verdicts": "refused source",
}

__all__ = [name for names in _HOMES.values() for name in names.split()]
__getattr__ = attributes(__name__, _HOMES)
