"""Requests go through the proxy of SPARK_PROXY, to servers of a CA that is named, and no other way.

The names of the servers are known to the proxy alone, so a request that arrives went through it.
"""

from __future__ import annotations

import socket
from io import BytesIO
from pathlib import Path

import pytest

from spark_batch import redact
from spark_batch.client import TaskClient, Timeouts, check_network
from spark_batch.client.network import proxy_of
from spark_batch.client.outcomes import (
    Fetched,
    FetchFailed,
    InProgress,
    Made,
    NotAccepted,
    Quoted,
    StopRun,
    Uncertain,
)
from spark_batch.errors import UsageError
from tests.client.conftest import KEY, PATIENT, QUICK, Connect, Serve
from tests.client.faults import FAULTS, HEAD, WHOLE
from tests.client.proxy import PASSWORD, USER, Authority, authority_in, proxying
from tests.client.server import Behaviour, Line, Server, answering, http, then_close
from tests.makers import MODEL

# For what never comes to an end, with time for a proxy's and a server's threads to begin.
STUCK = Timeouts(connect=1, read=1, create_total=1.5)
BODY = b'{"model": "spark_i2i_3_0"}'
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
IN_PROGRESS = http({"id": "task-1", "status": "in_progress"})


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that has certified the servers of these tests."""
    return authority_in(tmp_path_factory.mktemp("authority"))


def _api(server: Server) -> str:
    return f"https://api.test:{server.port}"


def _through(proxy: Server, authority: Authority, *, user: str = "") -> dict[str, str]:
    return {
        "SPARK_PROXY": f"http://{user}127.0.0.1:{proxy.port}",
        "SSL_CERT_FILE": authority.bundle,
    }


def _any_call(line: Line) -> None:
    """Serve a client's four calls."""
    while (request := line.request()) is not None:
        first = request.split(b" HTTP", 1)[0]
        if first.endswith(b"/precharge"):
            line.send(http({"data": {"cost": "0.03"}}))
        elif first.startswith(b"POST"):
            line.send(WHOLE)
        elif b"/task/" in first:
            line.send(IN_PROGRESS)
        else:
            line.send(http(PNG))


def _check_calls(client: TaskClient, base: str, part: BytesIO) -> None:
    """Each call of a client arrives, and is answered."""
    assert client.submit(BODY, MODEL.name) == Made(task_id="task-1")
    assert isinstance(client.quote(BODY, MODEL.name), Quoted)
    for _ in range(2):
        assert client.poll("task-1", MODEL.name) == InProgress(progress=None)
    assert client.fetch(f"{base}/a.png", part, expected_bytes=None) == Fetched(bytes=len(PNG))


@pytest.mark.parametrize("user", ["", f"user:{PASSWORD}@"])
def test_every_call_goes_through_the_proxy_in_a_tunnel(
    user: str, serve: Serve, connect: Connect, authority: Authority
) -> None:
    """POST, precharge, polls and downloads; the proxy sees neither the key nor the requests."""
    server = serve(_any_call, tls=authority.server)
    proxy = serve(proxying(users=(USER,) if user else ()))
    client = connect(_api(server), environ=_through(proxy, authority, user=user))
    _check_calls(client, _api(server), BytesIO())
    assert len(server.requests) == 5
    assert not any(b"proxy" in request.lower() for request in server.requests)
    first = {request.splitlines()[0].rpartition(b" ")[0] for request in proxy.requests}
    assert first == {f"CONNECT api.test:{server.port}".encode()}
    assert len(proxy.requests) == 3  # one for each POST, and one that is kept
    assert not any(KEY.encode() in request for request in proxy.requests)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_every_call_trusts_the_authority_that_is_named(
    variable: str,
    serve: Serve,
    connect: Connect,
    authority: Authority,
) -> None:
    """Without a proxy, too; and a CA bundle that is named takes the place of the usual one."""
    server = serve(_any_call, tls=authority.server)
    base = f"https://127.0.0.1:{server.port}"
    client = connect(base, environ={variable: authority.bundle})
    _check_calls(client, base, BytesIO())


