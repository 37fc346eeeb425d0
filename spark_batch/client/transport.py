"""Connections that record how much of a request was sent.

The exceptions of requests and urllib3 do not say whether the server received the request. A
`ConnectionError` covers "refused" as well as "it took everything, then hung up", and an SSL error
may come before the first byte or after the answer was due (measured: spark_batch/README.md). So a
connection records its progress in the `Trace` of the exchange that it serves, and only that
decides.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3 import (
    BaseHTTPResponse,
    HTTPConnectionPool,
    HTTPSConnectionPool,
    PoolManager,
    ProxyManager,
    Timeout,
)
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.retry import Retry

from spark_batch.client.network import Proxy

_NO_RETRIES = Retry(0, read=False)
_SLICE = 64 * 1024  # bytes handed to the kernel at once


class Reach(IntEnum):
    """How far a request got: not one byte, some, or all of it handed to the kernel."""

    NOTHING = 0
    PARTLY = 1
    FULLY = 2


class Overdue(OSError):
    """The operation's deadline passed before anything was sent."""


class Forbidden(OSError):
    """The connection leads to an address that is not allowed for this exchange."""


class Trace:
    """The progress of one exchange; shared by its thread and the watchdog.

    `total` is the exchange's time limit in seconds, `whole` that of the operation that it is part
    of. `admit` is called with the peer's address before anything is sent. `target` is what the
    request line says, since requests and urllib3 rewrite escapes, and a URL's signature covers its
    bytes. `at_proxy` is true until a connection to a proxy has become one to the server; nothing
    of the request is sent before that.
    """

    def __init__(
        self,
        *,
        total: float,
        whole: float | None = None,
        admit: Callable[[str], bool] | None = None,
        target: str | None = None,
    ) -> None:
        self.target = target
        self.total = total
        self.whole = total if whole is None else whole
        self.reach = Reach.NOTHING
        self.overdue = False
        self.forbidden = False
        self.at_proxy = False
        self._admit = admit
        self._lock = threading.Lock()
        self._line: socket.socket | None = None
        self._adopted = False

    def attach(self, line: socket.socket) -> None:
        """Let the watchdog end the exchange by shutting `line` down. Raises Overdue when late."""
        with self._lock:
            self._line = line
            late = self.overdue
        if late:
            raise Overdue

    def adopt(self, line: socket.socket) -> bool:
        """Take `line` over from a connection that is being closed, if it is this exchange's.

        http.client closes a connection that is not kept as soon as it has the headers, while the
        body is still to come; the watchdog must be able to cut that, too.
        """
        with self._lock:
            if line is not self._line:
                # Another connection was closed, for example by the garbage collector. The one that
                # this exchange has taken over is not affected.
                return False
            self._adopted = True
            return True

    def release(self) -> None:
        """Detach from the connection, which was returned to its pool or is closed."""
        with self._lock:
            line, self._line = self._line, None
            if line is not None and self._adopted:
                line.close()

    def check_peer(self, sock: socket.socket) -> None:
        """Raise Forbidden if `sock` is connected to an address that is not admitted."""
        if self._admit is not None and not self._admit(str(sock.getpeername()[0])):
            self.forbidden = True
            raise Forbidden

    def expire(self) -> None:
        """End the exchange by shutting down its connection."""
        with self._lock:
            self.overdue = True
            if self._line is not None:
                _shut_down(self._line)


def _shut_down(line: socket.socket) -> None:
    try:
        line.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it is down already


# The exchange of the current thread: only the thread that waits for a connection uses it.
current: ContextVar[Trace] = ContextVar("current")


class _Quiet(logging.Filter):
    """Suppresses urllib3's log of our exchanges, which contains signed URLs and answers."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether `record` is not about one of our exchanges."""
        return current.get(None) is None


for _name in ("urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry"):
    logging.getLogger(_name).addFilter(_Quiet())


if TYPE_CHECKING:
    _Base = HTTPConnection
    _PoolBase = HTTPConnectionPool
else:
    _Base = _PoolBase = object


