"""A Dask cluster works on pictures; whatever happens to it, nothing is lost or paid for twice."""

from __future__ import annotations

import gc
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from distributed.client import ClosedClientError
from PIL import Image

import spark_batch
from spark_batch import pictures
from spark_batch.client import TaskReader
from spark_batch.engine import Cluster, Driver, fetching
from spark_batch.engine import cluster as cluster_module
from spark_batch.engine.events import Done, Event, Note, Submitted
from spark_batch.errors import PictureError, UsageError
from spark_batch.jobs import Fit, Input
from spark_batch.paths import Layout
from spark_batch.sandbox.tasks import preview_name
from tests.engine.clusters import DaskCluster, a_cluster
from tests.engine.conftest import MakeWorld, World
from tests.makers import MODEL, fitted, probe

pytestmark = pytest.mark.xdist_group("dask")
T = TypeVar("T")


class Watched:
    """A cluster, and the names of what it left to this process."""

    is_remote = True
    at_once = 8

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.done_here: list[str] = []

    def do(self, name: str, function: Callable[..., T], *args: Any, instead: Callable[[], T]) -> T:
        def here() -> T:
            self.done_here.append(name)
            return instead()

        return self.cluster.do(name, function, *args, instead=here)

    def take_note(self) -> str | None:
        return self.cluster.take_note()

    def close(self) -> None:
        self.cluster.close()


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    with a_cluster(tmp_path_factory.mktemp("dask"), workers=2) as cluster:
        yield cluster


@pytest.fixture
def watched(dask: DaskCluster) -> Iterator[Watched]:
    watched = Watched(Cluster(dask.address))
    yield watched
    watched.close()


def a_world(make_world: MakeWorld, watched: Watched, jobs: int = 6, **run: object) -> World:
    world = make_world(**run)
    world.prompts(*(f"Beach {n}" for n in range(jobs)))
    world.elsewhere = watched
    return world


def is_complete(world: World) -> bool:
    """Whether each job is done, its picture whole and in its place, and paid for once."""
    world.check_books()
    for record in world.records():
        assert record.attempt is not None
        assert pictures.accept(world.out / record.file) == record.attempt.picture
        assert record.attempt.suspect is None
    assert len(set(world.fingerprints())) == len(world.fingerprints())
    return set(world.statuses()) == {"done"}


def thumbnails(world: World) -> set[str]:
    return {path.stem for path in Layout("", world.out).thumbnails.iterdir()}


def hashes(world: World) -> set[str]:
    return {
        record.attempt.picture.sha256
        for record in world.records()
        if record.attempt and record.attempt.picture
    }


@pytest.mark.parametrize("metadata", [False, True])
def test_workers_that_share_the_folder_place_the_pictures(
    make_world: MakeWorld, watched: Watched, metadata: bool
) -> None:
    """They also mark them and make their thumbnails; the run's token does not outlive it."""
    world = a_world(make_world, watched)
    world.settings["metadata"] = metadata
    assert world.run().done == 6
    assert is_complete(world)
    assert watched.done_here == []
    assert thumbnails(world) == hashes(world)
    assert list(Layout("", world.out).parts.iterdir()) == []


@pytest.mark.parametrize("metadata", [False, True])
def test_workers_that_do_not_share_the_folder_hand_the_pictures_back(
    make_world: MakeWorld, watched: Watched, monkeypatch: pytest.MonkeyPatch, metadata: bool
) -> None:
    """As those that read another run's token, or none; this process places them."""
    begin = fetching.begin
    monkeypatch.setattr(fetching, "begin", lambda layout: begin(layout) and "not in the file")
    world = a_world(make_world, watched)
    world.settings["metadata"] = metadata
    assert world.run().done == 6
    assert is_complete(world)
    assert watched.done_here == []
    assert thumbnails(world) == hashes(world)