def test_no_call_trusts_an_authority_that_is_not_named(
    serve: Serve, connect: Connect, authority: Authority
) -> None:
    """Nothing is sent, the run stops, and the message names the variable that helps."""
    server, proxy = serve(_any_call, tls=authority.server), serve(proxying())
    client = connect(_api(server), environ={"SPARK_PROXY": proxy.url})
    stopped = client.submit(BODY, MODEL.name)
    assert isinstance(stopped, StopRun)
    assert "nothing was sent" in stopped.message
    assert "SSL_CERT_FILE" in stopped.message
    fetched = client.fetch(f"{_api(server)}/a.png", BytesIO(), expected_bytes=None)
    others = (client.poll("task-1", MODEL.name), client.quote(BODY, MODEL.name), fetched)
    assert all("certificate is not valid" in repr(outcome) for outcome in others)
    assert server.requests == []


def test_a_plain_url_is_forwarded_byte_for_byte(
    serve: Serve, connect: Connect, authority: Authority
) -> None:
    """A signed URL covers its bytes: they stand in the absolute form as they are."""
    server, proxy = serve(answering(http(PNG))), serve(proxying(users=(USER,)))
    client = connect(
        "https://api.test", environ=_through(proxy, authority, user=f"user:{PASSWORD}@")
    )
    url = f"http://pictures.test:{server.port}/a%7Eb%2fc.png?sig=q%2Bw%2fz"
    outcome = client.fetch(url + "#part", BytesIO(), expected_bytes=None)
    assert outcome == Fetched(bytes=len(PNG))
    assert proxy.requests[0].startswith(f"GET {url} HTTP/1.1\r\n".encode())
    assert server.requests[0].startswith(b"GET /a%7Eb%2fc.png?sig=q%2Bw%2fz HTTP/1.1\r\n")


def test_this_machine_is_reached_without_the_proxy(
    serve: Serve, connect: Connect, authority: Authority
) -> None:
    """The sandbox, for example: at the proxy, 127.0.0.1 is the proxy's machine."""
    server, proxy = serve(_any_call), serve(proxying())
    for host in ("127.0.0.1", "localhost"):
        base = f"http://{host}:{server.port}"
        _check_calls(connect(base, environ=_through(proxy, authority)), base, BytesIO())
    assert proxy.connections == 0


