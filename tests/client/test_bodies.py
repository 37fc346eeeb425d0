"""Bodies: what they say, that a picture is read once, and that only the planned one is sent."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_batch.client import bodies
from spark_batch.client.bodies import Bodies
from spark_batch.errors import PictureError
from spark_batch.jobs import Input, Job, Picture, Prompt, Size, Treatment
from tests.client.server import within
from tests.makers import MODEL, MODELS

DATA = bytes(range(256)) * 30


def _job(**changes: object) -> Job:
    job = Job(
        key="0" * 16,
        recipe="r",
        model=MODEL.name,
        input=Input(id="a", url="https://cdn.example.com/a.jpg"),
        prompt=Prompt(id="p", text="Change background to beach"),
        size=Size(label="1x1", width=1328, height=1000),
        scale=0.7,
        seed=-1,
        take=1,
        output="a",
    )
    return job._replace(**changes)  # type: ignore[arg-type]


def _file(path: Path, data: bytes = DATA) -> Input:
    path.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    picture = Picture(format="PNG", width=1, height=1, bytes=len(data), sha256=digest)
    return Input(id=path.stem, path=path, picture=picture)


def test_body_of_a_file(tmp_path: Path) -> None:
    """A file goes in Base64, with every parameter, and as the schema wants it."""
    body = json.loads(Bodies(MODELS).body(_job(input=_file(tmp_path / "a.png"))))
    assert list(MODEL.validator("request").iter_errors(body)) == []
    assert body == {
        "model": "spark_i2i_3_0",
        "input": [
            {
                "params": {
                    "prompt": "Change background to beach",
                    "seed": -1,
                    "scale": 0.7,
                    "width": 1328,
                    "height": 1000,
                    "binary_data_base64": [base64.b64encode(DATA).decode()],
                }
            }
        ],
    }


@given(text=st.text(min_size=1), url=st.text(), seed=st.integers(-1, 2**40))
def test_any_text_survives(text: str, url: str, seed: int) -> None:
    """Prompt and URL arrive character by character, whatever they are."""
    job = _job(prompt=Prompt(id="p", text=text), input=Input(id="u", url=url), seed=seed)
    params = json.loads(Bodies(MODELS).body(job))["input"][0]["params"]
    assert (params["prompt"], params["image_urls"], params["seed"]) == (text, [url], seed)
    assert "binary_data_base64" not in params


@pytest.mark.parametrize("scale", [0.0, 0.1, 0.3, 0.7, 1.0])
def test_scale_is_written_as_it_was(scale: float, tmp_path: Path) -> None:
    """0.7 is 0.7, not its nearest binary fraction written out."""
    assert f'"scale": {scale}'.encode() in Bodies(MODELS).body(_job(scale=scale))


def test_changed_picture(tmp_path: Path) -> None:
    """A picture that is no longer the planned one is not sent."""
    source = _file(tmp_path / "a.png")
    for data in (DATA + b"x", DATA[:-1], b"", DATA[:-1] + b"x"):
        (tmp_path / "a.png").write_bytes(data)
        with pytest.raises(PictureError, match=r"a\.png: the picture has changed"):
            Bodies(MODELS).body(_job(input=source))


def test_missing_picture(tmp_path: Path) -> None:
    """A picture that is gone is told, and may come back."""
    source = _file(tmp_path / "a.png")
    (tmp_path / "a.png").unlink()
    made = Bodies(MODELS)
    with pytest.raises(PictureError, match="cannot be read"):
        made.body(_job(input=source))
    (tmp_path / "a.png").write_bytes(DATA)
    assert made.body(_job(input=source))


def test_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many threads ask at once, a picture is read and encoded once."""
    source = _file(tmp_path / "a.png")
    reads: list[Path] = []
    start, go = threading.Barrier(9), threading.Event()
    read = bodies._read

    def counted(path: Path, picture: Picture) -> bytes:
        reads.append(path)
        go.wait(5)
        return read(path, picture)

    monkeypatch.setattr(bodies, "_read", counted)
    made, results = Bodies(MODELS), []

    def ask() -> None:
        start.wait()
        results.append(made.body(_job(input=source)))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    start.wait()
    assert within(5, lambda: bool(reads))
    threading.Event().wait(0.05)  # so that the others come while the first still reads
    go.set()
    for thread in threads:
        thread.join()
    assert len(reads) == 1
    assert len(results) == 8
    assert len(set(results)) == 1


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pictures that were used last are kept, up to so many bytes."""
    sources = [_file(tmp_path / f"{n}.png", DATA + bytes([n])) for n in range(3)]
    reads: list[str] = []
    read = bodies._read

    def counted(path: Path, picture: Picture) -> bytes:
        reads.append(path.stem)
        return read(path, picture)

    monkeypatch.setattr(bodies, "_read", counted)
    made = Bodies(MODELS, max_bytes=2 * len(base64.b64encode(DATA + b"0")))
    for n in (0, 1, 0, 2, 0, 1):
        made.body(_job(input=sources[n]))
    assert reads == ["0", "1", "2", "1"]


def test_neither_file_nor_url() -> None:
    """An input of nothing is an error, not a request."""
    with pytest.raises(PictureError):
        Bodies(MODELS).body(_job(input=Input(id="a")))


def _fitted(source: Input, background: str | None = None) -> Input:
    treatment = Treatment(1, "JPEG", 1, 1, None, background, "saved as JPEG")
    assert source.picture is not None
    return replace(source, picture=replace(source.picture, treatment=treatment))


def test_a_fitted_picture_is_sent_in_place_of_the_file(tmp_path: Path) -> None:
    """It is made once for each way of fitting it, and the file itself may stand beside it."""
    calls: list[Picture] = []

    def fitted(path: Path, picture: Picture) -> bytes:
        calls.append(picture)
        return b"fitted " + (picture.treatment.background or "").encode()  # type: ignore[union-attr]

    source = _file(tmp_path / "a.png")
    made = Bodies(MODELS, fitted=fitted)
    sent = [
        json.loads(made.body(_job(input=each)))["input"][0]["params"]["binary_data_base64"]
        for each in (_fitted(source), source, _fitted(source, "#123456"), _fitted(source))
    ]
    assert [base64.b64decode(each) for (each,) in sent] == [
        b"fitted ",
        DATA,
        b"fitted #123456",
        b"fitted ",
    ]
    assert len(calls) == 2


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def test_a_picture_is_fitted_by_the_executor(tmp_path: Path, executor: ThreadPoolExecutor) -> None:
    """Who asks whether it is ready is not held up, and sending it then makes nothing."""
    go, calls = threading.Event(), []

    def fitted(path: Path, picture: Picture) -> bytes:
        calls.append(threading.current_thread())
        assert go.wait(5)
        return b"fitted"

    made = Bodies(MODELS, fitted=fitted, executor=executor)
    source = _fitted(_file(tmp_path / "a.png"))
    assert not made.ready(source)
    assert not made.ready(source)
    go.set()
    assert within(5, lambda: made.ready(source))
    assert made.body(_job(input=source))
    assert len(calls) == 1
    assert calls[0] is not threading.current_thread()


def test_what_need_not_be_fitted_is_ready(tmp_path: Path) -> None:
    """A URL, and a file that is sent as it is."""
    assert Bodies(MODELS).ready(_file(tmp_path / "b.png"))
    assert Bodies(MODELS).ready(Input(id="u", url="https://cdn.example.com/a.jpg"))


@pytest.mark.parametrize("most", [0, 10**6])
def test_a_picture_that_cannot_be_fitted_is_told_when_it_is_sent(
    tmp_path: Path, executor: ThreadPoolExecutor, most: int
) -> None:
    """Nor does one that is too large to be kept hold up a run for ever."""

    def fitted(path: Path, picture: Picture) -> bytes:
        if most:
            raise PictureError("a.png: broken")
        return b"fitted"

    made = Bodies(MODELS, fitted=fitted, executor=executor, max_bytes=most)
    source = _fitted(_file(tmp_path / "a.png"))
    assert not made.ready(source)
    assert within(5, lambda: made.ready(source))
    if most:
        with pytest.raises(PictureError, match="broken"):
            made.body(_job(input=source))
    with pytest.raises(PictureError, match="needs fitting"):
        Bodies(MODELS).body(_job(input=source))
