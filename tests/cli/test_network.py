"""A company's network: a proxy and a CA of its own, and what a user can get wrong with them."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from spark_batch.errors import ExitCode
from tests.cli.conftest import Call, Ended, Folder, start
from tests.client.proxy import PASSWORD, USER, Authority, authority_in, proxying
from tests.client.server import Behaviour, Line, Server, answering, http

KEY = "sk-canary-0123456789-never-show-me"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority of the company's."""
    return authority_in(tmp_path)


def _run(folder: Folder, api: str, proxy: Server, authority: Authority) -> Ended:
    """A run in a process of its own, with what the environment of a company has."""
    process = start(
        *("run", folder.recipe),
        SPARK_API_KEY=KEY,
        SPARK_BASE_URL=api,
        SPARK_PROXY=f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}",
        SSL_CERT_FILE=authority.bundle,
    )
    out, err = process.communicate(timeout=120)
    return Ended(process.returncode, out, err)


def _hides_secrets(ended: Ended, folder: Folder) -> bool:
    """Whether neither the key nor the proxy's password stands in the output or in a file."""
    secrets = (KEY, PASSWORD, USER.split()[1])
    files = [path.read_bytes() for path in folder.path.rglob("*") if path.is_file()]
    shown = (ended.out.encode(), ended.err.encode(), *files)
    return not any(secret.encode() in text for secret in secrets for text in shown)


def _picture() -> bytes:
    file = io.BytesIO()
    Image.effect_noise((512, 512), 60).convert("RGB").save(file, "JPEG")
    return file.getvalue()


def _api(pictures: Callable[[], str]) -> Behaviour:
    """An API whose tasks are finished at once."""

    def behave(line: Line) -> None:
        while (request := line.request()) is not None:
            if request.startswith(b"POST"):
                line.send(http({"id": f"task-{len(line.server.requests)}"}))
                continue
            task = request.split(b" ")[1].decode().rpartition("/")[2]
            output = {"content": [{"type": "image", "url": f"{pictures()}/{task}.jpg?sig=%2f"}]}
            usage = {"cost": "0.03"}
            answer = {"id": task, "status": "completed", "output": [output], "usage": usage}
            line.send(http(answer))

    return behave


def test_a_run_goes_through_the_proxy_of_a_company(folder: Folder, authority: Authority) -> None:
    """Requests, polls and pictures; the run ends as anywhere else."""
    with (
        closing(Server(answering(http(_picture())))) as pictures,
        closing(
            Server(_api(lambda: f"http://pictures.test:{pictures.port}"), tls=authority.server)
        ) as api,
        closing(Server(proxying(users=(USER,)))) as proxy,
    ):
        ended = _run(folder, f"https://api.test:{api.port}", proxy, authority)
        assert ended.code == ExitCode.DONE, ended.err
        posts = [request for request in api.requests if request.startswith(b"POST")]
    assert len(posts) == len(pictures.requests) == 4
    assert len(folder.pictures(folder.out)) == 4
    assert _hides_secrets(ended, folder)


@pytest.mark.parametrize("status", [407, 502])
def test_a_proxy_that_refuses_costs_nothing(
    status: int, folder: Folder, authority: Authority
) -> None:
    """No job is uncertain: the next run sends the same requests again."""
    folder.edit("submit_rate: 100", "submit_rate: 100, unreachable_timeout: 0.5")
    with closing(Server(answering(http(b"no", status=status)))) as proxy:
        ended = _run(folder, "https://api.test", proxy, authority)
    assert ended.code == ExitCode.FAILED
    assert f"no connection through the proxy in SPARK_PROXY: HTTP {status}" in ended.err
    assert "uncertain" not in ended.out + ended.err
    assert "4 pending" in " ".join(ended.out.split())
    assert _hides_secrets(ended, folder)


@pytest.mark.parametrize("command", [("run",), ("plan", "--quote")])
@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("SPARK_PROXY", "proxy.example:3128", "SPARK_PROXY is not the address of an HTTP proxy"),
        ("SPARK_PROXY", f"socks5://me:{PASSWORD}@proxy.example:1080", "only proxies that speak"),
        ("SPARK_PROXY", f"http://me:{PASSWORD}@proxy.example:x", "http://USER:PASSWORD@HOST:PORT"),
        ("SSL_CERT_FILE", "/no/such/file.pem", "SSL_CERT_FILE: /no/such/file.pem: no usable CA"),
        ("REQUESTS_CA_BUNDLE", __file__, f"REQUESTS_CA_BUNDLE: {__file__}: no usable CA bundle"),
    ],
)
def test_a_network_that_cannot_be_used_is_an_error_before_anything_is_sent(
    command: tuple[str, ...],
    variable: str,
    value: str,
    words: str,
    *,
    folder: Folder,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exit 2, one line, no file, and no password."""
    for name, text in {"SPARK_API_KEY": KEY, "SPARK_BASE_URL": "http://127.0.0.1:1"}.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setenv(variable, value)
    name, *options = command
    ended = call(name, folder.recipe, *options)
    assert ended.code == ExitCode.WRONG
    assert words in ended.err.splitlines()[-1]
    assert PASSWORD not in ended.out + ended.err
    assert not (folder.path / "out").exists()


@pytest.mark.parametrize(
    ("variable", "value"), [("SSL_CERT_FILE", "/no/such/file.pem"), ("SPARK_PROXY", "socks5://x:1")]
)
def test_a_preview_needs_no_network(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """Whatever is wrong with it, the sandbox is on this machine."""
    monkeypatch.setenv(variable, value)
    assert call("run", folder.recipe, "--sandbox").code == ExitCode.DONE
    assert folder.pictures()
