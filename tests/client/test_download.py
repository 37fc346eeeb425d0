"""Downloads: what is taken, what is refused, what is left behind, and who is not spoken to."""

from __future__ import annotations

import errno
import gzip
import os
import sys
from io import BytesIO
from pathlib import Path

import pytest

from spark_batch.client import Timeouts, download
from spark_batch.client.outcomes import Fetched, FetchFailed
from tests.client.conftest import KEY, Connect, Serve
from tests.client.faults import FAULTS, redirect
from tests.client.server import Behaviour, Line, answering, http, then_close

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
SIGNED = "/a.png?X-Signature=secret"


@pytest.fixture
def part() -> BytesIO:
    """Where the download goes."""
    return BytesIO()


@pytest.mark.usefixtures("without_collections")
@pytest.mark.parametrize("name", FAULTS)
def test_wire_faults(name: str, serve: Serve, connect: Connect, part: BytesIO) -> None:
    """No fault of the wire is taken for a picture."""
    fault = FAULTS[name]
    server = serve(fault.behave, tls=fault.tls)
    odd = connect(server.url, timeouts=fault.timeouts).fetch(
        server.url + SIGNED, part, expected_bytes=7_000
    )
    assert isinstance(odd, FetchFailed)
    assert "secret" not in repr(odd)


def _fetch(
    serve: Serve, connect: Connect, part: BytesIO, answer: bytes, *, expected: int | None = None
) -> object:
    server = serve(answering(answer))
    return connect(server.url).fetch(server.url + SIGNED, part, expected_bytes=expected)


def test_picture_arrives(serve: Serve, connect: Connect, part: BytesIO) -> None:
    """The bytes are in the part file; the key did not go to the picture's host."""
    server = serve(answering(http(PNG)))
    outcome = connect(server.url).fetch(server.url + SIGNED, part, expected_bytes=len(PNG))
    assert outcome == Fetched(bytes=len(PNG))
    assert part.getvalue() == PNG
    assert server.requests[0].startswith(b"GET /a.png?X-Signature=secret HTTP/1.1\r\n")
    assert b"authorization" not in server.requests[0].lower()
    assert KEY.encode() not in server.requests[0]


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("/a%7Eb%2Dc%5F/x?sig=q%2Bw%2fz%7E&X=%41", None),
        ("/a%2fb//c/../d/./e;p=1?x=a+b&y=%20%e4%bd%a0&z", None),
        ("?sig=%2f", "/?sig=%2f"),
        ("", "/"),
        ("/a?x=[1]{2}|3^4`5'6\"7<8>", None),
        ("/a%zz%?sig=%", None),
        ("/a b?x=\u4f60", "/a%20b?x=%E4%BD%A0"),
        ("/a?x=1#part", "/a?x=1"),
    ],
)
def test_a_signed_url_goes_out_byte_for_byte(
    url: str, sent: str | None, serve: Serve, connect: Connect, part: BytesIO
) -> None:
    """The signature covers the bytes: only what may not stand in a request line is escaped."""
    server = serve(answering(http(PNG)))
    outcome = connect(server.url).fetch(server.url + url, part, expected_bytes=len(PNG))
    assert outcome == Fetched(bytes=len(PNG))
    line = server.requests[0].split(b"\r\n")[0].decode()
    assert line == f"GET {url if sent is None else sent} HTTP/1.1"


