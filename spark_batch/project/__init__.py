"""What commands do, without the terminal: load, plan, run, rescue, merge, trace, and more.

The only package that puts recipe, checkpoint, client, engine, sandbox and reports together. The
command line imports from here and from `errors` alone, so that this list is all that it knows of
the packages below. Nothing here prints, asks or handles signals.

Names are imported from their modules when they are first used: `validate` needs few of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spark_batch.lazy import attributes

if TYPE_CHECKING:
    from spark_batch import models as models
    from spark_batch import sandbox as sandbox
    from spark_batch.checkpoint import CheckpointReader as CheckpointReader
    from spark_batch.checkpoint import DoublePayment as DoublePayment
    from spark_batch.checkpoint import Money as Money
    from spark_batch.checkpoint import time_text as time_text
    from spark_batch.engine import Driver as Driver
    from spark_batch.engine.events import BecameUncertain as BecameUncertain
    from spark_batch.engine.events import Cure as Cure
    from spark_batch.engine.events import Done as Done
    from spark_batch.engine.events import Event as Event
    from spark_batch.engine.events import Expired as Expired
    from spark_batch.engine.events import Failed as Failed
    from spark_batch.engine.events import Halted as Halted
    from spark_batch.engine.events import Note as Note
    from spark_batch.engine.events import Submitted as Submitted
    from spark_batch.engine.events import Tally as Tally
    from spark_batch.engine.events import Unfinished as Unfinished
    from spark_batch.engine.forecast import Forecast as Forecast
    from spark_batch.engine.planner import COSTS as COSTS
    from spark_batch.engine.planner import WORK as WORK
    from spark_batch.engine.planner import Action as Action
    from spark_batch.engine.planner import Cause as Cause
    from spark_batch.engine.planner import Step as Step
    from spark_batch.jobs import FLAG_CODES as FLAG_CODES
    from spark_batch.jobs import FLAGGED as FLAGGED
    from spark_batch.jobs import Attempt as Attempt
    from spark_batch.jobs import Difference as Difference
    from spark_batch.jobs import Input as Input
    from spark_batch.jobs import Job as Job
    from spark_batch.jobs import JobRecord as JobRecord
    from spark_batch.jobs import Prompt as Prompt
    from spark_batch.jobs import Recipe as Recipe
    from spark_batch.jobs import State as State
    from spark_batch.jobs import Status as Status
    from spark_batch.jobs import record_of as record_of
    from spark_batch.jobs import status_of as status_of
    from spark_batch.jobs.dropping import excluded as excluded
    from spark_batch.jobs.matrix import count_jobs as count_jobs
    from spark_batch.jobs.matrix import origins as origins
    from spark_batch.jobs.picks import PickCounts as PickCounts
    from spark_batch.jobs.request import picture_words as picture_words
    from spark_batch.jobs.sample import SampleSize as SampleSize
    from spark_batch.jobs.sample import read_size as read_size
    from spark_batch.jobs.select import facts as facts
    from spark_batch.jobs.shard import Shard as Shard
    from spark_batch.jobs.shard import read_shard as read_shard
    from spark_batch.models import ErrorCode as ErrorCode
    from spark_batch.models import ErrorCodes as ErrorCodes
    from spark_batch.models import Models as Models
    from spark_batch.models import schemas as schemas
    from spark_batch.pictures import Marks as Marks
    from spark_batch.project.adopting import Adoption as Adoption
    from spark_batch.project.amounts import read_amount as read_amount
    from spark_batch.project.amounts import read_workers as read_workers
    from spark_batch.project.bases import base as base
    from spark_batch.project.browsing import browse as browse
    from spark_batch.project.checking import CheckedPicture as CheckedPicture
    from spark_batch.project.checking import CheckOptions as CheckOptions
    from spark_batch.project.checking import check as check
    from spark_batch.project.compare import Change as Change
    from spark_batch.project.compare import Comparison as Comparison
    from spark_batch.project.compare import Entry as Entry
    from spark_batch.project.compare import Move as Move
    from spark_batch.project.compare import Paid as Paid
    from spark_batch.project.compare import Sum as Sum
    from spark_batch.project.compare import Totals as Totals
    from spark_batch.project.completing import fill_axes as fill_axes
    from spark_batch.project.completing import fill_jobs as fill_jobs
    from spark_batch.project.event_log import EventLog as EventLog
    from spark_batch.project.event_log import RunEvents as RunEvents
    from spark_batch.project.explaining import HTTP_STATUSES as HTTP_STATUSES
    from spark_batch.project.explaining import balance_codes as balance_codes
    from spark_batch.project.explaining import balance_meaning as balance_meaning
    from spark_batch.project.explaining import http_meaning as http_meaning
    from spark_batch.project.explaining import http_title as http_title
    from spark_batch.project.explaining import warning_codes as warning_codes
    from spark_batch.project.exporting import Export as Export
    from spark_batch.project.exporting import ExportChange as ExportChange
    from spark_batch.project.exporting import ExportOptions as ExportOptions
    from spark_batch.project.exporting import prepare_export as prepare_export
    from spark_batch.project.layout import RecipeLayout as RecipeLayout
    from spark_batch.project.layout import copied as copied
    from spark_batch.project.layout import find_layout as find_layout
    from spark_batch.project.layout import open_readonly as open_readonly
    from spark_batch.project.layout import shards_of as shards_of
    from spark_batch.project.loading import load as load
    from spark_batch.project.loading import load_models as load_models
    from spark_batch.project.merging import Merged as Merged
    from spark_batch.project.merging import merge as merge
    from spark_batch.project.moves import measured as measured
    from spark_batch.project.ownership import earlier_hint as earlier_hint
    from spark_batch.project.picking import check_picks as check_picks
    from spark_batch.project.picking import count_picks as count_picks
    from spark_batch.project.picking import unknown_picks as unknown_picks
    from spark_batch.project.planfile import SavedPlan as SavedPlan
    from spark_batch.project.planfile import check_target as check_target
    from spark_batch.project.planning import Plan as Plan
    from spark_batch.project.planning import Quotes as Quotes
    from spark_batch.project.planning import plan as plan
    from spark_batch.project.pruning import Kind as Kind
    from spark_batch.project.pruning import Pruning as Pruning
    from spark_batch.project.pruning import prune as prune
    from spark_batch.project.pruning import undo as undo
    from spark_batch.project.reporting import annotation_commands as annotation_commands
    from spark_batch.project.reporting import manifest_text as manifest_text
    from spark_batch.project.reporting import summary_text as summary_text
    from spark_batch.project.reporting import write_known_reports as write_known_reports
    from spark_batch.project.reporting import write_sheet as write_sheet
    from spark_batch.project.rerolling import awaits_reroll as awaits_reroll
    from spark_batch.project.rescuing import Rescued as Rescued
    from spark_batch.project.rescuing import rescue as rescue
    from spark_batch.project.resolving import Settlement as Settlement
    from spark_batch.project.resolving import settling as settling
    from spark_batch.project.resolving import too_many_uncertain as too_many_uncertain
    from spark_batch.project.results import job_results as job_results
    from spark_batch.project.results import thumbnail_url as thumbnail_url
    from spark_batch.project.reviewing import Reviewing as Reviewing
    from spark_batch.project.reviewing import review as review
    from spark_batch.project.running import PreparedRun as PreparedRun
    from spark_batch.project.running import RunOptions as RunOptions
    from spark_batch.project.running import RunResult as RunResult
    from spark_batch.project.running import Watch as Watch
    from spark_batch.project.running import prepare as prepare
    from spark_batch.project.saved_plan import save as save
    from spark_batch.project.selecting import chosen_records as chosen_records
    from spark_batch.project.selecting import find_job as find_job
    from spark_batch.project.starting import WORKFLOW as WORKFLOW
    from spark_batch.project.starting import write_starter as write_starter
    from spark_batch.project.tracing import METADATA as METADATA
    from spark_batch.project.tracing import SHA256 as SHA256
    from spark_batch.project.tracing import RunRecords as RunRecords
    from spark_batch.project.tracing import Trace as Trace
    from spark_batch.project.tracing import Traced as Traced
    from spark_batch.project.tracing import records_below as records_below
    from spark_batch.project.tracing import records_named as records_named
    from spark_batch.project.tracing import trace as trace
    from spark_batch.project.verifying import verify as verify
    from spark_batch.recipe import Diagnostic as Diagnostic
    from spark_batch.recipe import Loaded as Loaded
    from spark_batch.recipe.boundary import OUTSIDE_OPTION as OUTSIDE_OPTION
    from spark_batch.recipe.boundary import outside_allowed as outside_allowed
    from spark_batch.recipe.diagnostics import ERROR as ERROR
    from spark_batch.recipe.mapping import MAPPING as MAPPING
    from spark_batch.reports.formats import FORMATS as FORMATS
    from spark_batch.reports.formats import ON_DEMAND as ON_DEMAND
    from spark_batch.reports.formats import Written as Written
    from spark_batch.reports.formats import chosen_formats as chosen_formats
    from spark_batch.reports.results import JobLine as JobLine
    from spark_batch.reports.results import JobResult as JobResult
    from spark_batch.reports.results import read_results as read_results
    from spark_batch.reports.verdicts import refused as refused
    from spark_batch.reports.verdicts import source as source

_HOMES = {
    "pictures": ("Marks",),
    "project.adopting": ("Adoption",),
    "project.amounts": ("read_amount", "read_workers"),
    "project.bases": ("base",),
    "project.browsing": ("browse",),
    "project.checking": ("CheckOptions", "CheckedPicture", "check"),
    "project.compare": ("Change", "Comparison", "Entry", "Move", "Paid", "Sum", "Totals"),
    "project.completing": ("fill_axes", "fill_jobs"),
    "project.event_log": ("EventLog", "RunEvents"),
    "project.explaining": (
        "HTTP_STATUSES",
        "balance_codes",
        "balance_meaning",
        "http_meaning",
        "http_title",
        "warning_codes",
    ),
    "project.exporting": ("Export", "ExportChange", "ExportOptions", "prepare_export"),
    "project.layout": (
        "RecipeLayout",
        "copied",
        "find_layout",
        "open_readonly",
        "shards_of",
    ),
    "project.loading": ("load", "load_models"),
    "project.merging": ("Merged", "merge"),
    "project.ownership": ("earlier_hint",),
    "project.moves": ("measured",),
    "project.picking": ("check_picks", "count_picks", "unknown_picks"),
    "project.planning": ("Plan", "Quotes", "plan"),
    "project.pruning": ("Kind", "Pruning", "prune", "undo"),
    "project.reporting": (
        "annotation_commands",
        "manifest_text",
        "summary_text",
        "write_known_reports",
        "write_sheet",
    ),
    "project.rescuing": ("Rescued", "rescue"),
    "project.rerolling": ("awaits_reroll",),
    "project.resolving": ("Settlement", "settling", "too_many_uncertain"),
    "project.results": ("job_results", "thumbnail_url"),
    "project.reviewing": ("Reviewing", "review"),
    "project.running": ("PreparedRun", "RunOptions", "RunResult", "Watch", "prepare"),
    "project.planfile": ("SavedPlan", "check_target"),
    "project.saved_plan": ("save",),
    "project.selecting": ("chosen_records", "find_job"),
    "project.starting": ("WORKFLOW", "write_starter"),
    "project.tracing": (
        "METADATA",
        "RunRecords",
        "SHA256",
        "Trace",
        "Traced",
        "records_below",
        "records_named",
        "trace",
    ),
    "project.verifying": ("verify",),
    # Values of the packages below that commands print or pass on.
    "": ("models", "sandbox"),
    "checkpoint": ("CheckpointReader", "DoublePayment", "Money", "time_text"),
    "engine": ("Driver",),
    "engine.events": (
        "BecameUncertain",
        "Cure",
        "Done",
        "Event",
        "Expired",
        "Failed",
        "Halted",
        "Note",
        "Submitted",
        "Tally",
        "Unfinished",
    ),
    "engine.forecast": ("Forecast",),
    "engine.planner": ("Action", "COSTS", "Cause", "Step", "WORK"),
    "jobs": (
        "Attempt",
        "Difference",
        "FLAGGED",
        "FLAG_CODES",
        "Input",
        "Job",
        "JobRecord",
        "Prompt",
        "Recipe",
        "State",
        "Status",
        "record_of",
        "status_of",
    ),
    "jobs.dropping": ("excluded",),
    "jobs.matrix": ("count_jobs", "origins"),
    "jobs.picks": ("PickCounts",),
    "jobs.request": ("picture_words",),
    "jobs.sample": ("SampleSize", "read_size"),
    "jobs.select": ("facts",),
    "jobs.shard": ("Shard", "read_shard"),
    "models": ("ErrorCode", "ErrorCodes", "Models", "schemas"),
    "recipe": ("Diagnostic", "Loaded"),
    "recipe.boundary": ("OUTSIDE_OPTION", "outside_allowed"),
    "recipe.diagnostics": ("ERROR",),
    "recipe.mapping": ("MAPPING",),
    "reports.formats": ("FORMATS", "ON_DEMAND", "Written", "chosen_formats"),
    "reports.results": ("JobLine", "JobResult", "read_results"),
    "reports.verdicts": ("refused", "source"),
}

__all__ = [name for names in _HOMES.values() for name in names]
__getattr__ = attributes(__name__, _HOMES)