class _Traced(_Base):
    """What HTTP and HTTPS connections add to those of urllib3."""

    # A second handle on the connection: TLS detaches the socket while it wraps it, and only this
    # handle can be shut down from another thread at any moment.
    _line: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        try:
            self._line = sock.dup()
            trace = current.get()
            trace.attach(self._line)
            if self.proxy is None:  # else the peer is the proxy, and `wire` has checked the host
                trace.check_peer(sock)
        except BaseException:
            sock.close()
            self._drop_line()
            raise
        return sock

    def connect(self) -> None:
        """Connect to the server, through the proxy if there is one."""
        trace = current.get()
        trace.at_proxy = self.proxy is not None
        super().connect()
        trace.at_proxy = False

    def _tunnel(self) -> None:
        """Have the proxy open a tunnel (CONNECT), through which TLS then reaches the server."""
        super()._tunnel()
        current.get().at_proxy = False

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send a request, and note in the trace when all of it is handed to the kernel."""
        trace = current.get()
        if self._line is not None:
            trace.attach(self._line)
        super().request(*args, **kwargs)
        trace.reach = Reach.FULLY

    def putrequest(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        """Begin a request, with the target that the exchange asks for."""
        super().putrequest(method, current.get().target or url, *args, **kwargs)

    def send(self, data: Any) -> None:
        """Send bytes of a request, in slices."""
        trace = current.get()
        if trace.at_proxy:  # CONNECT, not part of the request; under the connect timeout
            super().send(data)
            return
        if self.sock is None:
            self.connect()
        # urllib3 leaves the connect timeout on the socket, which is too short for a body of some
        # megabytes on a slow line; the operation's deadline still applies.
        self.sock.settimeout(trace.total)
        view = memoryview(data)
        for start in range(0, len(view), _SLICE):
            if trace.overdue:
                raise Overdue
            trace.reach = max(trace.reach, Reach.PARTLY)
            super().send(view[start : start + _SLICE])

    def close(self) -> None:
        """Close the connection."""
        try:
            super().close()
        finally:
            self._drop_line()

    def _drop_line(self) -> None:
        line, self._line = self._line, None
        trace = current.get(None)
        if line is not None and not (trace is not None and trace.adopt(line)):
            line.close()


class _HTTP(_Traced, HTTPConnection):
    pass


class _HTTPS(_Traced, HTTPSConnection):
    pass


class _Keeping(_PoolBase):
    """A pool that keeps connections, and detaches a returned one from its exchange."""

    def _put_conn(self, conn: Any) -> None:
        if (trace := current.get(None)) is not None:
            trace.release()
        super()._put_conn(conn)


class _Closing(_PoolBase):
    """A pool that closes connections instead of keeping them.

    If a server closes a kept-alive connection as the next POST arrives, the POST fails although
    the server received all of it (spark_batch/README.md). So a POST has its own connection.
    """

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.close()


class _KeptHTTP(_Keeping, HTTPConnectionPool):
    ConnectionCls = _HTTP


class _KeptHTTPS(_Keeping, HTTPSConnectionPool):
    ConnectionCls = _HTTPS


class _OnceHTTP(_Closing, HTTPConnectionPool):
    ConnectionCls = _HTTP


class _OnceHTTPS(_Closing, HTTPSConnectionPool):
    ConnectionCls = _HTTPS


_ONCE: dict[str, type[HTTPConnectionPool]] = {"http": _OnceHTTP, "https": _OnceHTTPS}
_KEPT: dict[str, type[HTTPConnectionPool]] = {"http": _KeptHTTP, "https": _KeptHTTPS}


def _manager(
    pools: dict[str, type[HTTPConnectionPool]],
    *,
    context: ssl.SSLContext,
    connections: int,
    proxy: Proxy | None = None,
) -> PoolManager:
    """A manager of traced connections by host; all share one TLS context."""
    if proxy is None:
        manager = PoolManager(maxsize=connections, ssl_context=context)
    else:
        manager = ProxyManager(
            proxy.url, proxy_headers=proxy.headers, maxsize=connections, ssl_context=context
        )
    manager.pool_classes_by_scheme = pools
    return manager


class OnceAdapter(HTTPAdapter):
    """Sends prepared requests exactly once, over connections of their own.

    Follows no redirect, repeats nothing, and ignores the environment's proxies and `.netrc`: those
    belong to `requests.Session`, which is not used. A request is sent through `proxy` if it is
    sent with `proxies`.
    """

    def __init__(self, *, context: ssl.SSLContext, proxy: Proxy | None = None) -> None:
        self._context = context
        self._proxy = proxy
        super().__init__(pool_maxsize=1, max_retries=_NO_RETRIES)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of traced connections."""
        self.poolmanager = _manager(_ONCE, context=self._context, connections=1)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> PoolManager:
        """The pools of traced connections through the proxy."""
        if proxy not in self.proxy_manager:
            self.proxy_manager[proxy] = _manager(
                _ONCE, context=self._context, connections=1, proxy=self._proxy
            )
        manager: PoolManager = self.proxy_manager[proxy]
        return manager

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Nothing to set: the shared TLS context verifies."""


class KeptConnections:
    """Sends requests that may be repeated, over kept connections by host.

    Uses urllib3 directly, since requests needs twice the processor time. Like `OnceAdapter`, it
    follows no redirect, repeats nothing, and ignores the environment.
    """

    def __init__(
        self, *, context: ssl.SSLContext, connections: int, proxy: Proxy | None = None
    ) -> None:
        self._direct = _manager(_KEPT, context=context, connections=connections)
        self._proxied = _manager(_KEPT, context=context, connections=connections, proxy=proxy)

    def urlopen(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        timeout: Timeout,
        proxied: bool = False,
    ) -> BaseHTTPResponse:
        """Send a request; its answer's body has yet to be read. Raises what urllib3 raises."""
        return (self._proxied if proxied else self._direct).urlopen(
            method,
            url,
            redirect=False,
            headers=headers,
            retries=_NO_RETRIES,
            timeout=timeout,
            preload_content=False,
            decode_content=False,
        )

    def close(self) -> None:
        """Close all connections."""
        self._direct.clear()
        self._proxied.clear()
