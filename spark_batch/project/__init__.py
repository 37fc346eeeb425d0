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
    from spark_batch.project.merging import Merged, merge
    from spark_batch.project.ownership import earlier_hint
    from spark_batch.project.place import (
        Place,
        copied,
        find_place,
        load,
        open_readonly,
        place_of,
        shards_of,
    )
    from spark_batch.project.planning import Plan, plan
    from spark_batch.project.reporting import write_known_reports
    from spark_batch.project.rescuing import Rescued, rescue
    from spark_batch.project.running import Errand, Order, Outcome, prepared, run
    from spark_batch.project.saving import save

__all__ = [
    "Adoption",
    "Errand",
    "Merged",
    "Order",
    "Outcome",
    "Place",
    "Plan",
    "Rescued",
    "copied",
    "earlier_hint",
    "find_place",
    "load",
    "merge",
    "open_readonly",
    "place_of",
    "plan",
    "prepared",
    "recorded",
    "rescue",
    "run",
    "save",
    "shards_of",
    "write_known_reports",
]

_HOMES = {
    "Adoption": "adopting",
    "Errand": "running",
    "Merged": "merging",
    "Order": "running",
    "Outcome": "running",
    "Place": "place",
    "Plan": "planning",
    "Rescued": "rescuing",
    "copied": "place",
    "earlier_hint": "ownership",
    "find_place": "place",
    "load": "place",
    "merge": "merging",
    "open_readonly": "place",
    "place_of": "place",
    "plan": "planning",
    "prepared": "running",
    "recorded": "adopting",
    "rescue": "rescuing",
    "run": "running",
    "save": "saving",
    "shards_of": "place",
    "write_known_reports": "reporting",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
