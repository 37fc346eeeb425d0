"""Find files and paid jobs that belong to other recipes, before any money is spent.

Two recipes that write the same file would overwrite each other's pictures. A recipe that was
renamed or moved, or joined with another one, has paid jobs in a checkpoint under another name or
elsewhere, and would pay for them again, also when it has made other jobs since.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, cached_property
from pathlib import Path

from spark_batch.checkpoint import CheckpointReader
from spark_batch.checkpoint.foreign import Claim
from spark_batch.engine.planner import COSTS, Action, Cause, Step
from spark_batch.errors import SparkBatchError
from spark_batch.jobs import Recipe
from spark_batch.paths import shown
from spark_batch.project import record_files
from spark_batch.project.layout import RecipeLayout, typed
from spark_batch.project.neighbours import header_of, is_own, others, output_of
from spark_batch.project.record_files import RecordFile, upwards


@dataclass(frozen=True, slots=True)
class Conflict:
    """A file that this recipe would write and that belongs to another one.

    `is_live` is whether that recipe's own file was found beside its output folder.
    """

    output: str
    owner: RecordFile
    is_live: bool


@dataclass(frozen=True, slots=True)
class PaidElsewhere:
    """Jobs that this recipe has never sent and another checkpoint or manifest has paid for.

    `cost` is in USD, `is_live` is whether the recipe that it belongs to is still there.
    """

    record_file: RecordFile
    jobs: int
    cost: Decimal
    is_live: bool


class Ownership:
    """Checks every step of a plan or run against the files and jobs of other recipes."""

    def __init__(self, recipe: Recipe, layout: RecipeLayout, reader: CheckpointReader) -> None:
        self._recipe = recipe
        self._layout = layout
        self._reader = reader
        self._wanted: set[str] = set()
        self._claims = _Claims(layout)
        # The output folder that the recipe of a record file now has; None if it is not found.
        self._home = cache(lambda found: output_of(found, besides=recipe.path))
        self._namesake: str | None = None  # why a recipe of the same name is in the way
        self._conflicts: dict[bool, Conflict] = {}  # the first one with each `is_live`

    def look(self, step: Step) -> None:
        """Check a step that would cost money, or write a picture under a new name."""
        if step.action not in COSTS:
            if step.action is Action.RESTORE and step.cause is Cause.ELSEWHERE:
                self._look_for_conflict(step.job.output, of_live=True)
            return
        if step.attempt is None and self._others:
            self._wanted.add(step.job.key)
        if self._namesake is None and step.cause is Cause.CHANGED:
            self._namesake = self._replaces_namesake(step.job.output)
        self._look_for_conflict(step.job.output)

    def _look_for_conflict(self, output: str, *, of_live: bool = False) -> None:
        """Note a file of another recipe; with `of_live` only of one that still exists."""
        conflict = None if True in self._conflicts else self._conflict_at(output)
        if conflict is not None and (conflict.is_live or not of_live):
            self._conflicts.setdefault(conflict.is_live, conflict)

    def problem(self, *, pay_again: bool = False) -> str | None:
        """Why the run is refused, and what to do; None when it may run.

        Call it after `look` has had every step. With `pay_again`, jobs that are paid for elsewhere
        do not count, nor do files of recipes that no longer exist.
        """
        if self._namesake:
            return self._namesake
        paid = [] if pay_again else [other for other in self.paid_elsewhere if not other.is_live]
        if paid:
            return self._renamed(paid)
        conflict = self._conflicts.get(True)
        if conflict is None and not pay_again:
            conflict = self._conflicts.get(False)
        return self._overwriting(conflict) if conflict else None

    def shared(self) -> str | None:
        """The jobs that other existing recipes have paid for as well, in words; None when none.

        They are not a reason to refuse: a copy of a recipe has its own pictures.
        """
        paid = [other for other in self.paid_elsewhere if other.is_live]
        if not paid:
            return None
        text = f"{self._made_before(paid)}; {self._layout.name} pays for its own pictures"
        if any(other.record_file.folder == self._layout.output_dir for other in paid):
            return text  # `merge` would move aside the checkpoint of a recipe that is there
        return f"{text}, unless it takes these over first: `{self._merge(paid)}`"

    @cached_property
    def paid_elsewhere(self) -> Sequence[PaidElsewhere]:
        """Where jobs that this recipe has never sent were paid for.

        Known after `look` has had every step.
        """
        found = []
        missing = set(self._wanted)
        for record_file in self._others if missing else ():
            costs = _paid(record_file, missing)
            if costs:
                missing -= costs.keys()
                cost, is_live = sum(costs.values(), Decimal(0)), self._is_live(record_file)
                found.append(PaidElsewhere(record_file, len(costs), cost, is_live))
        return found

    @cached_property
    def _others(self) -> Sequence[RecordFile]:
        return list(others(self._layout))

    def _replaces_namesake(self, output: str) -> str | None:
        """Why a picture must not be replaced: another recipe file of the same name made it."""
        line = self._reader.record(output)
        if line is None or line.file is None or not line.source:
            return None
        path = self._recipe.path.parent / line.source.rsplit(":", 2)[0]
        made = None if path.name == self._recipe.path.name else header_of(path)
        here = self._recipe.name, self._recipe.output_dir
        if made is None or (made.name, made.output_dir) != here:
            return None
        return (
            f"{self._layout.name} would replace {line.file}, which {path.name} made: both recipes"
            f" are called {self._recipe.name} and write to {shown(self._recipe.output_dir)}; give"
            " one of them another `name`, or delete the one that is no longer used"
        )

    def _conflict_at(self, output: str) -> Conflict | None:
        claimed = self._claims.owner(output)
        if claimed is None:
            return None
        owner, claim = claimed
        is_live = self._is_live(owner)
        there = claim.file is not None and (owner.folder / claim.file).is_file()
        if not there and not (claim.current and (is_live or self._home(owner) is None)):
            return None  # the owner has no such file, and will not write one
        line = None if is_live else self._reader.record(output)
        if line is not None and line.file is not None:
            return None  # the file there is this recipe's
        return Conflict(output, owner, is_live)

    def _is_live(self, record_file: RecordFile) -> bool:
        """Whether a recipe is there that has this record file, and not only its name."""
        folder = record_file.folder.parent if self._layout.is_preview else record_file.folder
        return self._home(record_file) == folder

    def _renamed(self, paid: Sequence[PaidElsewhere]) -> str:
        return (
            f"{self._made_before(paid)}. If this recipe was renamed or moved, or has them from a"
            f" recipe that is gone, take them over: `{self._merge(paid)}`; to pay for them once"
            " more, run it with --pay-again"
        )

    def _merge(self, paid: Sequence[PaidElsewhere]) -> str:
        renamed = {other.record_file.recipe for other in paid} != {self._layout.name}
        paths = [other.record_file.path for other in paid]
        return merge_command(self._layout, paths, renamed=renamed)

    def _made_before(self, paid: Sequence[PaidElsewhere]) -> str:
        jobs = sum(other.jobs for other in paid)
        cost = sum((other.cost for other in paid), Decimal(0))
        names = sorted({other.record_file.recipe for other in paid})
        return (
            f"{jobs} of the jobs of {self._layout.name} {'was' if jobs == 1 else 'were'} made"
            f" before for {cost} USD, as {shown(paid[0].record_file.path)} records"
            f" (recipe {', '.join(names)})"
        )

    def _overwriting(self, conflict: Conflict) -> str:
        owner = conflict.owner
        text = (
            f"{self._layout.name} would write {conflict.output}, which belongs to recipe"
            f" {owner.recipe} ({shown(owner.path)}): give one of them another output.dir or"
            " output.name"
        )
        if conflict.is_live:
            return text
        merge = merge_command(self._layout, [owner.path], renamed=True)
        return (
            f"{text}; if {owner.recipe} is an earlier name of this recipe, run `{merge}`, or"
            " --pay-again to replace its pictures"
        )


def merge_command(layout: RecipeLayout, paths: Sequence[Path], *, renamed: bool) -> str:
    """The command that takes over what these checkpoints and manifests record."""
    flags = ["--sandbox"] * layout.is_preview + ["--renamed"] * renamed
    return typed("merge", layout.recipe_path, *map(shown, paths), *flags)


def earlier_hint(layout: RecipeLayout) -> str | None:
    """Advice for a recipe that has never run and seems to have been renamed or moved.

    It seems so when the recipe of a checkpoint or manifest nearby is gone. None for a recipe that
    has attempts of its own.
    """
    with CheckpointReader.open_readonly(layout.checkpoint) as reader:
        if reader.has_attempts():
            return None
    for found in others(layout):
        if output_of(found, besides=layout.recipe_path) is None:
            renamed = found.recipe != layout.name
            merge = merge_command(layout, [found.path], renamed=renamed)
            return (
                f"{shown(found.path)} belongs to a recipe {found.recipe} that no longer exists: if"
                f" this recipe was renamed or moved, run `{merge}` and rescue again"
            )
    return None


class _Claims:
    """The names that other recipes write in and around an output folder, read on demand."""

    def __init__(self, layout: RecipeLayout) -> None:
        self._layout = layout
        home = layout.recipe_dir or layout.output_dir
        inside = layout.output_dir.is_relative_to(home)
        self._top = (home if inside else layout.output_dir).parent
        self._read = cache(self._claimed)
        self._around = cache(self._folders)

    def owner(self, output: str) -> tuple[RecordFile, Claim] | None:
        """The other recipe that writes a file of this name, ignoring case, and its claim."""
        for folder in self._around(output.rpartition("/")[0]):
            name = (self._layout.output_dir / output).relative_to(folder).as_posix()
            if found := self._read(folder).get(_folded(name)):
                return found
        return None

    def _folders(self, below: str) -> list[Path]:
        return list(filter(self._read, upwards(self._layout.output_dir / below, self._top)))

    def _claimed(self, folder: Path) -> dict[str, tuple[RecordFile, Claim]]:
        found: dict[str, tuple[RecordFile, Claim]] = {}
        for record_file in record_files.in_folder(folder):
            if is_own(record_file, self._layout):
                continue
            try:
                for claim in record_file.claims():
                    found.setdefault(_folded(claim.output), (record_file, claim))
            except SparkBatchError:
                continue  # its own recipe reports it when it is used
        return found


def _paid(record_file: RecordFile, wanted: set[str]) -> dict[str, Decimal]:
    """The `wanted` jobs that a record file has paid for, and their cost in USD."""
    try:
        return {key: cost for key, cost in record_file.paid() if key in wanted}
    except SparkBatchError:
        return {}


def _folded(name: str) -> str:
    """A name as a disk compares it that ignores case and Unicode's forms."""
    return unicodedata.normalize("NFC", name.casefold())
