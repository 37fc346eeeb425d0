"""A POST is sent once, and every answer and cut is classified right, or on the safe side."""

from __future__ import annotations

import os
import socket
import ssl
from contextlib import ExitStack
from pathlib import Path

import pytest
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from spark_batch.client import Timeouts
from spark_batch.client.outcomes import (
    Made,
    NotAccepted,
    NotMade,
    Refused,
    StopRun,
    Uncertain,
)
from spark_batch.errors import ExitCode
from tests.client.conftest import KEY, QUICK, Connect, Serve
from tests.client.faults import FAULTS, WHOLE, redirect
from tests.client.server import CERTIFICATE, Line, answering, http, then_close, within
from tests.makers import MODEL

BODY = b'{"model": "spark_i2i_3_0"}'


@pytest.mark.usefixtures("without_collections")
@pytest.mark.parametrize("name", FAULTS)
def test_wire_faults(name: str, serve: Serve, connect: Connect) -> None:
    """Each fault of the wire has its outcome, after one connection and one POST at most."""
    fault = FAULTS[name]
    server = serve(fault.behave, tls=fault.tls)
    body = b"x" * 8_000_000 if name == "never reading" else BODY
    outcome = connect(server.url, timeouts=fault.timeouts).submit(body, MODEL.name)
    assert isinstance(outcome, fault.outcome), outcome
    assert KEY not in repr(outcome)
    assert server.connections == 1
    assert len(server.requests) <= 1


def test_what_is_sent(serve: Serve, connect: Connect) -> None:
    """The request carries key, type, length and an agent of its own, on a connection to close."""
    server = serve(answering(WHOLE))
    assert connect(server.url).submit(BODY, MODEL.name) == Made(task_id="task-1")
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    first, *rows = head.decode().split("\r\n")
    headers = dict(row.split(": ", 1) for row in rows)
    assert first == "POST /model/v1/generation HTTP/1.1"
    assert body == BODY
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert headers["Content-Type"] == "application/json"
    assert headers["Content-Length"] == str(len(BODY))
    assert headers["Connection"] == "close"
    assert headers["User-Agent"].startswith("spark-batch/")


def test_environment_is_left_alone(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    """Neither proxies nor a .netrc of the environment change where a POST goes and with what."""
    server = serve(answering(WHOLE))
    netrc = tmp_path / "netrc"  # type: ignore[operator]
    netrc.write_text("machine 127.0.0.1 login someone password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert connect(server.url).submit(BODY, MODEL.name) == Made(task_id="task-1")
    assert f"Authorization: Bearer {KEY}".encode() in server.requests[0]


def test_every_post_has_a_connection_of_its_own(serve: Serve, connect: Connect) -> None:
    """A server that would keep the connection does not get the next POST on it."""
    server = serve(answering(WHOLE))
    client = connect(server.url)
    for _ in range(3):
        assert isinstance(client.submit(BODY, MODEL.name), Made)
    assert server.connections == 3


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int, serve: Serve, connect: Connect) -> None:
    """A redirect would carry the body to a second place: the POST ends there, uncertain."""
    other = serve(answering(WHOLE))
    server = serve(answering(redirect(status, f"{other.url}/model/v1/generation")))
    assert isinstance(connect(server.url).submit(BODY, MODEL.name), Uncertain)
    assert other.connections == 0


def test_large_body_arrives_whole(serve: Serve, connect: Connect) -> None:
    """Some megabytes go out in slices and arrive as they were."""
    server = serve(answering(WHOLE))
    body = bytes(range(256)) * 20_000
    assert isinstance(connect(server.url).submit(body, MODEL.name), Made)
    assert server.requests[0].endswith(b"\r\n\r\n" + body)


def test_slow_line(serve: Serve, connect: Connect) -> None:
    """Sending may take longer than connecting may: a large body on a slow line is no failure."""

    def behave(line: Line) -> None:
        line.server.wait(0.5)
        line.request()
        line.send(WHOLE)

    server = serve(behave)
    client = connect(server.url, timeouts=Timeouts(connect=0.2))
    assert client.submit(b"x" * 20_000_000, MODEL.name) == Made(task_id="task-1")


def test_refused_connection(connect: Connect) -> None:
    """Nobody listens: nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    outcome = connect(f"http://127.0.0.1:{port}").submit(BODY, MODEL.name)
    assert outcome == NotAccepted(reason="the connection was refused")


def test_name_not_resolved(connect: Connect) -> None:
    """A host without address: nothing was sent."""
    outcome = connect("https://" + "a" * 70 + ".invalid").submit(BODY, MODEL.name)
    assert isinstance(outcome, NotAccepted)


def test_connect_timeout(connect: Connect) -> None:
    """A host that takes no connection: nothing was sent."""
    with ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        outcome = connect(url, timeouts=Timeouts(connect=0.2)).submit(BODY, MODEL.name)
    assert outcome == NotAccepted(reason="no connection within the time allowed")


def test_certificate_not_trusted(serve: Serve, connect: Connect) -> None:
    """A self-signed certificate stops the run before anything is sent."""
    server = serve(answering(WHOLE), tls=True)
    outcome = connect(server.url, environ={}).submit(BODY, MODEL.name)
    assert isinstance(outcome, StopRun)
    assert outcome.exit_code is ExitCode.FAILED
    assert "certificate" in outcome.message
    assert server.requests == []


def test_certificate_of_another_host(serve: Serve, connect: Connect) -> None:
    """A trusted certificate for another name stops the run as well."""
    server = serve(answering(WHOLE), tls=True)
    outcome = connect(f"https://localhost:{server.port}").submit(BODY, MODEL.name)
    assert isinstance(outcome, StopRun)
    assert server.requests == []


def _handshake_cut(line: Line) -> None:
    line.sock.recv(100)
    line.reset()


def _handshake_silent(line: Line) -> None:
    line.sock.recv(100)
    line.server.wait(3)


@pytest.mark.parametrize(
    "behave", [_handshake_cut, _handshake_silent, then_close(b""), then_close(http(b"no TLS"))]
)
def test_handshake_fails(behave: object, serve: Serve, connect: Connect) -> None:
    """Without TLS nothing is sent, however the handshake ended."""
    server = serve(behave)
    outcome = connect(f"https://127.0.0.1:{server.port}", timeouts=QUICK).submit(BODY, MODEL.name)
    assert isinstance(outcome, NotAccepted), outcome


def _handshake_drip(line: Line) -> None:
    """Begin a TLS record of 16 kB, byte by byte."""
    line.drip(b"\x16\x03\x03\x40\x00" + b"\x02" * 400)


def test_handshake_has_the_deadline_too(serve: Serve, connect: Connect) -> None:
    """A handshake that drips ends with the operation's deadline, and nothing was sent."""
    server = serve(_handshake_drip)
    outcome = connect(f"https://127.0.0.1:{server.port}", timeouts=QUICK).submit(BODY, MODEL.name)
    assert isinstance(outcome, NotAccepted), outcome


@pytest.mark.parametrize("name", ["closed after the request", "dripping headers", "TLS silent"])
def test_uncertain_says_that_it_was_sent(name: str, serve: Serve, connect: Connect) -> None:
    """The reason tells the user what is at stake."""
    fault = FAULTS[name]
    server = serve(fault.behave, tls=fault.tls)
    outcome = connect(server.url, timeouts=fault.timeouts).submit(BODY, MODEL.name)
    assert isinstance(outcome, Uncertain)
    assert "may have made a task" in outcome.reason


def test_uncertain_shows_an_unusable_id(serve: Serve, connect: Connect) -> None:
    """What the answer held is shown, so that the job can be resolved by hand."""
    server = serve(answering(http({"data": {"task": "t-77"}})))
    outcome = connect(server.url).submit(BODY, MODEL.name)
    assert isinstance(outcome, Uncertain)
    assert "t-77" in outcome.reason


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("900", 300.0),
        ("-5", None),
        ("1000000", None),
        ("soon", None),
        ("1.5e3", None),
        ("9" * 500, None),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", None),
        ("Sun, 99 Nov 2026 11:00:00 GMT", None),
    ],
)
def test_retry_after(header: str, seconds: float | None, serve: Serve, connect: Connect) -> None:
    """Retry-After is read as seconds or date, cut to five minutes, and ignored when absurd."""
    from datetime import datetime, timezone

    noon = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
    server = serve(answering(http(b"{}", status=429, headers=(f"Retry-After: {header}",))))
    outcome = connect(server.url, now=lambda: noon).submit(BODY, MODEL.name)
    assert isinstance(outcome, NotAccepted)
    assert outcome.rate_limited
    assert outcome.retry_after == seconds