def test_paths_of_a_recipe_mean_the_same_on_workers(
    make_world: MakeWorld, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have another current folder; the input is reduced here, and compared there."""
    world = a_world(make_world, watched, jobs=1)
    monkeypatch.chdir(world.root)
    noise = Image.effect_noise((512, 512), 90).convert("RGB")
    noise.save("photo.jpg")
    (block,) = world.recipe.blocks
    photo = Path("photo.jpg")
    blocks = (replace(block, inputs=(Input(id="photo", path=photo, picture=probe(photo)),)),)
    world.recipe = replace(world.recipe, output_dir=Path("out"), blocks=blocks)

    def give_back(_: Driver, event: Event) -> None:
        if isinstance(event, Submitted):
            for entry in world.served.ledger.accepted():
                noise.save(world.root / "server" / "previews" / f"{preview_name(entry)}.jpg")

    assert world.run(on_event=give_back).done == 1
    (done,) = [event for event in world.events if isinstance(event, Done)]
    assert done.flag == "it looks the same as the input picture"
    assert watched.done_here == []


def test_inputs_are_fitted_on_workers(watched: Watched, tmp_path: Path) -> None:
    """The same bytes as here; a picture that cannot be read is reported by this process."""
    photo = tmp_path / "photo.png"
    Image.effect_noise((2000, 200), 90).save(photo)
    picture = probe(photo, Fit(ratio="pad", background="#ffffff", format="auto"))
    assert picture.treatment is not None
    fit = partial(fetching.fitted, photo, picture, rules=MODEL.picture, elsewhere=watched)
    assert fit() == fitted(photo, picture)
    assert watched.done_here == []
    photo.unlink()
    with pytest.raises(PictureError, match=r"photo\.png"):
        fit()
    assert watched.done_here == [f"fit-{picture.sha256[:16]}"]


def test_what_a_worker_cannot_fetch_this_process_does(
    make_world: MakeWorld, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers without a way to the picture's host, such as those of a closed cluster."""
    monkeypatch.setattr(TaskReader, "is_private", lambda reader: True)
    world = a_world(make_world, watched, jobs=2)
    prepare = fetching._for_remote
    monkeypatch.setattr(fetching, "_for_remote", lambda work: replace(prepare(work), private=False))
    assert world.run().done == 2
    assert is_complete(world)
    assert len(watched.done_here) == 2


def test_a_host_that_refuses_pictures_is_no_fault_of_the_cluster(
    make_world: MakeWorld, watched: Watched
) -> None:
    """A bad minute of the host leaves the pictures after it to the workers."""
    world = a_world(make_world, watched, jobs=10, concurrency=1)
    world.served.faults.plan("result", *["500"] * 8)
    assert world.run().done == 10
    assert is_complete(world)
    assert [event.text for event in world.events if isinstance(event, Note)] == []
    assert not watched.cluster._is_given_up


def test_a_killed_worker_loses_nothing(make_world: MakeWorld, tmp_path: Path) -> None:
    """Its work is repeated by another one; a picture that was placed twice is one picture."""
    with a_cluster(tmp_path / "dask", workers=3) as dask:
        world = a_world(make_world, Watched(Cluster(dask.address)), jobs=24)

        def kill(_: Driver, event: Event) -> None:
            if isinstance(event, Done):
                for worker in dask.workers[:2]:
                    worker.kill()

        assert world.run(on_event=kill).done == 24
        assert is_complete(world)


@pytest.mark.parametrize("lost", ["scheduler", "workers"])
def test_a_lost_cluster_loses_nothing(
    make_world: MakeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """The rest is done in this process, and the user is told so once."""
    monkeypatch.setattr(cluster_module, "RESULT_SECONDS", 2.0)
    with a_cluster(tmp_path / "dask", workers=2) as dask:
        world = a_world(make_world, Watched(Cluster(dask.address)), jobs=24)

        def kill(_: Driver, event: Event) -> None:
            if isinstance(event, Done):
                for process in dask.workers if lost == "workers" else [dask.scheduler]:
                    process.kill()

        assert world.run(on_event=kill).done == 24
        assert is_complete(world)
    (note,) = [event.text for event in world.events if isinstance(event, Note)]
    assert note.startswith(f"the Dask cluster at {dask.address} failed 3 times in a row (")
    assert note.endswith("): pictures are now processed in this process")


class OfAClosedClient:
    """A call that waits when Dask's client closes itself, ten seconds after it lost its scheduler.

    With a real one this depends on which of two threads is first.
    """

    def cancel(self) -> None:
        raise ClosedClientError("Client is closed. Can't send cancel-keys message.")


def test_a_client_that_has_closed_itself_gives_every_call_back(tmp_path: Path) -> None:
    with a_cluster(tmp_path / "dask", workers=1) as dask:
        cluster = Cluster(dask.address)
        cluster._waiting["another"] = OfAClosedClient()  # type: ignore[assignment]
        cluster._client.close()
        calls = [cluster.do(f"sleep-{n}", time.sleep, 60, instead=lambda: "here") for n in range(3)]
        assert calls == ["here"] * 3
        assert "pictures are now processed in this process" in (cluster.take_note() or "")


@pytest.mark.parametrize(
    "address", ["", "nonsense", "tcp://", "http://127.0.0.1:1", "tcp://127.0.0.1:1/path", "a:b:c"]
)
def test_what_is_no_address_is_a_usage_error(address: str) -> None:
    """At once, with an example."""
    with pytest.raises(UsageError, match="is not the address of a Dask scheduler, such as tcp://"):
        Cluster(address)


def test_where_no_scheduler_answers_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run does not begin without the cluster that it was given."""
    monkeypatch.setattr(cluster_module, "_SCHEDULER_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(UsageError, match=f"no Dask scheduler answers at tcp://127.0.0.1:{port} "):
        Cluster(f"127.0.0.1:{port}")


@pytest.mark.parametrize("protocol", ["tcp", "tls", "ws"])
def test_what_accepts_and_is_silent_is_no_scheduler(
    monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    """Such as a web server, or Dask's own page; the client that was made in part is no burden."""
    monkeypatch.setattr(cluster_module, "_SCHEDULER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"{protocol}://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(UsageError, match=f"no Dask scheduler answers at {address} "):
            Cluster(address)
    gc.collect()  # what a client's `__del__` raises would be an error here


def test_an_address_has_no_password() -> None:
    for address in ("me:a-password@127.0.0.1:8786", "127.0.0.1:8786?a-password", "a:1#a-password"):
        with pytest.raises(UsageError, match="no user and no password") as caught:
            Cluster(f"tcp://{address}")
        assert "a-password" not in str(caught.value)


def test_without_certificates_the_error_names_their_settings() -> None:
    """Dask has them from its own settings, and its own message names none of them."""
    with pytest.raises(UsageError, match=r"certificates \(DASK_DISTRIBUTED__COMM__TLS__CA_FILE"):
        Cluster("tls://127.0.0.1:1")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows stops no processes")
def test_a_stopped_scheduler_is_given_up(
    make_world: MakeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a run begins, and in the middle of one, whose pictures are then done here."""
    monkeypatch.setattr(cluster_module, "RESULT_SECONDS", 2.0)
    with a_cluster(tmp_path / "dask", workers=1) as dask:
        world = a_world(make_world, Watched(Cluster(dask.address)), jobs=8)

        def stop(_: Driver, event: Event) -> None:
            if isinstance(event, Done):
                dask.scheduler.send_signal(signal.SIGSTOP)

        assert world.run(on_event=stop).done == 8
        assert is_complete(world)
        monkeypatch.setattr(cluster_module, "_SCHEDULER_SECONDS", 0.5)
        with pytest.raises(UsageError, match="no Dask scheduler answers at "):
            Cluster(dask.address)
        dask.scheduler.send_signal(signal.SIGCONT)


def test_calls_that_wait_do_not_wait_for_a_cluster_that_was_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was sent later than those that failed would have its whole time left."""
    with a_cluster(tmp_path / "dask", workers=1) as dask, ThreadPoolExecutor(1) as pool:
        cluster = Cluster(dask.address)
        waiting = pool.submit(cluster.do, "sleep", time.sleep, 600, instead=lambda: "here")
        monkeypatch.setattr(cluster_module, "RESULT_SECONDS", 0.1)
        for number in range(3):
            cluster.do(f"sleep-{number}", time.sleep, 600, instead=lambda: None)
        assert waiting.result(timeout=60) == "here"
        cluster.close()


def test_a_cluster_without_workers_is_a_usage_error(tmp_path: Path) -> None:
    """After some time in which one may join."""
    with a_cluster(tmp_path / "dask", workers=0) as dask:
        expected = f"no worker joined the Dask cluster at {dask.address} within 0.2 s: start some"
        with pytest.raises(UsageError, match=expected):
            Cluster(dask.address, worker_seconds=0.2)


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra `dask`."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(
        UsageError, match=r"--dask needs distributed: .* -m pip install distributed"
    ):
        Cluster("tcp://127.0.0.1:1")


def test_other_versions_on_the_cluster_are_one_error(tmp_path: Path) -> None:
    """It names the node, and both versions; one without the package as well."""
    package = Path(spark_batch.__file__).parent
    older = tmp_path / "older"
    shutil.copytree(package, older / "spark_batch")
    (older / "spark_batch" / "version.py").write_text('__version__ = "0.0.9"\n')
    environment = {"PYTHONPATH": str(older)}
    with (
        a_cluster(tmp_path / "dask", workers=1, environment=environment) as dask,
        pytest.raises(UsageError) as caught,
    ):
        Cluster(dask.address)
    text = str(caught.value)
    assert text.startswith(f"the scheduler {dask.address} cannot be used: it has Python 3.")
    assert "spark-batch 0.0.9, this process has Python 3." in text
    shutil.rmtree(older / "spark_batch")
    (older / "spark_batch").mkdir()
    (older / "spark_batch" / "__init__.py").touch()
    with (
        a_cluster(tmp_path / "empty", workers=1, environment=environment) as dask,
        pytest.raises(UsageError, match=r"it has No module named 'spark_batch\.engine', this"),
    ):
        Cluster(dask.address)


def test_a_worker_that_has_the_key_is_reported(tmp_path: Path) -> None:
    """It needs none; whoever may start tasks on the cluster could read it."""
    environment = {"SPARK_API_KEY": "a-key-of-the-test"}
    with a_cluster(tmp_path / "dask", workers=1, environment=environment) as dask:
        cluster = Cluster(dask.address)
        note = cluster.take_note()
        cluster.close()
    assert note is not None
    assert "has SPARK_API_KEY in its environment, which it does not need" in note
    assert "a-key-of-the-test" not in note
    assert cluster.take_note() is None
