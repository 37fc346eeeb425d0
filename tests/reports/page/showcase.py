"""Runs against the sandbox whose pages have everything to show: troubles, variables, two sizes."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from spark_batch import project
from spark_batch.checkpoint import Checkpoint
from spark_batch.jobs import Recipe, Result, Status, Usage
from spark_batch.pictures import accept
from spark_batch.project import RecipeLayout, RunOptions, load
from spark_batch.project.layout import layout_of
from spark_batch.reports.formats import write_all
from spark_batch.sandbox import Faults, Settings, serve
from tests.makers import MODELS, a_job, a_result
from tests.runs import run

PHOTOS = Path(__file__).parents[3] / "recipes" / "photos"
_PHOTO_SIZE = (360, 240)  # for tests, which have no eyes

# Of the creates in turn: three requests that the API refuses, one that nobody knows about, and a
# task that fails at the vendor, so that a second attempt follows after a random wait. That fault is
# the last one, so that the second attempt meets none. Jobs are sent one by one, so that it is
# always the same ones: tests name jobs that are done.
CREATE = [
    *[None] * 3,
    "create-code:003003002",
    *[None] * 4,
    "cut-after",
    *[None] * 3,
    "create-code:003003009",
    "create-code:003003002",
    "task-code:003003095",
]

RECIPE = """\
version: 1
name: spring
inputs: [{inputs}]
prompts:
  - id: beach
    text: Change background to beach
  - id: watercolor
    text: Change to watercolor style
  - id: recolor
    text: Change the main color to ${{color}}
    vars: {{color: [navy blue, coral]}}
