"""Connections that record how much of a request was sent.

The exceptions of requests and urllib3 do not say whether a server had the request. A
`ConnectionError` covers "refused" as well as "it took everything, then hung up", and an SSL error
may come before the first byte or after the answer was due (measured: spark_batch/README.md). So
each connection writes what it does into the `Trace` of the exchange that it serves, and only that
is asked.
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

from spark_batch.client.proxy import Proxy

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
    """The connection leads to an address that this exchange may not speak to."""


class Trace:
    """The progress of one exchange; shared by its thread and the watchdog.

    `admit` judges the address of the peer before anything is sent to it. `target` stands in the
    request line in place of what requests and urllib3 make of the URL: they write escapes in their
    own way, and the signature in a URL covers its bytes. `at_proxy` is true while a connection to
    a proxy has not become one to the server: nothing of the request leaves meanwhile.
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
        """From now on the watchdog ends the exchange by shutting `line` down."""
        with self._lock:
            self._line = line
            late = self.overdue
        if late:
            raise Overdue

    def adopt(self, line: socket.socket) -> bool:
        """Take `line` over, if it is this exchange's, from a connection that is being closed.

        http.client closes a connection that will not be kept as soon as it has the headers, while
        the body is still to come; the watchdog must be able to cut that, too.
        """
        with self._lock:
            if line is not self._line:
                # Another connection, closed meanwhile: by the garbage collector, for example. That
                # says nothing about the one that this exchange has taken over.
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
        return  # it was down already


# A connection is used by the thread that waits for it, and by no other.
current: ContextVar[Trace] = ContextVar("current")


class _Quiet(logging.Filter):
    """Suppresses urllib3's log of our exchanges, which has signed URLs and bytes of answers."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether `record` is not about one of our exchanges."""
        return current.get(None) is None


for _name in ("urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry"):
    logging.getLogger(_name).addFilter(_Quiet())


def _leave() -> None:
    trace = current.get(None)
    if trace is not None:
        trace.release()


if TYPE_CHECKING:
    _Base = HTTPConnection
else:
    _Base = object


class _Traced(_Base):
    """What HTTP and HTTPS connections add to those of urllib3."""

    # A second handle on the connection: TLS takes the socket apart while it wraps it, and only
    # this one can be shut down from outside at any moment.
    _line: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        try:
            self._line = sock.dup()
            trace = current.get()
            trace.attach(self._line)
            if self.proxy is None:  # else the peer is the proxy, and `wire` has judged the host
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
        """Have the proxy open a tunnel (CONNECT). After it, TLS is spoken with the server."""
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
        if trace.at_proxy:  # CONNECT, which is no part of the request; within the connect timeout
            super().send(data)
            return
        if self.sock is None:
            self.connect()
        # urllib3 leaves the timeout for connecting on the socket, which a body of some megabytes
        # on a slow line would not meet; the operation's deadline holds all the same.
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


class _Pool(HTTPConnectionPool):
    """Keeps connections; a returned connection is no longer shut down by its exchange."""

    ConnectionCls = _HTTP

    def _put_conn(self, conn: Any) -> None:
        _leave()
        super()._put_conn(conn)


class _TLSPool(HTTPSConnectionPool):
    """The same over TLS."""

    ConnectionCls = _HTTPS

    def _put_conn(self, conn: Any) -> None:
        _leave()
        super()._put_conn(conn)


class _OncePool(_Pool):
    """Closes connections instead of keeping them.

    A kept-alive connection that the server closes as the next POST arrives fails although the
    server had it all (spark_batch/README.md): a POST goes over a connection of its own.
    """

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.close()


class _OnceTLSPool(_TLSPool):
    """The same over TLS."""

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.close()


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


_ONCE: dict[str, type[HTTPConnectionPool]] = {"http": _OncePool, "https": _OnceTLSPool}
_KEPT: dict[str, type[HTTPConnectionPool]] = {"http": _Pool, "https": _TLSPool}


class OnceAdapter(HTTPAdapter):
    """Sends prepared requests, each exactly once and over a connection of its own.

    No redirect is followed, nothing is tried again, and neither proxies nor `.netrc` of the
    environment are looked at: those belong to `requests.Session`, which is not used. A request goes
    through `proxy` if it is sent with `proxies`.
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
    """Sends requests that may be repeated over connections that are kept, by host.

    Straight through urllib3, since a request through requests takes twice the processor time. As in
    `OnceAdapter`, no redirect is followed, nothing is tried again, and the environment is not
    looked at.
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
