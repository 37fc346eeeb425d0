"""An HTTP proxy on 127.0.0.1 that resolves names of its own, and an authority for their servers."""

from __future__ import annotations

import base64
import selectors
import socket
import ssl
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import trustme

from tests.client.server import BOUND, Behaviour, Line, http

PASSWORD = "hunter2-and-more"
USER = f"Basic {base64.b64encode(f'user:{PASSWORD}'.encode()).decode()}"
HOSTS = ("api.test", "pictures.test")  # names that no resolver but the proxy's knows

Tunnelled = Callable[[Line, socket.socket], None]


@dataclass(frozen=True)
class Authority:
    """A certificate authority that nobody knows: the server's side of TLS, and its own file."""

    server: ssl.SSLContext
    bundle: str


def authority_in(folder: Path) -> Authority:
    """An authority that has certified `HOSTS` and 127.0.0.1; its file stands in `folder`."""
    made = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.issue_cert(*HOSTS, "127.0.0.1").configure_cert(context)
    path = folder / "company.pem"
    made.cert_pem.write_to_path(str(path))
    return Authority(context, str(path))


def proxying(*, users: tuple[str, ...] = (), tunnel: Tunnelled | None = None) -> Behaviour:
    """Forward to 127.0.0.1 for `HOSTS`; with `users` only with one of these authorizations.

    `tunnel` serves what comes after CONNECT instead of the plain relay.
    """

    def behave(line: Line) -> None:
        request = line.request()
        if request is None:
            return
        head = request.partition(b"\r\n\r\n")[0].decode()
        method, target, _ = head.splitlines()[0].split(" ", 2)
        headers = dict(row.split(": ", 1) for row in head.splitlines()[1:])
        if users and headers.get("Proxy-Authorization") not in users:
            line.send(http(b"who are you? " * 9, status=407))
            return
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        if parts.hostname not in HOSTS:
            line.send(http(b"no such host", status=502))
            return
        with socket.create_connection(("127.0.0.1", parts.port), timeout=BOUND) as onward:
            if method == "CONNECT":
                line.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = target.split(parts.netloc, 1)[1].encode()
                onward.sendall(request.replace(target.encode(), path, 1))
            (tunnel or relay)(line, onward)

    return behave


def relay(line: Line, onward: socket.socket) -> None:
    """Pass bytes both ways until one side ends."""
    ends = {line.sock: onward, onward: line.sock}
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for sock in ends:
            selector.register(sock, selectors.EVENT_READ)
        while ready := selector.select(BOUND):
            for key, _ in ready:
                assert isinstance(key.fileobj, socket.socket)
                data = key.fileobj.recv(65536)
                if not data:
                    return
                ends[key.fileobj].sendall(data)
