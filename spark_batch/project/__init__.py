"""A recipe with its folders: load it, plan it, run it, rescue what is paid for.

The only room that puts recipe, checkpoint, client, runner, sandbox and reports together; the
command line and Python programs (`from spark_batch import load, plan, run, read_manifest`) stand
on it. Nothing here prints, asks or handles signals.
"""

from spark_batch.project.adopting import Adoption, recorded
from spark_batch.project.merging import Merged, merge
from spark_batch.project.ownership import earlier_hint
from spark_batch.project.place import (
    Place,
    copied,
    find_place,
    load,
    peek,
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
    "peek",
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
