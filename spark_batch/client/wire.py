"""HTTP exchanges as plain values: request, response, and fault.

The only module that handles the exceptions of requests and urllib3; none of them leaves it.
"""

from __future__ import annotations

import http.client
import os
import re
import socket
import ssl
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from urllib.parse import urlsplit

import requests
import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ReadTimeoutError

from spark_batch.client.address import is_this_machine, stated_address
from spark_batch.client.network import PROXY_VARIABLE, Proxy
from spark_batch.client.transport import KeptConnections, OnceAdapter, Reach, Trace, current
from spark_batch.client.watchdog import Watchdog

CHUNK = 256 * 1024  # bytes; downloads are cheapest in these (measured)

_CONNECTIONS = 64  # kept open for polls and downloads, by host
_COMPRESSIONS = ("gzip", "x-gzip", "deflate")
_COMPRESSED = (b"\x1f\x8b", b"\x78")  # how gzip and zlib begin
_NOT_PUBLIC = "the address is not a public one"
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{1,3})\b")  # http.client, `_tunnel`
_PROXY_ADVICE: Mapping[int, str] = {
    403: "it does not allow this host",
    407: f"it requires a valid user and password: check {PROXY_VARIABLE}",
    502: "it could not reach the server",
    503: "it could not reach the server",
    504: "it could not reach the server in time",
}
# X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, _SELF_SIGNED_CERT_IN_CHAIN and
# _UNABLE_TO_GET_ISSUER_CERT_LOCALLY: the errors behind a proxy that decrypts the traffic.
_UNKNOWN_ISSUER = (18, 19, 20)
_EMPTY = (requests.ConnectionError, requests.Timeout)  # OSErrors that only wrap the cause
_BROKEN = (requests.RequestException, HTTPError, http.client.HTTPException, OSError, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request; `total` is its time limit in seconds, with the reading of the answer.

    If it is part of a longer operation, `whole` is that operation's limit, for messages. `once`
    gives it a connection of its own; `admit` returns whether an IP address is allowed. `as_it_is`
    sends the path and the query byte for byte; they must be printable ASCII.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    total: float
    whole: float | None = None
    body: bytes | None = None
    once: bool = False
    admit: Callable[[str], bool] | None = None
    as_it_is: bool = False


class Fault(Exception):
    """A failed exchange, with how much of the request was sent; `reason` is safe to display."""

    def __init__(self, reason: str, *, reach: Reach, certificate: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.reach = reach
        self.certificate = certificate


@dataclass(frozen=True, slots=True)
class Incoming:
    """An answer whose body has yet to be read; `headers` ignores the case of names."""

    status: int
    headers: Mapping[str, str]
    raw: urllib3.HTTPResponse
    trace: Trace

    def chunks(self) -> Iterator[bytes]:
        """The body, decompressed, in pieces of at most `CHUNK` bytes; raises Fault."""
        try:
            yield from _inflated(
                self.raw.stream(CHUNK, decode_content=False),
                self.headers.get("Content-Encoding", ""),
            )
        except (*_BROKEN, zlib.error) as error:
            raise _fault(error, self.trace) from None
        if self.trace.overdue:
            raise _overdue(self.trace)

    def read(self, cap: int) -> tuple[bytes, str | None]:
        """The body, and why it is not whole: it broke off, or is longer than `cap` bytes.

        The part before a cut is kept, since it may have the id of a task that is billed.
        """
        self.raw.enforce_content_length = False
        body = bytearray()
        try:
            for chunk in self.chunks():
                body += chunk
                if len(body) > cap:
                    return b"", f"the answer is longer than {cap} bytes"
        except Fault as fault:
            return bytes(body), fault.reason
        return bytes(body), "the answer was cut" if self.raw.length_remaining else None


def is_coded(encoding: str) -> bool:
    """Whether a `Content-Encoding` names a compression that `chunks` undoes.

    Object stores return what was stated when a file was uploaded: `utf-8`, `none`, `binary` and
    `aws-chunked` were seen, and mean nothing for the bytes.
    """
    return any(part.strip().lower() in _COMPRESSIONS for part in encoding.split(","))


def _inflated(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """`chunks` decompressed piece by piece, so that a small answer cannot fill the memory.

    We do not ask for compression; a gateway may compress nevertheless, and a store may state a
    compression for a file that is not compressed.
    """
    first = next(chunks, b"")
    if not (is_coded(encoding) and first.startswith(_COMPRESSED)):
        yield from chain((first,) if first else (), chunks)
        return
    machine = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # 32: gzip or zlib, by the header
    for chunk in chain((first,), chunks):
        piece = machine.decompress(chunk, CHUNK)
        while piece:
            yield piece
            piece = machine.decompress(machine.unconsumed_tail, CHUNK)
    if not machine.eof:
        raise zlib.error("incomplete")


class Wire:
    """The connections to the API and to the hosts of results; safe to share between threads."""

    def __init__(
        self, *, context: ssl.SSLContext, connect: float, read: float, proxy: Proxy | None = None
    ) -> None:
        self._connect = connect
        self._read = read
        self._proxy = proxy
        self._once = OnceAdapter(context=context, proxy=proxy)
        self._kept = KeptConnections(context=context, connections=_CONNECTIONS, proxy=proxy)
        self._watchdog = Watchdog()

    @contextmanager
    def open(self, request: Request) -> Iterator[Incoming]:
        """Send `request` exactly once and yield its answer; raises Fault without one.

        Uses the proxy, except for this machine, which a proxy elsewhere cannot reach.
        """
        parts = urlsplit(request.url)
        proxied = self._proxy is not None and not is_this_machine(parts.hostname or "")
        whole_url = proxied and parts.scheme == "http"  # a proxy needs the host to forward it
        trace = Trace(
            total=request.total,
            whole=request.whole,
            admit=request.admit,
            target=_target(request.url, whole=whole_url) if request.as_it_is else None,
        )
        if proxied:
            _check_stated(parts.hostname or "", trace, request.admit)
        token = current.set(trace)
        try:
            with self._watchdog.limit(request.total, trace.expire):
                incoming = self._send(request, trace, self._proxy if proxied else None)
                try:
                    yield incoming
                finally:
                    incoming.raw.close()
        finally:
            trace.release()
            current.reset(token)

    def _send(self, request: Request, trace: Trace, proxy: Proxy | None) -> Incoming:
        connect, read = min(self._connect, request.total), min(self._read, request.total)
        try:
            if request.once:
                return self._send_once(request, trace, proxy, (connect, read))
            raw = self._kept.urlopen(
                request.method,
                request.url,
                headers=request.headers,
                timeout=urllib3.Timeout(connect=connect, read=read),
                proxied=proxy is not None,
            )
        except _BROKEN as error:
            raise _fault(error, trace) from None
        assert isinstance(raw, urllib3.HTTPResponse)  # urllib3 has another kind only for HTTP/2
        return Incoming(raw.status, raw.headers, raw, trace)

    def _send_once(
        self, request: Request, trace: Trace, proxy: Proxy | None, timeout: tuple[float, float]
    ) -> Incoming:
        prepared = requests.Request(
            request.method, request.url, headers=dict(request.headers), data=request.body
        ).prepare()
        proxies = {} if proxy is None else {"http": proxy.url, "https": proxy.url}
        response = self._once.send(prepared, stream=True, timeout=timeout, proxies=proxies)
        return Incoming(response.status_code, response.headers, response.raw, trace)

    def close(self) -> None:
        """Close all connections."""
        self._once.close()
        self._kept.close()
        self._watchdog.close()


def _check_stated(host: str, trace: Trace, admit: Callable[[str], bool] | None) -> None:
    """Raise Fault if `host` is an IP address that is not admitted, or a name of a local host.

    The proxy resolves all other names, and its owner decides what it connects to.
    """
    stated = stated_address(host)
    if admit is not None and stated is not None and not admit(stated):
        raise Fault(_NOT_PUBLIC, reach=trace.reach)


def _target(url: str, *, whole: bool) -> str:
    """The path and the query of an absolute URL; with `whole`, all of it but the fragment."""
    url = url.partition("#")[0]
    rest = url.partition("://")[2]
    if whole:
        return url
    start = min((rest.find(mark) for mark in "/?" if mark in rest), default=len(rest))
    return rest[start:] if rest[start : start + 1] == "/" else f"/{rest[start:]}"


def _overdue(trace: Trace) -> Fault:
    return _located(f"not done within {trace.whole:.3g} s", trace)


def _located(reason: str, trace: Trace, *, certificate: bool = False) -> Fault:
    """A fault for `reason`, which names the proxy if that did not let the request through."""
    if trace.at_proxy:
        reason = f"no connection through the proxy in {PROXY_VARIABLE}: {reason}"
    return Fault(reason, reach=trace.reach, certificate=certificate)


def _fault(error: BaseException, trace: Trace) -> Fault:
    """`error` as a fault, without its text, which may contain a signed URL."""
    if trace.overdue:
        return _overdue(trace)
    if trace.forbidden:
        return Fault(_NOT_PUBLIC, reach=trace.reach)
    causes = tuple(cause for cause in _causes(error) if not isinstance(cause, _EMPTY))
    if trace.at_proxy and (refusal := _refusal(causes)):
        return _located(refusal, trace)
    for kind, describe in _REASONS:
        found = next((cause for cause in causes if isinstance(cause, kind)), None)
        if found is not None:
            certificate = kind is ssl.SSLCertVerificationError and trace.reach is Reach.NOTHING
            return _located(describe(found), trace, certificate=certificate)
    return _located("the connection broke, or the server does not speak HTTP", trace)


def _refusal(causes: tuple[BaseException, ...]) -> str | None:
    """Why a proxy opened no tunnel, by its HTTP status; its own text is not shown."""
    for cause in causes:
        if type(cause) is OSError and (found := _TUNNEL.match(str(cause))):
            status = int(found[1])
            advice = _PROXY_ADVICE.get(status, "it did not let the request through")
            return f"HTTP {status}: {advice}"
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and every exception inside it, wherever the libraries keep them."""
    waiting: list[BaseException] = [error]
    seen: set[int] = set()
    while waiting:
        cause = waiting.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        further = (*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__)
        waiting += [inner for inner in further if isinstance(inner, BaseException)]


def _fixed(words: str) -> Callable[[BaseException], str]:
    return lambda _: words


def _certificate(error: BaseException) -> str:
    message = getattr(error, "verify_message", "") or "verification failed"
    advice = ""
    if getattr(error, "verify_code", None) in _UNKNOWN_ISSUER:
        advice = (
            "; REQUESTS_CA_BUNDLE, or else SSL_CERT_FILE, names a file of the CAs to trust, such as"
            " your company's"
        )
    return f"the server's certificate is not valid: {message}{advice}"


def _system(error: BaseException) -> str:
    number = getattr(error.__cause__ or error, "errno", None)
    return f"the connection failed: {os.strerror(number) if number else 'no reason given'}"


# The first kind that is among the causes is the most specific one.
_REASONS: tuple[tuple[type[BaseException], Callable[[BaseException], str]], ...] = (
    (ssl.SSLCertVerificationError, _certificate),
    (socket.gaierror, _fixed("the host name was not resolved")),
    (ConnectionRefusedError, _fixed("the connection was refused")),
    (http.client.RemoteDisconnected, _fixed("the connection was closed without an answer")),
    (ConnectionResetError, _fixed("the connection was cut")),
    (NewConnectionError, _system),  # before the next one, of which it is a kind
    (ConnectTimeoutError, _fixed("no connection within the time allowed")),
    (ReadTimeoutError, _fixed("the server fell silent")),
    (TimeoutError, _fixed("the server fell silent")),
    (ConnectionError, _fixed("the connection was cut")),
    (http.client.IncompleteRead, _fixed("the answer was cut")),
    (zlib.error, _fixed("the compressed answer is damaged")),
    (http.client.HTTPException, _fixed("the answer is not readable HTTP")),
    (ValueError, _fixed("the URL or the answer is not readable")),
    (ssl.SSLError, _fixed("TLS failed")),
    (OSError, _system),
)
