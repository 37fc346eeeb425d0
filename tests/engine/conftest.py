"""A small world for runs: a real sandbox, real files, a real checkpoint, and no long waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from PIL import Image

from spark_batch.checkpoint import Checkpoint
from spark_batch.client import TaskClient
from spark_batch.client.bodies import Bodies
from spark_batch.engine import Driver, Executors, sender
from spark_batch.engine.budget import Budget, Prices
from spark_batch.engine.events import Event, Tally
from spark_batch.engine.fetching import Elsewhere
from spark_batch.engine.forecast import Forecast
from spark_batch.engine.planner import Scope, Step, plan_actions
from spark_batch.engine.ratelimit import PollTimes
from spark_batch.engine.workers import DaemonThreads, Sender
from spark_batch.jobs import Block, Input, Job, JobRecord, Prompt, Recipe, RunSettings, Size, matrix
from spark_batch.jobs.names import default_template
from spark_batch.paths import Layout
from spark_batch.sandbox import Faults, Served, serve
from spark_batch.sandbox import Settings as SandboxSettings
from tests.makers import MODEL, MODELS, probe

Script = dict[str, list[str | None]]


class Hasty(Random):
    """Jitter that is always near nothing."""

    def uniform(self, a: float, b: float) -> float:
        return min(b, 0.01)


class Soon(PollTimes):
    """Asks for a task at once and often, since the sandbox's tasks take no time here."""

    def next(self, waited: float, *, scout: bool, progress: float | None = None) -> float:
        return 0.0 if not waited else 0.02


@dataclass
class World:
    """A recipe of one picture and some prompts, and what is needed to run it.

    `settings` are further arguments of the driver.
    """

    root: Path
    served: Served
    recipe: Recipe
    api: str = "sandbox"
    settings: dict[str, object] = field(default_factory=dict)
    threads: int = 4
    network: Executor | None = None
    pictures: Executor | None = None
    elsewhere: Elsewhere | None = None
    events: list[Event] = field(default_factory=list)
    send: Sender | None = None
    ready: Callable[[Job], bool] | None = None

    @property
    def out(self) -> Path:
        return self.recipe.output_dir

    @property
    def checkpoint(self) -> Path:
        return Layout(self.recipe.name, self.out).checkpoint

    def prompts(self, *texts: str) -> None:
        """Replace the recipe's prompts."""
        (block,) = self.recipe.blocks
        prompts = tuple(Prompt(id=text.lower().replace(" ", "-"), text=text) for text in texts)
        self.recipe = replace(self.recipe, blocks=(replace(block, prompts=prompts),))

    def run(
        self, *, retry: bool = False, on_event: Callable[[Driver, Event], None] | None = None
    ) -> Tally:
        """One run, as the command line does it; its events are kept."""
        with Checkpoint.open(self.checkpoint) as checkpoint:
            checkpoint.mark_interrupted()
            scope = Scope(self.out, MODELS, self.recipe.run.attempts, retry=retry)
            prices = Prices(prices=self.recipe.prices, charges=checkpoint.charges())
            outlook = Forecast()
            for step in plan_actions(matrix.jobs(self.recipe), reader=checkpoint, scope=scope):
                outlook.add(step, prices)
            checkpoint.sync_jobs(matrix.jobs(self.recipe))
            with TaskClient(self.served.url, "test-key", models=MODELS) as client:
                steps = plan_actions(matrix.jobs(self.recipe), reader=checkpoint, scope=scope)
                run = self._driver(checkpoint, client, prices, steps, outlook.open_jobs)
                self.events = []
                for event in run.events():
                    self.events.append(event)
                    if on_event:
                        on_event(run, event)
            return run.tally

    def real_send(self) -> Sender:
        """What sends a job to the world's server."""
        return sender(TaskClient(self.served.url, "test-key", models=MODELS).submit, Bodies(MODELS))

    def run_nothing(self) -> None:
        """Make the checkpoint, with the recipe in it, and do nothing."""
        with Checkpoint.open(self.checkpoint) as checkpoint:
            checkpoint.sync_jobs(matrix.jobs(self.recipe))

    def _driver(
        self,
        checkpoint: Checkpoint,
        client: TaskClient,
        prices: Prices,
        steps: Iterable[Step],
        open_jobs: dict[str, Job],
    ) -> Driver:
        run = self.recipe.run
        return Driver(
            run,
            models=self.recipe.models,
            checkpoint=checkpoint,
            client=client,
            send=self.send or sender(client.submit, Bodies(MODELS)),
            api=self.api,
            layout=Layout("", self.out),
            budget=Budget(limit=run.max_cost, money=checkpoint.money(), prices=prices),
            tally=Tally(uncertain_before=checkpoint.uncertain_count()),
            steps=steps,
            open_jobs=open_jobs,
            executors=self.executors(),
            elsewhere=self.elsewhere,
            ready=self.ready,
            rng=Hasty(),
            poll_times=Soon(),
            **self.settings,  # type: ignore[arg-type]
        )

    def executors(self) -> Executors:
        """Those of the test, or threads."""
        network = self.network or DaemonThreads(self.threads, "network")
        pictures = self.pictures or DaemonThreads(4, "pictures")
        return Executors(network, network, pictures, pictures)

    def records(self) -> list[JobRecord]:
        """What the checkpoint says of the recipe's lines."""
        with Checkpoint.open_readonly(self.checkpoint) as checkpoint:
            return list(checkpoint.records())

    def statuses(self) -> list[str]:
        """The status of each line."""
        return [record.status.value for record in self.records()]

    def fingerprints(self) -> list[str]:
        """What the server was asked to make, once an accepted request."""
        return [entry.fingerprint for entry in self.served.ledger.accepted()]

    def check_books(self) -> None:
        """Every accepted task is known here, or its job is uncertain; the money agrees."""
        with Checkpoint.open_readonly(self.checkpoint) as checkpoint:
            known = {
                attempt.task_id
                for record in checkpoint.records()
                for attempt in checkpoint.attempts_of(record.key)
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
        model=MODEL,
        inputs=(Input(id="photo", path=photo, picture=probe(photo)),),
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
        models=MODELS,
        blocks=(block,),
        output_dir=root / "out",
        output_name=default_template(),
        run=replace(settings, **run),
        prices={MODEL.name: Decimal("0.03")},
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