@pytest.mark.parametrize(("status", "code"), [(401, 5), (402, 5), (403, 5), (404, 1), (405, 1)])
def test_exit_codes(status: int, code: int, serve: Serve, connect: Connect) -> None:
    """Key and balance end the run with 5, a wrong endpoint with 1."""
    outcome = connect(serve(answering(http(b"{}", status=status))).url).submit(BODY, MODEL.name)
    assert isinstance(outcome, StopRun)
    assert outcome.exit_code == code


def test_codes_are_told_in_nine_digits(serve: Serve, connect: Connect) -> None:
    """A code that lost its zeros is told as the vendor's page writes it."""
    refused = http({"error": {"code": 3003006, "message": "scale"}}, status=400)
    outcome = connect(serve(answering(refused)).url).submit(BODY, MODEL.name)
    assert outcome == Refused(code="003003006", message="scale")
    not_made = http({"error": {"code": "3003099"}}, status=500)
    outcome = connect(serve(answering(not_made)).url).submit(BODY, MODEL.name)
    assert outcome == NotMade(code="003003099", message="Task creation error")


def test_kernel_buffers_do_not_hide_a_cut(serve: Serve, connect: Connect) -> None:
    """A body that the server had in full before it hung up is uncertain, though none answered."""
    server = serve(then_close(b""))
    outcome = connect(server.url).submit(b"x" * 3_000_000, MODEL.name)
    assert isinstance(outcome, Uncertain)
    assert within(2, lambda: len(server.requests) == 1)


def test_tls_context_verifies() -> None:
    """The default context asks for a certificate and checks its name."""
    from spark_batch.client.network import tls

    context = tls({})
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_bundle_is_loaded_again_when_it_has_changed(tmp_path: Path) -> None:
    """Once for all connections; a notebook that runs for weeks sees a renewed bundle."""
    from spark_batch.client.network import tls

    bundle = tmp_path / "bundle.pem"
    named = {"SSL_CERT_FILE": str(bundle)}
    bundle.write_bytes(CERTIFICATE.read_bytes())
    os.utime(bundle, (1, 1))
    context = tls(named)
    assert tls(named) is context
    assert context.cert_store_stats()["x509"] == 1
    bundle.write_bytes(Path(DEFAULT_CA_BUNDLE_PATH).read_bytes())
    assert tls(named).cert_store_stats()["x509"] > 1
