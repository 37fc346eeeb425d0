"""The files and folders of a recipe or of one of its shards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path

from spark_batch.checkpoint import Checkpoint, CheckpointReader
from spark_batch.errors import PicksError, UsageError
from spark_batch.jobs import Job, Metadata, Recipe, matrix
from spark_batch.jobs.checks import Check
from spark_batch.jobs.picks import Picks, picks_file, read_picks
from spark_batch.jobs.reroll import FurtherTakes, with_further
from spark_batch.jobs.shard import Shard, labelled_shard
from spark_batch.models import Models
from spark_batch.paths import CHECKPOINT_SUFFIX, MANIFEST_SUFFIX, SANDBOX, Layout, pictures_folder
from spark_batch.project.links import check_output
from spark_batch.recipe.mapping import MAPPING
from spark_batch.recipe.outline import Header, header
from spark_batch.reports.report import Target
from spark_batch.text import shell_join

# The commands that `spark_batch.python` has too; the others need the recipe's file.
_FUNCTIONS = {"validate", "plan", "run", "retry", "rescue", "resolve", "merge", "status"}


@dataclass(frozen=True, slots=True)
class RecipeLayout(Layout):
    """The layout of a recipe's output folder, or of the part of it that belongs to `shard`.

    `recipe_dir` is the folder of the recipe file, None when unknown. Both folders are absolute.
    `metadata` and `checks` are the recipe's. `further` are further takes that `jobs` adds to the
    recipe's (`rerolling`). `recipe_path` is the recipe as the user named it, for the commands in
    messages; RECIPE when unknown.
    """

    models: Models
    shard: Shard | None = None
    recipe_dir: Path | None = None
    metadata: Metadata = Metadata.NONE
    checks: tuple[Check, ...] = ()
    further: FurtherTakes = field(default=FurtherTakes(), compare=False)
    recipe_path: Path = field(default=Path("RECIPE"), compare=False)

    @property
    def label(self) -> str:
        """The name of its checkpoint and reports: the recipe's name, with the shard's."""
        return self.name if self.shard is None else f"{self.name}.{self.shard.label}"

    @property
    def whole(self) -> RecipeLayout:
        """The layout of the whole recipe."""
        return replace(self, shard=None)

    def command(self, name: str, *options: str, job: str = "") -> str:
        """A command for this recipe, its previews or shard, ready to be copied."""
        flags = ["--sandbox"] if self.is_preview else []
        if self.shard is not None:
            flags += ["--shard", str(self.shard)]
        return typed(name, self.recipe_path, *([job] if job else ()), *flags, *options)

    @property
    def target(self) -> Target:
        """The target of its reports."""
        return Target(self.label, self.output_dir, self.recipe_dir, self.models, self.picks)

    @property
    def picks(self) -> Path | None:
        """The picks file beside the recipe; None when the recipe's folder is unknown."""
        return None if self.recipe_dir is None else picks_file(self.recipe_dir, self.name)

    def read_picks(self) -> Picks:
        """The verdicts on the recipe's pictures. Raises PicksError."""
        return Picks() if self.picks is None else read_picks(self.picks)

    def readable_picks(self) -> Picks:
        """The verdicts, none of a damaged picks file: where that is reported elsewhere."""
        try:
            return self.read_picks()
        except PicksError:
            return Picks()

    def owns(self, key: str) -> bool:
        """Whether a job belongs to it; so does a text that is not a key, which others reject."""
        try:
            return self.shard is None or self.shard.owns(key)
        except ValueError:
            return True

    def jobs(self, recipe: Recipe) -> Iterator[Job]:
        """The jobs of the recipe that belong to it, in the recipe's order, with further takes."""
        jobs = matrix.jobs(recipe)
        if self.further.after:
            jobs = with_further(jobs, self.further)
        return jobs if self.shard is None else self.shard.of(jobs)


def layout_of(loaded: Recipe, *, sandbox: bool, shard: Shard | None = None) -> RecipeLayout:
    """The layout of a recipe; previews of the sandbox have a folder of their own.

    Raises UsageError for links and foreign files in the way of the recipe's own files.
    """
    return _layout(loaded, loaded.path, sandbox=sandbox, shard=shard)


