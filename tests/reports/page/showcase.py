"""Runs against the sandbox whose pages have everything to show: troubles, variables, two sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from spark_batch import Order, load, project
from spark_batch.checkpoint import Checkpoint
from spark_batch.jobs import Recipe, Status
from spark_batch.project import Place
from spark_batch.reports import page
from spark_batch.sandbox import Faults, Settings, serve

PHOTOS = Path(__file__).parents[3] / "recipes" / "photos"
_PHOTO_SIZE = (360, 240)  # for tests, which have no eyes

# Of the creates in turn: two requests that the API refuses, one that nobody knows about, and tasks
# that fail at the vendor, of which one fails again at its second attempt.
CREATE = [
    *[None] * 3,
    "create-code:003003002",
    *[None] * 4,
    "cut-after",
    *[None] * 5,
    "task-code:003003095",
    *[None] * 6,
    "create-code:003003002",
    *[None] * 4,
    "task-code:003003096",
    "task-code:003003096",
]
RESULT = [*[None] * 5, "wrong-size"]

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
def endpoint(
    folder: Path, *, create: Sequence[str | None] = (), result: Sequence[str | None] = ()
) -> Iterator[None]:
    """A sandbox that the environment names, with faults in its script."""
    settings = Settings(
        folder=folder,
        task_seconds=(0, 0),
        faults=Faults(script={"create": list(create), "result": list(result)}, retry_after=0),
    )
    with pytest.MonkeyPatch.context() as environment, serve(settings) as served:
        environment.setenv("SPARK_API_KEY", "canary-key")
        environment.setenv("SPARK_BASE_URL", served.url)
        yield


def make_run(folder: Path, *, small: bool = True) -> Place:
    """Make what can be made, lose one picture, and leave the last jobs for later."""
    recipe = recipe_in(folder, small=small)
    place = project.place_of(recipe, sandbox=False)
    with endpoint(folder / "server", create=CREATE, result=RESULT):
        project.run(recipe, Order(limit=32 if small else 60))
    with Checkpoint.open(place.checkpoint) as checkpoint:
        done = [each for each in checkpoint.standings() if each.status is Status.DONE]
        last = done[-1]
        assert last.attempt is not None and last.file is not None
        (place.output_dir / last.file).unlink()
        checkpoint.lose(last.attempt.id, "the API no longer has the picture of this task")
    return place


def write_page(place: Place, recipe_dir: Path | None) -> Path:
    """The page of a place, from its checkpoint."""
    path = page.page_path(place.output_dir, place.name)
    with project.peek(place) as reader:
        page.write(
            path, reader, name=place.name, output_dir=place.output_dir, recipe_dir=recipe_dir
        )
    return path
