"""A small world for runs: a real sandbox, real files, a real checkpoint, and no long waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from PIL import Image

from spark_batch import pictures
from spark_batch.checkpoint import Checkpoint, checkpoint_path
from spark_batch.client import TaskClient
from spark_batch.client.bodies import Bodies
from spark_batch.jobs import Block, Input, Job, Prompt, Recipe, RunSettings, Size, Standing, matrix
from spark_batch.jobs.names import default_template
from spark_batch.runner import Desk, Run, Settings, sender
from spark_batch.runner.budget import Budget, Prices
from spark_batch.runner.desk import Sender
from spark_batch.runner.events import Event, Tally
from spark_batch.runner.files import Folders
from spark_batch.runner.outlook import Outlook
from spark_batch.runner.pace import Pace, PollTimes
from spark_batch.runner.survey import Scope, survey
from spark_batch.runner.waits import UNKNOWN_AFTER
from spark_batch.sandbox import Faults, Served, serve
from spark_batch.sandbox import Settings as SandboxSettings

Script = dict[str, list[str | None]]


class Hasty(Random):
    """Jitter that is always near nothing."""

    def uniform(self, a: float, b: float) -> float:
        return min(b, 0.01)


class Soon(PollTimes):
    """Asks for a task at once and often, since the sandbox's tasks take no time here."""

    def first(self, *, in_flight: int) -> float:
        return 0.0

    def next(self, waited: float, *, in_flight: int) -> float:
        return 0.02


@dataclass
class World:
    """A recipe of one picture and some prompts, and what is needed to run it."""

    root: Path
    served: Served
    recipe: Recipe
    api: str = "sandbox"
    settings: dict[str, object] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    send: Sender | None = None
    ready: Callable[[Job], bool] | None = None

    @property
    def out(self) -> Path:
        return self.recipe.output_dir

    @property
    def checkpoint(self) -> Path:
        return checkpoint_path(self.out, self.recipe.name)

    def prompts(self, *texts: str) -> None:
        """Replace the recipe's prompts."""
        (block,) = self.recipe.blocks
        prompts = tuple(Prompt(id=text.lower().replace(" ", "-"), text=text) for text in texts)
        self.recipe = replace(self.recipe, blocks=(replace(block, prompts=prompts),))

    def run(
        self, *, retry: bool = False, on_event: Callable[[Run, Event], None] | None = None
    ) -> Tally:
        """One run, as the command line does it; its events are kept."""
        with Checkpoint.open(self.checkpoint) as checkpoint:
            checkpoint.interrupted()
            scope = Scope(self.out, self.recipe.run.attempts, retry=retry)
            prices = Prices(price=self.recipe.price, charges=checkpoint.charges())
            outlook = Outlook()
            for step in survey(matrix.jobs(self.recipe), reader=checkpoint, scope=scope):
                outlook.add(step, prices)
            checkpoint.enroll(matrix.jobs(self.recipe))
            with TaskClient(self.served.url, "test-key") as client:
                desk = self._desk(checkpoint, client, prices)
                steps = survey(matrix.jobs(self.recipe), reader=checkpoint, scope=scope)
                run = Run(desk, steps=steps, open_jobs=outlook.open_jobs)
                self.events = []
                for event in run.events():
                    self.events.append(event)
                    if on_event:
                        on_event(run, event)
            return run.tally

    def real_send(self) -> Sender:
        """What sends a job to the world's server."""
        return sender(TaskClient(self.served.url, "test-key").submit, Bodies())

    def run_nothing(self) -> None:
        """Make the checkpoint, with the recipe in it, and do nothing."""
        with Checkpoint.open(self.checkpoint) as checkpoint:
            checkpoint.enroll(matrix.jobs(self.recipe))

    def _desk(self, checkpoint: Checkpoint, client: TaskClient, prices: Prices) -> Desk:
        run = self.recipe.run
        rng = Hasty()
        settings = Settings(
            concurrency=run.concurrency,
            attempts=run.attempts,
            task_timeout=run.task_timeout,
            fetch_tries=run.fetch_tries,
            unreachable_timeout=run.unreachable_timeout,
            rate_limit_timeout=run.rate_limit_timeout,
            stop_timeout=run.stop_timeout,
            unknown_after=UNKNOWN_AFTER,
            max_uncertain=run.max_uncertain,
            api=self.api,
            threads=4,
        )
        return Desk(
            checkpoint=checkpoint,
            client=client,
            send=self.send or sender(client.submit, Bodies()),
            settings=replace(settings, **self.settings),
            folders=Folders(self.out),
            budget=Budget(limit=run.max_cost, money=checkpoint.money(), prices=prices),
            pace=Pace(rate=run.submit_rate, rng=rng),
            polls=Soon(),
            rng=rng,
            tally=Tally(uncertain_before=checkpoint.uncertain_count()),
            ready=self.ready,
        )

    def standings(self) -> list[Standing]:
        """What the checkpoint says of the recipe's lines."""
        with Checkpoint.peek(self.checkpoint) as checkpoint:
            return list(checkpoint.standings())

    def statuses(self) -> list[str]:
        """The status of each line."""
        return [standing.status.value for standing in self.standings()]

    def fingerprints(self) -> list[str]:
        """What the server was asked to make, once an accepted request."""
        return [entry.fingerprint for entry in self.served.ledger.accepted()]

    def check_books(self) -> None:
        """Every accepted task is known here, or its job is uncertain; the money agrees."""
        with Checkpoint.peek(self.checkpoint) as checkpoint:
            known = {
                attempt.task_id
                for standing in checkpoint.standings()
                for attempt in checkpoint.attempts_of(standing.key)
            }
            money = checkpoint.money()
            uncertain = checkpoint.uncertain_count()
        accepted = {entry.id for entry in self.served.ledger.accepted()}
        assert len(accepted - known) <= uncertain
        assert money.spent + money.reserved >= self.served.ledger.billed()