def find_layout(
    path: Path,
    values: Mapping[str, object] | None = None,
    *,
    sandbox: bool,
    shard: Shard | None = None,
) -> RecipeLayout:
    """The layout, read from the recipe's header alone, so that its pictures may be missing.

    `values` are as in `recipe.load`. Raises RecipeError, and UsageError as `layout_of` does.
    """
    return _layout(header(path, values), path, sandbox=sandbox, shard=shard)


def _layout(
    found: Recipe | Header, path: Path, *, sandbox: bool, shard: Shard | None
) -> RecipeLayout:
    """A layout whose files may be written; refused before anything is read or paid for.

    For a shard, also checks the files that the merge will write.
    """
    output_dir = pictures_folder(found.output_dir, sandbox=sandbox)
    layout = RecipeLayout(
        *(found.name, output_dir, found.models, shard, path.parent.absolute()),
        *(found.metadata, found.checks),
        is_preview=sandbox,
        recipe_path=path,
    )
    check_output(layout)
    if layout.shard is not None:
        check_output(layout.whole)
    return layout


def open_readonly(layout: RecipeLayout) -> CheckpointReader:
    """Open the checkpoint read-only. Raises UsageError when there is none."""
    _check_there(layout)
    return CheckpointReader.open_readonly(layout.checkpoint)


def copied(layout: RecipeLayout) -> CheckpointReader:
    """A copy of the checkpoint in memory, so that a long read does not keep a run waiting.

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
            f" `{layout.command('merge')}` joins them, --shard {shards[0].shard} shows one"
        )
    why = "nothing has been run yet"
    if layout.manifest.exists():
        why = f"`{layout.command('rescue')}` makes it from {layout.manifest} and pays for nothing"
    elif replace(layout, output_dir=layout.output_dir / SANDBOX).checkpoint.exists():
        why += "; for the sandbox's previews, add --sandbox"
    raise UsageError(f"there is no checkpoint {layout.checkpoint}: {why}")


def shards_of(layout: RecipeLayout) -> list[RecipeLayout]:
    """The shards of a recipe with a checkpoint or manifest in its output folder."""
    head = f"{layout.name}."
    found = {}
    for tail, folder in ((CHECKPOINT_SUFFIX, layout.state), (MANIFEST_SUFFIX, layout.output_dir)):
        for path in folder.glob(f"{head}*{tail}"):
            shard = labelled_shard(path.name[len(head) : -len(tail)])
            if shard is not None:
                found[shard.count, shard.index] = replace(layout, shard=shard)
    return [found[shard] for shard in sorted(found)]


# --- What to type next, ready to be copied.


def typed(name: str, recipe: Path, *arguments: str) -> str:
    """A command for a recipe, or a call for one that is a mapping.

    RECIPE stands for a mapping that has no such call. `arguments` are the further ones, options
    last.
    """
    is_mapping = recipe.name == MAPPING
    if is_mapping and name in _FUNCTIONS:
        return _call(name, recipe.parent, arguments)
    path = "RECIPE" if is_mapping else str(recipe)
    return shell_join(["spark-batch", name, path, *arguments])


def _call(name: str, base: Path, arguments: Sequence[str]) -> str:
    """The call of a function; `recipe` stands for the mapping."""
    words = list(takewhile(lambda word: not word.startswith("--"), arguments))
    given = [f"[{', '.join(map(repr, words))}]"] if name == "merge" and words else map(repr, words)
    own = [f"base={str(base)!r}"] if base != Path() else []
    keywords = _keywords(arguments[len(words) :])
    return f"spark_batch.{name}({', '.join(('recipe', *given, *own, *keywords))})"


def _keywords(options: Sequence[str]) -> Iterator[str]:
    """Options as keywords: what follows one, and is none itself, is its value."""
    for option, value in zip(options, (*options[1:], "--"), strict=True):
        if option.startswith("--"):
            text = value if value.isdecimal() else repr(value)
            yield f"{option[2:].replace('-', '_')}={'True' if value.startswith('--') else text}"
