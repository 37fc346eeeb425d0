"""Where a recipe's pictures, checkpoint and manifest stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from spark_batch import pictures, recipe
from spark_batch.checkpoint import Checkpoint, CheckpointReader
from spark_batch.errors import UsageError
from spark_batch.jobs import Job, Recipe, matrix
from spark_batch.jobs.shard import Shard, labelled_shard
from spark_batch.models import Model
from spark_batch.paths import CHECKPOINT_SUFFIX, MANIFEST_SUFFIX, SANDBOX, Layout, pictures_folder
from spark_batch.project.generated import find_generated
from spark_batch.project.links import check_output
from spark_batch.recipe import Loaded
from spark_batch.recipe.outline import header


@dataclass(frozen=True, slots=True)
class RecipeLayout(Layout):
    """The recipe's name, output folder and model; which of its jobs, if not all.

    `recipe_dir` is the recipe's own folder, where it matters. Both folders are absolute. `metadata`
    says that pictures shall carry what they were made of.
    """

    model: Model
    shard: Shard | None = None
    recipe_dir: Path | None = None
    metadata: bool = False

    @property
    def label(self) -> str:
        """What the files of its own are called: the recipe's name, and the shard's."""
        return self.name if self.shard is None else f"{self.name}.{self.shard.label}"

    @property
    def whole(self) -> RecipeLayout:
        """The place of all jobs of the recipe."""
        return replace(self, shard=None)

    @property
    def merging(self) -> str:
        """The command that merges its shards, as a person types it."""
        return f"spark-batch merge RECIPE{' --sandbox' * self.is_preview}"

    def owns(self, key: str) -> bool:
        """Whether a job's lines stand in its files. Raises ValueError for what is no key."""
        return self.shard is None or self.shard.owns(key)

    def jobs(self, recipe: Recipe) -> Iterator[Job]:
        """The jobs of a recipe that are made here, in its order."""
        jobs = matrix.jobs(recipe)
        return jobs if self.shard is None else self.shard.of(jobs)


def load(path: str | Path) -> Loaded:
    """The recipe, checked, its pictures probed, and the warnings about it.

    Needs neither network nor key. Raises RecipeError, which has every error with its place.
    """
    return recipe.load(Path(path), probe=pictures.probe, find=find_generated)


def layout_of(loaded: Recipe, *, sandbox: bool, shard: Shard | None = None) -> RecipeLayout:
    """Where the pictures of a recipe go; the sandbox's never mix with paid ones.

    Raises UsageError for links and foreign files where the recipe's own files go.
    """
    output_dir = pictures_folder(loaded.output_dir, sandbox=sandbox)
    folder = loaded.path.parent.absolute()
    return _checked(
        RecipeLayout(loaded.name, output_dir, loaded.model, shard, folder, loaded.metadata)
    )


def find_layout(path: Path, *, sandbox: bool, shard: Shard | None = None) -> RecipeLayout:
    """The same from the recipe's name and output folder alone, so that its pictures may be gone."""
    found = header(path)
    output_dir = pictures_folder(found.output_dir, sandbox=sandbox)
    folder = path.parent.absolute()
    return _checked(
        RecipeLayout(found.name, output_dir, found.model, shard, folder, found.metadata)
    )


def _checked(layout: RecipeLayout) -> RecipeLayout:
    """Refuse a place whose files we may not write: before anything is read there, or paid for.

    Of a shard, the files that the merge will write are checked as well.
    """
    check_output(layout)
    if layout.shard is not None:
        check_output(layout.whole)
    return layout


def open_readonly(layout: RecipeLayout) -> CheckpointReader:
    """The checkpoint, to look at. Raises UsageError when there is none."""
    _check_there(layout)
    return CheckpointReader.open_readonly(layout.checkpoint)


def copied(layout: RecipeLayout) -> CheckpointReader:
    """The checkpoint as it is now, copied into memory, so that a long look keeps no run waiting.

    Raises UsageError when there is none.
    """
    _check_there(layout)
    return Checkpoint.copy_to_memory(layout.checkpoint)


def _check_there(layout: RecipeLayout) -> None:
    if layout.checkpoint.exists():
        return
    if layout.shard is None and (shards := shards_of(layout)):
        raise UsageError(
            f"there is no checkpoint {layout.checkpoint} yet, but there are shards:"
            f" `{layout.merging}` joins them, --shard {shards[0].shard} looks at one"
        )
    why = "nothing has been run yet"
    if layout.manifest.exists():
        why = f"`spark-batch rescue` makes it from {layout.manifest} and pays for nothing"
    elif replace(layout, output_dir=layout.output_dir / SANDBOX).checkpoint.exists():
        why += "; to look at the sandbox's pictures, add --sandbox"
    raise UsageError(f"there is no checkpoint {layout.checkpoint}: {why}")


def shards_of(layout: RecipeLayout) -> list[RecipeLayout]:
    """The shards of a recipe whose checkpoint or manifest stands in its output folder."""
    head = f"{layout.name}."
    found = {}
    for tail, folder in (
        (CHECKPOINT_SUFFIX, layout.state),
        (MANIFEST_SUFFIX, layout.output_dir),
    ):
        for path in folder.glob(f"{head}*{tail}"):
            shard = labelled_shard(path.name[len(head) : -len(tail)])
            if shard is not None:
                found[shard.count, shard.index] = replace(layout, shard=shard)
    return [found[each] for each in sorted(found)]