def a_photo(path: Path, colour: tuple[int, int, int] = (200, 120, 40)) -> Path:
    """A small real JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (96, 64), colour).save(path, "JPEG")
    return path


def a_recipe(root: Path, **run: object) -> Recipe:
    """One photo, two prompts, the smallest size, seed 7; nothing waits long."""
    photo = a_photo(root / "photo.jpg")
    block = Block(
        inputs=(Input(id="photo", path=photo, picture=pictures.probe(photo)),),
        prompts=(Prompt(id="beach", text="Beach"), Prompt(id="snow", text="Snow")),
        sizes=(Size(label="512x512", width=512, height=512),),
        scales=(0.5,),
        seeds=(7,),
    )
    settings = RunSettings(
        concurrency=16,
        submit_rate=1000.0,
        attempts=3,
        task_timeout=20.0,
        fetch_tries=8,
        unreachable_timeout=60.0,
        rate_limit_timeout=120.0,
        stop_timeout=45.0,
        max_uncertain=3,
    )
    return Recipe(
        path=root / "recipe.yaml",
        name="test",
        model="spark_i2i_3_0",
        blocks=(block,),
        output_dir=root / "out",
        output_name=default_template(),
        run=replace(settings, **run),
        price=Decimal("0.03"),
    )


MakeWorld = Callable[..., World]


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[MakeWorld]:
    """Makes a world with a scripted sandbox; ends its server."""
    stack: list[Iterator[Served]] = []

    @contextmanager
    def serving(script: Script, seconds: float, url_seconds: float) -> Iterator[Served]:
        settings = SandboxSettings(
            folder=tmp_path / "server",
            task_seconds=(seconds, seconds),
            url_seconds=url_seconds,
            faults=Faults(script=script, retry_after=0),
        )
        with serve(settings) as served:
            yield served

    def make(
        *,
        seconds: float = 0.0,
        url_seconds: float = 3600.0,
        script: Script | None = None,
        **run: object,
    ) -> World:
        context = serving(script or {}, seconds, url_seconds)
        served = context.__enter__()
        stack.append(context)
        return World(root=tmp_path, served=served, recipe=a_recipe(tmp_path, **run))

    yield make
    for context in stack:
        context.__exit__(None, None, None)
