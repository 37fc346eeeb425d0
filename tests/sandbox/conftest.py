"""A real sandbox on a port of the system's choice, and a small client that knows only HTTP."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from spark_batch.sandbox import Served, Settings, serve

GENERATION = "/model/v1/generation"
KEY = "canary-1f2e3d4c5b6a"


class Api:
    """Speaks to a sandbox as the API's documentation tells."""

    def __init__(self, served: Served, session: requests.Session) -> None:
        self.served = served
        self.url = served.url
        self.ledger = served.ledger
        self.session = session
        self.headers = {"Authorization": f"Bearer {KEY}", "User-Agent": "tests/1"}

    def post(self, body: Any, path: str = GENERATION, **options: Any) -> requests.Response:
        options.setdefault("headers", self.headers)
        return self.session.post(self.url + path, json=body, timeout=20, **options)

    def create(self, **params: Any) -> requests.Response:
        params.setdefault("prompt", "Change background to beach")
        if not {"image_urls", "binary_data_base64"} & set(params):
            params["image_urls"] = ["https://pictures.example/a.jpg"]
        kept = {name: value for name, value in params.items() if value is not ...}
        return self.post({"model": "spark_i2i_3_0", "input": [{"params": kept}]})

    def made(self, **params: Any) -> str:
        answer = self.create(**params)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def poll(self, task_id: str) -> requests.Response:
        path = f"{self.url}{GENERATION}/task/{task_id}"
        return self.session.get(path, headers=self.headers, timeout=20)

    def read(self, task_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.poll(task_id).json()
        return answer

    def content(self, task_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.read(task_id)["output"][0]["content"][0]
        return found

    def fetch(self, url: str, **options: Any) -> requests.Response:
        return self.session.get(url, timeout=20, **options)

    def picture(self, **params: Any) -> bytes:
        return self.fetch(self.content(self.made(**params))["url"]).content


class Clock:
    """A clock that stands until it is moved, in Unix seconds."""

    def __init__(self) -> None:
        self.now = 1763790000.0

    def __call__(self) -> float:
        return self.now


Start = Callable[..., Api]


def starter(stack: ExitStack, folder: Path) -> Start:
    def start(*, clock: Callable[[], float] | None = None, **options: Any) -> Api:
        options.setdefault("folder", folder)
        options.setdefault("task_seconds", (0, 0))
        more = {"clock": clock} if clock else {}
        served = stack.enter_context(serve(Settings(**options), **more))
        session = stack.enter_context(requests.Session())
        session.trust_env = False
        return Api(served, session)

    return start


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts sandboxes on the test's own folder; they are stopped at its end."""
    with ExitStack() as stack:
        yield starter(stack, tmp_path / "state")


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One sandbox for all tests that need nothing special of it."""
    with ExitStack() as stack:
        yield starter(stack, tmp_path_factory.mktemp("sandbox"))()


@pytest.fixture
def clock() -> Clock:
    """A clock that stands."""
    return Clock()


def picture_file(
    size: tuple[int, int] = (640, 480), form: str = "JPEG", mode: str = "RGB", **save: Any
) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, (200, 120, 40) if mode == "RGB" else 128).save(file, form, **save)
    return file.getvalue()


@pytest.fixture(scope="session")
def photo() -> Callable[..., bytes]:
    """Makes a picture file of a size and a format."""
    return picture_file


@pytest.fixture(scope="session")
def encoded() -> Callable[[bytes], list[str]]:
    """A file as `binary_data_base64` wants it."""
    return lambda data: [base64.b64encode(data).decode()]
