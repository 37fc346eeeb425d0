"""Further takes: another picture of a random seed for each one that was rejected.

Which takes a line of the recipe has follows from the recipe and the picks file: as many as the
recipe says, and one more for each that is rejected, further ones among them. A further take that
was picked stays, whatever becomes of the verdicts on the others. Only `--reroll` makes takes that
nobody has asked for yet; once made, each is a job of the recipe like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from spark_batch.jobs import Block, Job, Prompt, Recipe, matrix, names
from spark_batch.jobs import request as requests
from spark_batch.jobs.picks import Picks, Verdict

# A line of the recipe without its takes: input, prompt, width, height, scale.
_Line = tuple[str, Prompt, int, int, float]


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

    `tried` says whether a job has an attempt, `finished` whether its picture was made, and `take`
    gives the number of its take, None for a job of a fixed seed or one that it does not have.
    """

    tried: Callable[[str], bool]
    finished: Callable[[str], bool]
    take: Callable[[str], int | None]


def further_takes(recipe: Recipe, picks: Picks, known: Known, *, reroll: bool) -> FurtherTakes:
    """The further takes of a recipe: those that were tried, and with `reroll` all that are wanted.

    Takes one pass over the jobs when there are verdicts, and a second one when one of them is on a
    random seed's picture.
    """
    rejected = {pick.job for pick in picks if pick.verdict is Verdict.REJECT}
    unseen = {pick.job for pick in picks if pick.verdict is Verdict.PICK}
    lines: dict[_Line, list[Job]] = {}
    fixed = 0
    for job in matrix.jobs(recipe) if rejected or unseen else ():
        unseen.discard(job.key)
        if job.key not in rejected:
            continue
        if job.seed == recipe.model.random_seed:
            lines[_line(job)] = []
        else:
            fixed += known.finished(job.key)
    # A picked take that no rejection accounts for: its line is found by its key.
    picked = {key: take for key in unseen if (take := known.take(key)) is not None and take > 1}
    for job in matrix.jobs(recipe) if lines or picked else ():
        if job.seed == recipe.model.random_seed:
            place = _line(job)
            if place in lines or any(_key(job, take) == key for key, take in picked.items()):
                lines.setdefault(place, []).append(job)
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

    `finished` are those `rejected` keys whose picture was made, `base` is the last take that the
    recipe has.
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
        last = jobs[-1]
        wanted = self._chain(last, keys, self.rejected)
        tried = {take for take, key in wanted.items() if self.tried(key)}
        tried |= {take for key, take in self.picked.items() if _key(last, take) == key}
        asked = self._chain(last, keys, self.finished).keys() - tried
        self.new += len(asked)
        return _jobs(self.recipe, last, sorted(tried | asked if self.reroll else tried))

    def _chain(self, last: Job, keys: list[str], rejected: set[str]) -> dict[int, str]:
        """The further takes that make up for rejected ones, with their keys by number."""
        found: dict[int, str] = {}
        missing = sum(key in rejected for key in keys)
        while len(found) < missing:
            take = self.base + len(found) + 1
            found[take] = _key(last, take)
            missing += found[take] in rejected
        return found


def _line(job: Job) -> _Line:
    return job.input.id, job.prompt, job.size.width, job.size.height, job.scale


def _key(job: Job, take: int) -> str:
    """The key of another take of a job's line."""
    return requests.key(
        model=job.model,
        picture=requests.picture_text(job.input),
        prompt=job.prompt.text,
        width=job.size.width,
        height=job.size.height,
        scale=job.scale,
        seed=job.seed,
        take=take,
    )


def _jobs(recipe: Recipe, job: Job, takes: list[int]) -> tuple[Job, ...]:
    """Other takes of a job's line; their names differ also where the template has no take."""
    if not takes:
        return ()
    template = matrix.template(recipe)
    used = {token.name for token in names.tokens(template)}
    suffixed = not used & {"take", "job"}
    block = Block(
        model=recipe.model,
        inputs=(job.input,),
        prompts=(job.prompt,),
        sizes=(job.size,),
        scales=(job.scale,),
        seeds=(job.seed,),
        takes=takes[-1],
    )
    # `jobs` would give the default template a suffix of its own.
    one = replace(recipe, blocks=(block,), output_name=template)
    found = [other for other in matrix.jobs(one) if other.take in set(takes)]
    if suffixed and matrix.template(one) == template:
        return tuple(replace(other, output=f"{other.output}-take{other.take}") for other in found)
    return tuple(found)