@pytest.mark.parametrize("host", [True, False])
def test_a_signed_url_that_a_redirect_names_goes_out_byte_for_byte(
    host: bool, serve: Serve, connect: Connect, part: BytesIO
) -> None:
    """With its host, or without one."""
    signed = "/a%7Eb%2Dc/x?sig=q%2Bw%2fz%7E&X=%41"

    def behave(line: Line) -> None:
        while (request := line.request()) is not None:
            target = line.server.url + signed if host else signed
            line.send(redirect(302, target) if request.startswith(b"GET /first") else http(PNG))

    server = serve(behave)
    outcome = connect(server.url).fetch(f"{server.url}/first", part, expected_bytes=len(PNG))
    assert outcome == Fetched(bytes=len(PNG))
    assert server.requests[1].startswith(f"GET {signed} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize(
    "coding", ["none", "utf-8", "UTF-8", "binary", "aws-chunked", "identity", "", "br", "gzip"]
)
def test_a_content_coding_that_is_none_is_passed_over(
    coding: str, serve: Serve, connect: Connect, part: BytesIO
) -> None:
    """Stores hand out whatever was written down at the upload; the bytes are the picture's."""
    answer = http(PNG, headers=(f"Content-Encoding: {coding}",))
    assert _fetch(serve, connect, part, answer, expected=len(PNG)) == Fetched(bytes=len(PNG))
    assert part.getvalue() == PNG


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "aws-chunked, gzip", "GZIP"])
def test_a_compressed_picture_is_decompressed(
    coding: str, serve: Serve, connect: Connect, part: BytesIO
) -> None:
    """A gateway may compress though nobody asked for it."""
    answer = http(gzip.compress(PNG), headers=(f"Content-Encoding: {coding}",))
    assert _fetch(serve, connect, part, answer, expected=len(PNG)) == Fetched(bytes=len(PNG))
    assert part.getvalue() == PNG


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n\r\n" + PNG,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + f"{len(PNG):x}\r\n".encode()
        + PNG
        + b"\r\n0\r\n\r\n",
        http(gzip.compress(PNG), headers=("Content-Encoding: gzip",)),
    ],
)
def test_ways_to_send(answer: bytes, serve: Serve, connect: Connect, part: BytesIO) -> None:
    """A picture may come without length, in chunks, or compressed."""
    server = serve(then_close(answer))
    outcome = connect(server.url).fetch(server.url, part, expected_bytes=len(PNG))
    assert outcome == Fetched(bytes=len(PNG))
    assert part.getvalue() == PNG


@pytest.mark.parametrize("expected", [1, len(PNG) - 1, len(PNG) + 1])
def test_length_is_compared(expected: int, serve: Serve, connect: Connect, part: BytesIO) -> None:
    """A file that is not as long as the API says is a failed download."""
    outcome = _fetch(serve, connect, part, http(PNG), expected=expected)
    assert isinstance(outcome, FetchFailed)
    assert not outcome.fresh_url


@pytest.mark.parametrize("page", [b"<!DOCTYPE html>", b"\n <html>", b'{"error": "x"}', b"<?xml"])
def test_pages(page: bytes, serve: Serve, connect: Connect, part: BytesIO) -> None:
    """A page with status 200 is no picture, whatever type it claims."""
    answer = http(page + b" " * 50, headers=("Content-Type: image/png",))
    outcome = _fetch(serve, connect, part, answer)
    assert isinstance(outcome, FetchFailed)
    assert outcome.fresh_url


@pytest.mark.parametrize(
    ("status", "fresh"),
    [(400, True), (403, True), (404, True), (410, True), (416, False), (429, False), (500, False)],
)
def test_statuses(status: int, fresh: bool, serve: Serve, connect: Connect, part: BytesIO) -> None:
    """A URL that has ended wants a fresh one; trouble of the server wants patience."""
    answer = http(b"no", status=status, headers=("Retry-After: 4",))
    outcome = _fetch(serve, connect, part, answer)
    assert outcome == FetchFailed(
        reason=f"download failed: HTTP {status}", fresh_url=fresh, retry_after=4.0, answered=True
    )