variants: {{scale: [0.4, 0.8], size: [{sizes}], seed: 7}}
output: {{dir: out}}
run: {{submit_rate: 200, attempts: 2, concurrency: 1}}
price: 0.03
"""


def recipe_in(folder: Path, *, small: bool = True) -> Recipe:
    """The recipe, with photos of its own, as small as a test wants them."""
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for photo in sorted(PHOTOS.glob("*.[jp][pn]g"))[: 2 if small else None]:
        with Image.open(photo) as image:
            if small:
                image.thumbnail(_PHOTO_SIZE)
            image.convert("RGB").save(folder / f"{photo.stem}.jpg", quality=90)
        names.append(f"{photo.stem}.jpg")
    sizes = "512x512, 768x512" if small else "1:1, 16:9"
    text = RECIPE.format(inputs=", ".join(names), sizes=sizes)
    (folder / "spring.yaml").write_text(text)
    return load(folder / "spring.yaml").recipe


@contextmanager
def endpoint(folder: Path, *, create: Sequence[str | None] = ()) -> Iterator[None]:
    """A sandbox that the environment names, with faults in its script."""
    settings = Settings(
        folder=folder,
        task_seconds=(0, 0),
        faults=Faults(script={"create": list(create)}, retry_after=0),
    )
    with pytest.MonkeyPatch.context() as environment, serve(settings) as served:
        environment.setenv("SPARK_API_KEY", "canary-key")
        environment.setenv("SPARK_BASE_URL", served.url)
        yield


def make_run(folder: Path, *, small: bool = True) -> RecipeLayout:
    """Make what can be made, lose one picture, and leave the last jobs for later."""
    recipe = recipe_in(folder, small=small)
    layout = layout_of(recipe, sandbox=False)
    with endpoint(folder / "server", create=CREATE):
        run(recipe, RunOptions(limit=24 if small else 54))
    with Checkpoint.open(layout.checkpoint) as checkpoint:
        done = [each for each in checkpoint.records() if each.status is Status.DONE]
        last = done[-1]
        assert last.attempt is not None and last.file is not None
        (layout.output_dir / last.file).unlink()
        checkpoint.expire(last.attempt.id, "the API no longer has the picture of this task")
        _come_out_black(checkpoint, layout)
    return layout


def _come_out_black(checkpoint: Checkpoint, layout: RecipeLayout) -> None:
    """A job that waits is made, and its picture looks wrong: the sandbox has no such fault."""
    job = next(each for each in checkpoint.records() if each.status is Status.PENDING)
    path = layout.output_dir / f"{job.output}.jpg"
    Image.new("RGB", (job.request.width, job.request.height), (4, 4, 6)).save(path)
    usage = Usage(cost=Decimal("0.03"), generated_images=1)
    attempt = checkpoint.begin_attempt(job.key, number=1, reserved=Decimal("0.03"), api="sandbox")
    checkpoint.submitted(attempt, "task-black")
    checkpoint.fetching(attempt, Result(url="", usage=usage))
    files = {job.output: f"{job.output}.jpg"}
    checkpoint.done(attempt, accept(path), files, suspect="it is all black")


def make_again(layout: RecipeLayout) -> str:
    """Make a finished job once more, with a grey picture; the one before is kept. Its output name.

    It is the first one that is done: which jobs the faults of `make_run` hit is chance.
    """
    with Checkpoint.open(layout.checkpoint) as checkpoint:
        job = next(
            job
            for job in checkpoint.records()
            if job.status is Status.DONE and job.flag is None and job.file is not None
        )
        assert job.file is not None
        assert job.attempt is not None and job.attempt.picture is not None
        path = layout.output_dir / job.file
        kept = layout.kept_picture(job.attempt.picture.sha256, path.suffix)
        kept.parent.mkdir(parents=True, exist_ok=True)
        path.rename(kept)
        Image.new("RGB", (job.request.width, job.request.height), (120, 130, 140)).save(path)
        number = job.attempt.number + 1
        attempt = checkpoint.begin_attempt(job.key, number=number, reserved=None, api="sandbox")
        checkpoint.submitted(attempt, "task-again")
        checkpoint.fetching(attempt, a_result())
        checkpoint.done(attempt, accept(path), {job.output: job.file})
        return job.output


def write_page(layout: RecipeLayout, recipe_dir: Path | None) -> Path:
    """The page of a place, from its checkpoint."""
    with project.open_readonly(layout) as reader:
        written = write_all(reader, replace(layout, recipe_dir=recipe_dir).target, ["html"])
    (path,) = written.paths
    return path


def many(folder: Path, count: int, *, sides: tuple[int, int] = (96, 72)) -> RecipeLayout:
    """A checkpoint of `count` finished jobs with a picture each, by ten prompts and their seeds."""
    layout = RecipeLayout("many", folder, MODELS)
    jobs = [
        a_job(f"cat/{n % 10}-{n}", prompt=f"Make it number {n % 10}", seed=n // 10)
        for n in range(count)
    ]
    photos = [_jpeg(photo, sides) for photo in sorted(PHOTOS.glob("*.[jp][pn]g"))]
    (folder / "cat").mkdir(parents=True)
    with Checkpoint.open(layout.checkpoint) as checkpoint, checkpoint.transaction():
        checkpoint.sync_jobs(
            job._replace(prompt=replace(job.prompt, id=f"number-{n % 10}"))
            for n, job in enumerate(jobs)
        )
        for n, job in enumerate(jobs):
            path = folder / f"{job.output}.jpg"
            path.write_bytes(_numbered(photos[n % len(photos)], n))
            attempt = checkpoint.begin_attempt(job.key, number=1, reserved=None, api="sandbox")
            checkpoint.submitted(attempt, f"task-{n}")
            checkpoint.fetching(attempt, a_result())
            checkpoint.done(attempt, accept(path), {job.output: f"{job.output}.jpg"})
    return layout


def _jpeg(photo: Path, sides: tuple[int, int]) -> bytes:
    """A sample photo as a JPEG file of that size."""
    file = io.BytesIO()
    with Image.open(photo) as image:
        ImageOps.fit(image.convert("RGB"), sides).save(file, "JPEG", quality=85)
    return file.getvalue()


def _numbered(jpeg: bytes, number: int) -> bytes:
    """The same picture in other bytes: the number stands in a comment of the file."""
    text = f"{number:08}".encode()
    return jpeg[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + jpeg[2:]
