"""Further takes: another picture of a random seed for each one that was rejected.

The recipe and the picks file determine the takes of a line of the recipe: as many as the recipe
asks for, and one more for each rejected one, including rejected further takes. A further take that
was picked stays, whatever the verdicts on the others become. Only `--reroll` makes further takes
for the first time; once made, each is a job of the recipe like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from spark_batch.jobs import Job, Recipe, matrix, names
from spark_batch.jobs.picks import Picks, Verdict


@dataclass(frozen=True, slots=True)
class FurtherTakes:
    """The further takes of a recipe.

    `after` has them by the output name of the job that they follow. `new` is the number of those
    that only a reroll makes, whether or not they are among these, and `fixed` that of rejected
    pictures whose seed is not random, so that another take would be the same picture.
    """

    after: Mapping[str, tuple[Job, ...]] = field(default_factory=lambda: MappingProxyType({}))
    new: int = 0
    fixed: int = 0

    def __iter__(self) -> Iterator[Job]:
        return (job for jobs in self.after.values() for job in jobs)


@dataclass(frozen=True, slots=True)
class Known:
    """What a checkpoint knows of jobs, by their keys.

    `tried` says whether a job has an attempt, `finished` whether its picture was made. `take` gives
    the number of its take, None for a job with a fixed seed or one that the checkpoint lacks.
    """

    tried: Callable[[str], bool]
    finished: Callable[[str], bool]
    take: Callable[[str], int | None]


def further_takes(recipe: Recipe, picks: Picks, known: Known, *, reroll: bool) -> FurtherTakes:
    """The further takes of a recipe: those that were tried, and with `reroll` all that are wanted.

    Makes one pass over the jobs when there are verdicts, and a second one when a verdict is on a
    picture of a random seed.
    """
    rejected = {pick.job for pick in picks if pick.verdict is Verdict.REJECT}
    unseen = {pick.job for pick in picks if pick.verdict is Verdict.PICK}
    lines: dict[Job, list[Job]] = {}
    fixed = 0
    for job in matrix.jobs(recipe) if rejected or unseen else ():
        unseen.discard(job.key)
        if job.key not in rejected:
            continue
        if _is_random(recipe, job):
            lines[_line(job)] = []
        else:
            fixed += known.finished(job.key)
    # A picked take that no rejection accounts for: its line is found by its key.
    picked = {key: take for key in unseen if (take := known.take(key)) is not None and take > 1}
    most = max(picked.values(), default=0)
    for job in matrix.jobs(recipe) if lines or picked else ():
        if _is_random(recipe, job):
            line = _line(job)
            if line in lines or any(one.key in picked for one in _takes(recipe, job, most)):
                lines.setdefault(line, []).append(job)
    base = max((block.takes for block in recipe.blocks), default=1)
    finished = {key for key in rejected if known.finished(key)} if lines else set()
    search = _Search(recipe, rejected, finished, picked, known.tried, base, reroll=reroll)
    found = {jobs[-1].output: search.takes(jobs) for jobs in lines.values() if jobs}
    after = {output: jobs for output, jobs in found.items() if jobs}
    return FurtherTakes(MappingProxyType(after), search.new, fixed)


def with_further(jobs: Iterator[Job], further: FurtherTakes) -> Iterator[Job]:
    """The jobs of a recipe with the further takes, each after the takes that it adds to."""
    for job in jobs:
        yield job
        yield from further.after.get(job.output, ())


@dataclass(slots=True)
class _Search:
    """Finds the further takes of single lines.

    `finished` are those `rejected` keys whose picture was made, `base` is the number of the last
    take that the recipe asks for.
    """

    recipe: Recipe
    rejected: set[str]
    finished: set[str]
    picked: Mapping[str, int]
    tried: Callable[[str], bool]
    base: int
    reroll: bool
    new: int = 0

    def takes(self, jobs: list[Job]) -> tuple[Job, ...]:
        """The further takes of a line, of which `jobs` are those that the recipe has."""
        keys = [job.key for job in jobs]
        wanted = self._chain(jobs[-1], keys, self.rejected)
        most = max((self.base + len(wanted), *self.picked.values()))
        others = _takes(self.recipe, jobs[-1], most)[self.base :]
        there = {job.take for job in others if job.key in self.picked}
        there |= {job.take for job in wanted if self.tried(job.key)}
        asked = {job.take for job in self._chain(jobs[-1], keys, self.finished)} - there
        self.new += len(asked)
        chosen = there | asked if self.reroll else there
        return tuple(job for job in others if job.take in chosen)

    def _chain(self, last: Job, keys: list[str], rejected: set[str]) -> list[Job]:
        """The further takes that make up for rejected ones."""
        own = missing = sum(key in rejected for key in keys)
        while True:
            found = _takes(self.recipe, last, self.base + missing)[self.base :] if missing else []
            missing = own + sum(job.key in rejected for job in found)
            if len(found) == missing:
                return found


def _is_random(recipe: Recipe, job: Job) -> bool:
    """Whether another take of a job is another picture."""
    return recipe.models.of(job.model).draws(job.seed)


def _line(job: Job) -> Job:
    """What all takes of a line have in common."""
    return job._replace(key="", take=0, output="")


def _takes(recipe: Recipe, job: Job, most: int) -> list[Job]:
    """The takes of a job's line up to the number `most`, regardless of the recipe's rules.

    Their names differ even if the template has no take.
    """
    if most < 1:
        return []
    template = matrix.templates(recipe)[job.model]
    block = replace(
        next(block for block in recipe.blocks if block.model.name == job.model),
        inputs=(job.input,),
        prompts=(job.prompt,),
        sizes=(job.size,),
        scales=(job.scale,),
        seeds=(job.seed,),
        takes=most,
        parameters=(job.parameters,),
        excludes=(),
        apart=(),
        repeats=(),
    )
    one = replace(recipe, blocks=(block,), output_name=template)
    parts = names.tokens(matrix.templates(one)[job.model])
    named = any(token.name in ("take", "job") for token in parts)
    end = "" if named else "-take{}"
    return [job._replace(output=job.output + end.format(job.take)) for job in matrix.jobs(one)]
