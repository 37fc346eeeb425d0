"""Serve HTTP in a thread, with responses that are cut off, silent or slow."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import logging
import socket
import threading
from asyncio import BaseTransport, Transport
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

_TRANSPORT = "sandbox.transport"
_START_TICK = 0.5  # seconds between checks that the server is alive
_TICK = 0.1  # seconds, as in uvicorn
_KEEP_ALIVE = 30  # seconds; keeps a client's idle connection open between its requests


class Cut(Response):
    """Close the TCP connection without a response."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport: Transport = scope["state"][_TRANSPORT]
        transport.abort()
        await _gone(receive)


class Truncated(Response):
    """A response that is cut off after half of the body; its header has the full length."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        transport: Transport = scope["state"][_TRANSPORT]
        transport.close()
        await _gone(receive)


class Silent(Response):
    """No response; the connection stays open until the client closes it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _gone(receive)


class Slow(Response):
    """A JPEG file sent `step` bytes at a time, `pause` seconds apart.

    It ends early when the client closes the connection.
    """

    media_type = "image/jpeg"

    def __init__(self, data: bytes, *, step: int, pause: float) -> None:
        super().__init__(data)
        self._step = step
        self._pause = pause

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        body = bytes(self.body)
        gone = asyncio.ensure_future(_gone(receive))
        try:
            for start in range(0, len(body), self._step):
                piece = body[start : start + self._step]
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                if (await asyncio.wait({gone}, timeout=self._pause))[0]:
                    return
        finally:
            gone.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class _Protocol(H11Protocol):
    """HTTP/1.1 that gives each request its connection, so that a fault can cut it."""

    def connection_made(self, transport: BaseTransport) -> None:
        assert isinstance(transport, Transport)  # asyncio gives TCP connections nothing else
        self.app_state = {**self.app_state, _TRANSPORT: transport}
        super().connection_made(transport)


class _Server(Server):
    """A server that signals when it is ready, and stops without uvicorn's two waits of 0.1 s.

    Each command with `--sandbox` starts its own server, and would end 0.2 s later with them.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stopped.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(_handle)
        await super().startup(sockets=sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        # uvicorn counts ticks of 0.1 s, and renews the Date header with every tenth.
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += 1
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), _TICK)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await asyncio.sleep(0)  # closed connections are forgotten in the loop's next turn
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets=sockets)


def _handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Without file descriptors asyncio would log a traceback for each connection."""
    error = context.get("exception")
    if not (isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)):
        loop.default_exception_handler(context)


@contextmanager
def running(app: ASGIApp, listener: socket.socket) -> Iterator[None]:
    """Serve `app` on a bound socket from a daemon thread, until the block is left.

    The thread is not the main one, so no signal handler is touched. Nothing is logged.
    """
    server = _Server(
        Config(
            app,
            http=_Protocol,
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level=logging.CRITICAL + 1,
            access_log=False,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=1,
        )
    )
    thread = threading.Thread(
        # What the command has set for itself holds in the answers, too.
        target=contextvars.copy_context().run,
        args=(server.run, [listener]),
        name="spark-sandbox",
        daemon=True,
    )
    thread.start()
    while not server.ready.wait(_START_TICK):
        if not thread.is_alive():
            raise RuntimeError("the sandbox's server ended before it answered")
    try:
        yield
    finally:
        server.stop()
        thread.join()
