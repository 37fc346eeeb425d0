"""Fetching a picture in another process: only a worker of the run under way places it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from spark_batch import client, pictures
from spark_batch.client.outcomes import FetchFailed
from spark_batch.engine import fetching
from spark_batch.engine.effects import Blocked, Delivered, Fetch
from spark_batch.engine.fetching import Arrived, FetchWork, Names
from spark_batch.errors import OutputError
from spark_batch.jobs import Input, Result, Usage
from spark_batch.paths import Layout
from tests.engine.conftest import a_photo
from tests.makers import MODEL

SIZE = (96, 64)


class Handler(BaseHTTPRequestHandler):
    """Gives a picture, whatever it is asked for; `cut` bytes are missing at its end."""

    data = b""
    cut: int | None = None

    def do_GET(self) -> None:
        data = self.data[: self.cut]
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Of a host that gives a picture."""
    monkeypatch.setattr(Handler, "data", a_photo(tmp_path / "result.jpg").read_bytes())
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/result.jpg"
        server.shutdown()
        thread.join()


@pytest.fixture
def work(tmp_path: Path, url: str) -> FetchWork:
    """Of the run under way."""
    layout = Layout("test", tmp_path / "out")
    fetch = Fetch(
        ticket=7,
        key="a-key",
        result=Result(url=url, usage=Usage(cost=Decimal("0.03"))),
        expected_bytes=None,
        last_try=False,
        expected=SIZE,
        source=Input(id="photo"),
        recorded=None,
    )
    token = fetching.begin(layout)
    names = Names(layout, ("photo/beach",), {})
    return FetchWork(7, fetch, names, None, MODEL.picture, token, private=True)


def files(work: FetchWork) -> list[str]:
    """All files of the output folder."""
    folder = work.layout.output_dir
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_worker_of_the_run_places_the_picture(work: FetchWork) -> None:
    """And its thumbnail."""
    outcome = fetching.fetch_there(work)
    assert isinstance(outcome, Delivered)
    assert outcome.files == {"photo/beach": "photo/beach.jpg"}
    path = work.layout.output_dir / "photo/beach.jpg"
    assert pictures.accept(path) == outcome.picture
    thumbnail = f".spark-batch/thumbs/{outcome.picture.sha256}.jpeg"
    assert files(work) == [".spark-batch/parts/test/run-token", thumbnail, "photo/beach.jpg"]


def test_a_picture_too_large_for_the_memory_arrives_as_well(
    work: FetchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits in a file without a name, which nobody has to remove."""
    in_memory = fetching.fetch_there(work)
    monkeypatch.setattr(fetching, "_IN_MEMORY", 100)
    assert fetching.fetch_there(work) == in_memory
    assert "photo/beach.jpg" in files(work)


@pytest.mark.parametrize("in_memory", [100, 1_000_000])
@pytest.mark.parametrize("cut", [True, False])
def test_a_failed_download_leaves_no_file(
    work: FetchWork, monkeypatch: pytest.MonkeyPatch, in_memory: int, cut: bool
) -> None:
    """Neither one that is no whole picture nor one of another length."""
    monkeypatch.setattr(fetching, "_IN_MEMORY", in_memory)
    afar = replace(work.fetch, expected_bytes=None if cut else 1)
    if cut:
        monkeypatch.setattr(Handler, "cut", -9)
    outcome = fetching.fetch_there(replace(work, fetch=afar))
    assert isinstance(outcome, FetchFailed)
    assert files(work) == [".spark-batch/parts/test/run-token"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of a file")
def test_a_disk_too_full_for_a_download_is_named(
    work: FetchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder and the system's reason, and no file that is left."""
    import resource

    monkeypatch.setattr(fetching, "_IN_MEMORY", 100)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(OutputError, match=r"/parts/test: .* cannot be written: .*ulimit -f"):
            fetching.fetch_there(work)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files(work) == [".spark-batch/parts/test/run-token"]


def end_it(layout: Layout) -> None:
    fetching.end(layout)


def begin_another(layout: Layout) -> None:
    fetching.begin(layout)


@pytest.mark.parametrize("happens", [end_it, begin_another])
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_worker_whose_run_has_ended_hands_the_picture_back(
    work: FetchWork,
    monkeypatch: pytest.MonkeyPatch,
    happens: Callable[[Layout], None],
    when: str,
) -> None:
    """It stands in no one's way then, and leaves no file."""
    inspect = pictures.inspect

    def inspected(*args: object, **named: object) -> pictures.Inspection:
        found = inspect(*args, **named)  # type: ignore[arg-type]
        happens(work.layout)
        return found

    if when == "before":
        happens(work.layout)
    else:
        monkeypatch.setattr(pictures, "inspect", inspected)
    outcome = fetching.fetch_there(work)
    assert isinstance(outcome, Arrived)
    assert len(outcome.data) == outcome.delivered.picture.bytes
    assert [file for file in files(work) if "run-token" not in file] == []


def test_what_is_handed_back_is_placed_by_the_run(work: FetchWork) -> None:
    """With the facts that the worker found."""
    afar = replace(work, token="another run's")
    handed = fetching.fetch_remotely(afar)
    assert isinstance(handed, Arrived)
    assert fetching._placed_here(work, handed) == fetching.fetch_there(work)


def test_what_is_handed_back_finds_its_folder_gone(work: FetchWork) -> None:
    """Somebody has cleaned up; the picture is paid for."""
    handed = fetching.fetch_there(replace(work, token="another run's"))
    assert isinstance(handed, Arrived)
    shutil.rmtree(work.layout.parts)
    assert isinstance(fetching._placed_here(work, handed), Delivered)


def test_the_end_of_a_run_removes_what_a_killed_worker_left(work: FetchWork) -> None:
    (work.layout.parts / "1.abcdef01.part").write_bytes(b"half")
    fetching.end(work.layout)
    assert files(work) == []


def test_a_further_picture_whose_name_is_blocked_keeps_only_this_job_back(
    work: FetchWork, url: str
) -> None:
    """It is no matter of the disk, which would end the run."""
    further = replace(work.fetch, result=replace(work.fetch.result, further=(url,)))
    plain = fetching.fetch_there(work)
    assert isinstance(plain, Delivered)
    in_the_way = work.layout.kept_picture(plain.received or plain.picture.sha256, ".jpg")
    in_the_way.mkdir(parents=True)
    with closing(client.Downloader(private=lambda: True)) as downloader:
        outcome = fetching.fetch_here(replace(work, fetch=further), downloader.fetch)
    assert isinstance(outcome, Blocked)
    assert not outcome.folder


def test_a_worker_without_room_raises(work: FetchWork, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run then does it itself, and finds out whether its own disk is full."""

    def full(*_: object, **__: object) -> None:
        raise OutputError("no space is left on the disk")

    monkeypatch.setattr(pictures, "place", full)
    with pytest.raises(OutputError):
        fetching.fetch_there(work)
    assert files(work) == [".spark-batch/parts/test/run-token"]


def test_a_run_removes_what_a_killed_one_left(work: FetchWork, tmp_path: Path) -> None:
    """Downloads alone, and not through a link to another folder."""
    layout = work.layout
    (layout.parts / "7.abcdef01.part").write_bytes(b"half")
    (layout.parts / "notes.txt").write_text("somebody's")
    fetching.begin(layout)
    assert {path.name for path in layout.parts.iterdir()} == {"run-token", "notes.txt"}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious.part").write_text("precious")
    other = replace(layout, name="other")
    other.parts.symlink_to(elsewhere)
    fetching.begin(other)
    assert (elsewhere / "precious.part").exists()