def test_no_other_variable_names_a_proxy(
    serve: Serve,
    connect: Connect,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor is `.netrc` read, of no host: not with a proxy, and not without."""
    server, proxy, accident = (
        serve(_any_call, tls=authority.server),
        serve(proxying()),
        serve(proxying()),
    )
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    others = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
    environ = {**dict.fromkeys(others, accident.url), "SSL_CERT_FILE": authority.bundle}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    direct = f"https://127.0.0.1:{server.port}"
    _check_calls(connect(direct, environ=environ), direct, BytesIO())
    environ["SPARK_PROXY"] = proxy.url
    _check_calls(connect(_api(server), environ=environ), _api(server), BytesIO())
    assert accident.connections == 0
    keyed = [request for request in server.requests if b"a.png" not in request]
    assert all(f"Authorization: Bearer {KEY}".encode() in request for request in keyed)
    assert not any(b"Basic" in request for request in (*server.requests, *proxy.requests))


def _refusing(status: int) -> Behaviour:
    return answering(http(b"<html>\x1b[31m no", status=status))


def _silent(line: Line) -> None:
    line.request()
    line.server.wait(3)


def _reset(line: Line) -> None:
    line.request()
    line.reset()


def _dripping(line: Line) -> None:
    line.request()
    line.drip(b"HTTP/1.1 200 OK\r\n" + b"X-A: a\r\n" * 200)


def _no_tls(line: Line) -> None:
    line.request()
    line.send(b"HTTP/1.1 200 OK\r\n\r\n")
    line.sock.recv(65536)  # else what follows is read with the proxy's answer
    line.send(b"this is no TLS " * 20)
    line.request()  # until the client closes: to close before would be a reset


def _tunnel_to_nowhere(line: Line) -> None:
    line.request()
    line.send(b"HTTP/1.1 200 OK\r\n\r\n")
    line.server.wait(3)


# What a proxy may do before a tunnel to the server stands, and a word of what is said of it.
REFUSALS: dict[str, tuple[Behaviour, str]] = {
    "403": (_refusing(403), "HTTP 403: it does not allow this host"),
    "407": (_refusing(407), "HTTP 407: it requires a valid user and password"),
    "429": (_refusing(429), "HTTP 429"),
    "500": (_refusing(500), "HTTP 500"),
    "502": (_refusing(502), "HTTP 502: it could not reach the server"),
    "503": (_refusing(503), "HTTP 503"),
    "504": (_refusing(504), "HTTP 504"),
    "201": (_refusing(201), "HTTP 201"),
    "302": (_refusing(302), "HTTP 302"),
    "status is no number": (then_close(b"HTTP/1.1 abc OK\r\n\r\n"), "not readable HTTP"),
    "no HTTP": (then_close(b"220 mail.example ESMTP\r\n"), "not readable HTTP"),
    "long line": (then_close(b"HTTP/1.1 200 " + b"a" * 100_000), "not readable HTTP"),
    "long header": (then_close(HEAD + b"X-A: " + b"a" * 100_000), "not readable HTTP"),
    "closed": (then_close(b""), "closed without an answer"),
    "closed at once": (lambda line: None, ""),
    "reset": (_reset, "the connection was cut"),
    "silent": (_silent, ""),
    "dripping": (_dripping, "not done within"),
    "no TLS": (_no_tls, "TLS failed"),
    "closed after the tunnel": (then_close(b"HTTP/1.1 200 OK\r\n\r\n"), ""),
    "silent after the tunnel": (_tunnel_to_nowhere, ""),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_proxy_that_does_not_let_a_request_through_leaves_nothing_uncertain(
    name: str, serve: Serve, connect: Connect, authority: Authority
) -> None:
    """What went to the proxy is not the request: the same attempt is sent again later."""
    behave, words = REFUSALS[name]
    proxy = serve(behave)
    timeouts = STUCK if name.startswith(("silent", "dripping")) else PATIENT
    environ = _through(proxy, authority, user=f"user:{PASSWORD}@")
    client = connect("https://api.test", timeouts=timeouts, environ=environ)
    outcome = client.submit(BODY, MODEL.name)
    assert isinstance(outcome, NotAccepted), outcome
    assert not outcome.rate_limited
    assert words in outcome.reason
    tunnelled = "tunnel" in name or name in ("no TLS", "dripping")
    assert tunnelled or "no connection through the proxy in SPARK_PROXY" in outcome.reason
    assert outcome.reason.isprintable()
    for secret in (KEY, PASSWORD, USER.split()[1]):
        assert secret not in repr(outcome)
    assert proxy.connections == 1
    assert not any(KEY.encode() in request for request in proxy.requests)


def test_a_proxy_that_is_not_there_leaves_nothing_uncertain(
    connect: Connect, authority: Authority
) -> None:
    """Its name may be unknown, or its port closed."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for host in (f"127.0.0.1:{port}", "nowhere.invalid:3128"):
        environ = {"SPARK_PROXY": f"http://{host}", "SSL_CERT_FILE": authority.bundle}
        outcome = connect("https://api.test", environ=environ).submit(BODY, MODEL.name)
        assert isinstance(outcome, NotAccepted)
        assert "the proxy in SPARK_PROXY" in outcome.reason


@pytest.mark.usefixtures("without_collections")
@pytest.mark.parametrize("name", [name for name in FAULTS if name != "never reading"])
def test_wire_faults_through_a_tunnel(
    name: str, serve: Serve, connect: Connect, authority: Authority
) -> None:
    """Each fault of the wire has the outcome that it has without a proxy, after one POST."""
    fault = FAULTS[name]
    server, proxy = serve(fault.behave, tls=authority.server), serve(proxying())
    timeouts = STUCK if fault.timeouts is QUICK else PATIENT
    client = connect(_api(server), timeouts=timeouts, environ=_through(proxy, authority))
    outcome = client.submit(BODY, MODEL.name)
    assert isinstance(outcome, fault.outcome), outcome
    assert server.connections == proxy.connections == 1
    assert len(server.requests) <= 1


def _cutting_after(count: int) -> Behaviour:
    """Relay until the server has had so many bytes behind the handshake, then cut both ways."""

    def tunnel(line: Line, onward: socket.socket) -> None:
        relaying = True
        sent = 0
        line.sock.settimeout(0.02)
        onward.settimeout(0.02)
        while relaying:
            for source, sink in ((line.sock, onward), (onward, line.sock)):
                try:
                    data = source.recv(65536)
                except TimeoutError:
                    continue
                sink.sendall(data)
                # A TLS record of application data: type 23. In TLS 1.3 also the client's Finished.
                sent += source is line.sock and data.count(b"\x17\x03\x03") > 0
                relaying = bool(data) and sent < count

    return proxying(tunnel=tunnel)


def test_a_proxy_that_cuts_a_request_leaves_it_uncertain(
    serve: Serve, connect: Connect, authority: Authority
) -> None:
    """Once the tunnel stands and the request is under way, the server may have it."""
    server = serve(_silent, tls=authority.server)
    proxy = serve(_cutting_after(2))
    outcome = connect(_api(server), environ=_through(proxy, authority)).submit(BODY, MODEL.name)
    assert isinstance(outcome, Uncertain), outcome


@pytest.mark.parametrize(
    "host",
    ["10.0.0.7", "192.168.1.1", "[::1]:1", "[fd00::1]", "2130706433", "0x7f.1", "127.1",
     "169.254.169.254", "intranet", "printer.local", "vault.internal", "a.localhost", "10.0.0.7.",
     "router.home.arpa"],
)  # fmt: skip
def test_the_proxy_is_not_asked_for_a_picture_at_a_private_address(
    host: str, serve: Serve, connect: Connect, authority: Authority
) -> None:
    """An answer must not choose what a proxy inside a company reads."""
    proxy = serve(proxying())
    client = connect("https://api.test", environ=_through(proxy, authority))
    outcome = client.fetch(f"http://{host}/a.png", BytesIO(), expected_bytes=None)
    assert isinstance(outcome, FetchFailed)
    assert proxy.connections == 0


@pytest.mark.parametrize(
    "value",
    [
        "proxy.example",
        "proxy.example:3128",
        "socks5://proxy.example:1080",
        "https://proxy.example:3129",
        "http://",
        "http://:3128",
        "http://proxy.example:0",
        "http://proxy.example:99999",
        "http://proxy.example:port",
        "http://proxy.example:3128/path",
        "http://proxy.example:3128?a=b",
        "http://proxy.example:3128#a",
        "http://proxy example:3128",
        "http://[::1:3128",
        "http://user:hunter2-and-more@",
        "socks5://user:hunter2-and-more@proxy.example:1080",
        "http://user:hunter2-and-more@proxy.example:99999",
        "http://pr\u00f6xy.example:3128",
        "http://proxy.example\\@elsewhere:3128",
    ],
)
def test_what_is_no_proxy_is_an_error_that_names_the_variable(value: str) -> None:
    """Nothing of the value is shown, since it may hold a password."""
    for check in (check_network, proxy_of):
        with pytest.raises(UsageError) as caught:
            check({"SPARK_PROXY": value})
        assert "SPARK_PROXY" in str(caught.value)
        assert "http://USER:PASSWORD@HOST:PORT" in str(caught.value)
        assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("value", [None, "", "  "])
def test_an_empty_proxy_is_none(value: str | None) -> None:
    """As CI sets a variable that it does not have."""
    assert proxy_of({} if value is None else {"SPARK_PROXY": value}) is None


def test_a_proxys_address_without_its_password() -> None:
    """A port is 80 where none is named; escapes in the password are undone."""
    proxy = proxy_of({"SPARK_PROXY": "http://user:hunter2%2Dand-more@Proxy.example/"})
    assert proxy is not None
    assert proxy.url == "http://proxy.example:80"
    assert proxy.headers == {"Proxy-Authorization": USER}
    for text in (repr(proxy), redact.key_free(f"hunter2%2Dand-more {PASSWORD} {USER}")):
        assert PASSWORD not in text
        assert USER.split()[1] not in text


def test_a_slow_proxy_has_the_time_to_connect(
    serve: Serve, connect: Connect, authority: Authority
) -> None:
    """The tunnel is waited for as a connection is, however long a request may take."""
    server = serve(_any_call, tls=authority.server)
    hasty = Timeouts(connect=0.3, read=5, create_total=5)

    def never(line: Line) -> None:
        line.request()
        line.server.wait(3)

    client = connect(_api(server), timeouts=hasty, environ=_through(serve(never), authority))
    assert isinstance(client.submit(BODY, MODEL.name), NotAccepted)
    client = connect(_api(server), timeouts=hasty, environ=_through(serve(proxying()), authority))
    assert isinstance(client.submit(BODY, MODEL.name), Made)