def test_cap(
    serve: Serve, connect: Connect, part: BytesIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past the cap a download ends, whether its length was told before or not."""
    monkeypatch.setattr(download, "MAX_BYTES", 1000)
    bomb = gzip.compress(b"a" * 100_000)
    for answer in (
        http(PNG),
        b"HTTP/1.1 200 OK\r\n\r\n" + PNG,
        http(bomb, headers=("Content-Encoding: gzip",)),
    ):
        server = serve(then_close(answer))
        client = connect(server.url)
        outcome = client.fetch(server.url, part, expected_bytes=None)
        assert isinstance(outcome, FetchFailed)
        assert "larger than 1000 bytes" in outcome.reason


def _one_answer_a_connection(*answers: bytes) -> Behaviour:
    waiting = list(answers)

    def behave(line: Line) -> None:
        line.request()
        line.send(waiting.pop(0))

    return behave


def test_redirects(serve: Serve, connect: Connect, part: BytesIO) -> None:
    """A redirect leads on, without the key, also when it is relative."""
    target = serve(answering(http(PNG)))
    middle = serve(answering(redirect(302, f"{target.url}/b.png")))
    start = serve(_one_answer_a_connection(redirect(307, "/next"), redirect(301, middle.url)))
    outcome = connect(start.url).fetch(start.url, part, expected_bytes=None)
    assert outcome == Fetched(bytes=len(PNG))
    assert start.requests[1].startswith(b"GET /next HTTP/1.1\r\n")
    assert b"authorization" not in b"".join(target.requests + middle.requests).lower()


def test_endless_redirects(serve: Serve, connect: Connect, part: BytesIO) -> None:
    """Redirects are counted."""
    server = serve(answering(redirect(302, "/again")))
    outcome = connect(server.url).fetch(server.url, part, expected_bytes=None)
    assert isinstance(outcome, FetchFailed)
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "ftp://127.0.0.1/a", "http://user:pw@127.0.0.1/a", "", "http://[::1"],
)
def test_redirects_to_nowhere(location: str, serve: Serve, connect: Connect, part: BytesIO) -> None:
    """A redirect to anything but a plain http(s) URL ends the download."""
    outcome = _fetch(serve, connect, part, redirect(302, location))
    assert isinstance(outcome, FetchFailed)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.png",
        "//127.0.0.1/a",
        "file:///a",
        "http://",
        "http://a:b@127.0.0.1/",
        "http://[",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:0/",
        "https://" + "a" * 99 + ".invalid/",
        "http://\ud800/",
        "http://a\r\nHost: b/",
    ],
)
def test_urls_of_nothing(url: str, connect: Connect, part: BytesIO) -> None:
    """A URL that cannot be used is a failed download, not an exception."""
    outcome = connect("http://127.0.0.1:1").fetch(url, part, expected_bytes=None)
    assert isinstance(outcome, FetchFailed)


def _public(host: str, *_: object, **__: object) -> list[object]:
    return [(2, 1, 6, "", ("8.8.8.8", 0))]


def test_private_addresses_are_not_spoken_to(serve: Serve, connect: Connect, part: BytesIO) -> None:
    """With the API on the open internet nothing is sent to this machine, redirected or not."""
    inner = serve(answering(http(PNG)))
    client = connect("https://api.example.com", resolve=_public)
    for host in ("127.0.0.1", "localhost"):
        url = f"http://{host}:{inner.port}/a.png"
        outcome = client.fetch(url, part, expected_bytes=None)
        assert isinstance(outcome, FetchFailed)
        assert "not a public one" in outcome.reason
    assert inner.requests == []


def test_private_addresses_beside_a_private_api(
    serve: Serve, connect: Connect, part: BytesIO
) -> None:
    """With the API on a private address results may stand on one, too."""
    inner = serve(answering(http(PNG)))
    near = [(2, 1, 6, "", ("10.0.0.7", 0))]
    client = connect("https://api.example.com", resolve=lambda *_, **__: near)
    outcome = client.fetch(inner.url, part, expected_bytes=None)
    assert outcome == Fetched(bytes=len(PNG))


def test_api_that_is_not_resolved_is_not_near(
    serve: Serve, connect: Connect, part: BytesIO
) -> None:
    """Not to know where the API stands opens no private address."""

    def fail(*_: object, **__: object) -> list[object]:
        raise OSError

    inner = serve(answering(http(PNG)))
    client = connect("https://api.example.com", resolve=fail)
    assert isinstance(client.fetch(inner.url, part, expected_bytes=None), FetchFailed)


@pytest.mark.parametrize("head", [b"", b"Content-Length: 100\r\n"])
def test_deadline_cuts_a_body(head: bytes, serve: Serve, connect: Connect, part: BytesIO) -> None:
    """A picture that drips in is given up before its server ends, though no wait was long."""
    ended: list[bool] = []

    def drip(line: Line) -> None:
        line.request()
        line.send(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
        line.drip(PNG[:100])
        ended.append(True)

    server = serve(drip)
    client = connect(server.url, timeouts=Timeouts(read=5.0, fetch_total=0.3))
    outcome = client.fetch(server.url, part, expected_bytes=None)
    assert outcome == FetchFailed(reason="download failed: not done within 0.3 s", fresh_url=False)
    assert ended == []


def test_what_is_told_is_the_whole_time(serve: Serve, connect: Connect, part: BytesIO) -> None:
    """Not what a redirect has left of it, which nobody has set."""

    def drip(line: Line) -> None:
        line.request()
        line.send(b"HTTP/1.1 200 OK\r\n\r\n")
        line.drip(PNG[:100])

    start = serve(answering(redirect(302, serve(drip).url)))
    client = connect(start.url, timeouts=Timeouts(read=5.0, fetch_total=0.3))
    outcome = client.fetch(start.url, part, expected_bytes=None)
    assert outcome == FetchFailed(reason="download failed: not done within 0.3 s", fresh_url=False)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of a file")
def test_disk_that_is_full(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    """A file that cannot be written is the disk's fault, and no failure of the download."""
    import resource

    server = serve(answering(http(PNG)))
    client = connect(server.url)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with (tmp_path / "part").open("wb", buffering=0) as file:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        try:
            with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
                client.fetch(server.url, file, expected_bytes=None)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
