"""A server on bare sockets: every byte and every cut of an answer is written by the test."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

CERTIFICATES = Path(__file__).parent / "certificates"
CERTIFICATE = CERTIFICATES / "certificate.pem"
BOUND = 5.0  # seconds after which a stuck connection of the server gives up


def tls_context() -> ssl.SSLContext:
    """The server's side of TLS, with the self-signed certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, CERTIFICATES / "key.pem")
    return context


class Server:
    """Serves each connection with `behave(line)` in a thread of its own, on a free port."""

    def __init__(
        self, behave: Callable[[Line], None], *, tls: bool | ssl.SSLContext = False
    ) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._behave = behave
        self._tls = tls_context() if tls is True else tls or None
        self._closing = threading.Event()
        self._lines: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(BOUND * 10)
        self.port = self._listener.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            handle = sock.dup()
            self._lines.append(handle)
            thread = threading.Thread(target=self._serve, args=(sock, handle), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, handle: socket.socket) -> None:
        sock.settimeout(BOUND)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            self._behave(Line(sock, handle, self))
        except OSError:
            pass
        finally:
            handle.close()
            sock.close()

    def wait(self, seconds: float) -> None:
        """Do nothing for so long, or until the test is over."""
        self._closing.wait(seconds)

    def close(self) -> None:
        """End every thread and connection."""
        self._closing.set()
        for line in [self._listener, *self._lines]:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()
        for thread in [self._accepting, *self._threads]:
            thread.join(BOUND)
            assert not thread.is_alive()


class Line:
    """One connection, as the script of a test sees it."""

    def __init__(self, sock: socket.socket, handle: socket.socket, server: Server) -> None:
        self.sock = sock
        self._handle = handle
        self.server = server

    def request(self) -> bytes | None:
        """The next whole request, noted in the server's list; None at the end."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.sock.recv(65536)
            if not piece:
                return None
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = 0
        for row in head.split(b"\r\n"):
            if row.lower().startswith(b"content-length:"):
                length = int(row.partition(b":")[2])
        while len(body) < length:
            piece = self.sock.recv(65536)
            if not piece:
                return None
            body += piece
        self.server.requests.append(head + b"\r\n\r\n" + body)
        return head + b"\r\n\r\n" + body

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.sock.sendall(data)

    def drip(self, data: bytes, *, every: float = 0.05) -> None:
        """Send byte after byte, slowly."""
        for each in data:
            self.sock.sendall(bytes([each]))
            self.server.wait(every)

    def reset(self) -> None:
        """Cut the connection with a reset, whatever stands in it."""
        self.bare().close()

    def bare(self) -> socket.socket:
        """The connection without its TLS; closing it resets it."""
        self._handle.close()
        plain = socket.socket(fileno=self.sock.detach())
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return plain


Behaviour = Callable[[Line], None]


def http(
    body: bytes | dict[str, object] | list[object] | str | None = b"",
    *,
    status: int = 200,
    headers: tuple[str, ...] = (),
) -> bytes:
    """The bytes of a whole answer; anything but bytes is written as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    rows = (f"HTTP/1.1 {status} Said", f"Content-Length: {len(data)}", *headers)
    return "\r\n".join(rows).encode() + b"\r\n\r\n" + data


def answering(*answers: bytes) -> Behaviour:
    """Answer one request after the other; the last answer serves all that follow."""

    def behave(line: Line) -> None:
        turn = 0
        while line.request() is not None:
            line.send(answers[min(turn, len(answers) - 1)])
            turn += 1

    return behave


def then_close(answer: bytes) -> Behaviour:
    """Take the request, send these bytes, close."""

    def behave(line: Line) -> None:
        line.request()
        line.send(answer)

    return behave


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Whether `condition` comes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return condition()
