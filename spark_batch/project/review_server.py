"""The HTTP server of `review`, on 127.0.0.1, for the browser of the person who started it.

Requests without the token in the address get nothing. A page of another origin can neither read
nor write, since its Host or Origin differs. Only the page and its pictures are served.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from spark_batch.errors import SparkBatchError
from spark_batch.project.reviewing import FILES, PICKS, STATE, Review
from spark_batch.sandbox.server import HOST, listen
from spark_batch.sandbox.wire import running
from spark_batch.text import printable

if TYPE_CHECKING:
    from starlette.types import Message

MOST_BYTES = 4 << 20  # of a request
_HEADERS = {
    b"cache-control": b"no-store",
    b"content-security-policy": b"frame-ancestors 'none'",
    b"cross-origin-resource-policy": b"same-origin",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
}


class _Guard:
    """ASGI middleware: answers 404 to another host, another origin or another token.

    A stranger's domain name that resolves to 127.0.0.1 (DNS rebinding) is another host.
    """

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str], token: str) -> None:
        self._app = app
        self._hosts = hosts
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_HEADERS.items()]
            await send(message)

        app: ASGIApp = self._app if self._allows(scope) else PlainTextResponse("", 404)
        await app(scope, receive, with_headers)

    def _allows(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        given = str(scope["path"]).removeprefix("/").partition("/")[0].encode()
        # A browser sends the origin with every POST.
        expected = {f"http://{host}", *([] if scope["method"] == "POST" else [None])}
        known = host in self._hosts and origin in expected
        return hmac.compare_digest(given, self._token) and known


@contextmanager
def serve(review: Review, *, port: int) -> Iterator[str]:
    """Serve a review until the block ends; yields the page's address, with its token.

    Raises UsageError when the port cannot be used.
    """
    listener = listen(port)
    try:
        number, token = listener.getsockname()[1], secrets.token_urlsafe(32)
        hosts = frozenset({f"{HOST}:{number}", f"localhost:{number}"})
        with running(_app(review, hosts=hosts, token=token), listener):
            yield f"http://{HOST}:{number}/{token}/"
    finally:
        listener.close()


def _app(review: Review, *, hosts: frozenset[str], token: str) -> Starlette:
    answers = _Answers(review)
    return Starlette(
        routes=[
            Route("/{token}/", answers.page, methods=["GET"]),
            Route(f"/{{token}}/{STATE}", answers.state, methods=["GET"]),
            Route(f"/{{token}}/{PICKS}", answers.picks, methods=["POST"]),
            Route(f"/{{token}}/{FILES}/{{name}}", answers.picture, methods=["GET"]),
        ],
        middleware=[Middleware(_Guard, hosts=hosts, token=token)],
        exception_handlers={SparkBatchError: _failed},
    )


class _Answers:
    """The answers to the requests of a page."""

    def __init__(self, review: Review) -> None:
        self._review = review

    def page(self, _: Request) -> Response:
        """The page itself."""
        return HTMLResponse(self._review.page())

    def state(self, _: Request) -> Response:
        """What is new."""
        return JSONResponse(self._review.state())

    def picture(self, request: Request) -> Response:
        """A picture that the page links."""
        found = self._review.file(request.path_params["name"])
        if found is None:
            return PlainTextResponse("", 404)
        content, media_type = found
        return Response(content, media_type=media_type)

    async def picks(self, request: Request) -> Response:
        """Store verdicts."""
        if request.headers.get("content-type") != "application/json":
            return PlainTextResponse("", 415)
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > MOST_BYTES:
                return PlainTextResponse("", 413)
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            return JSONResponse({"error": "the request is not JSON"}, 400)
        return JSONResponse(await run_in_threadpool(self._review.change, document))


def _failed(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": printable(str(error))}, 400)
