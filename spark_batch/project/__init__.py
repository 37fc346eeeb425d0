"""A recipe with its folders: load it, plan it, run it, rescue what is paid for.

The only room that puts recipe, checkpoint, client, engine, sandbox and reports together; the
command line and Python programs (`from spark_batch import load, plan, run, read_manifest`) stand
on it. Nothing here prints, asks or handles signals.
Everything is imported when it is first used: `validate` needs little of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spark_batch.project.adopting import Adoption, recorded
    from spark_batch.project.layout import (
        RecipeLayout,
        copied,
        find_layout,
        layout_of,
        load,
        open_readonly,
        shards_of,
    )
    from spark_batch.project.merging import Merged, merge
    from spark_batch.project.ownership import earlier_hint
    from spark_batch.project.planning import Plan, plan
    from spark_batch.project.reporting import write_known_reports
    from spark_batch.project.rescuing import Rescued, rescue
    from spark_batch.project.running import PreparedRun, RunOptions, RunResult, prepare, run
    from spark_batch.project.saved_plan import SavedPlan, check_target, save

__all__ = [
    "Adoption",
    "Merged",
    "Plan",
    "PreparedRun",
    "RecipeLayout",
    "Rescued",
    "RunOptions",
    "RunResult",
    "SavedPlan",
    "check_target",
    "copied",
    "earlier_hint",
    "find_layout",
    "layout_of",
    "load",
    "merge",
    "open_readonly",
    "plan",
    "prepare",
    "recorded",
    "rescue",
    "run",
    "save",
    "shards_of",
    "write_known_reports",
]

_HOMES = {
    "Adoption": "adopting",
    "PreparedRun": "running",
    "Merged": "merging",
    "RunOptions": "running",
    "RunResult": "running",
    "RecipeLayout": "layout",
    "Plan": "planning",
    "Rescued": "rescuing",
    "SavedPlan": "saved_plan",
    "check_target": "saved_plan",
    "copied": "layout",
    "earlier_hint": "ownership",
    "find_layout": "layout",
    "load": "layout",
    "merge": "merging",
    "open_readonly": "layout",
    "layout_of": "layout",
    "plan": "planning",
    "prepare": "running",
    "recorded": "adopting",
    "rescue": "rescuing",
    "run": "running",
    "save": "saved_plan",
    "shards_of": "layout",
    "write_known_reports": "reporting",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
