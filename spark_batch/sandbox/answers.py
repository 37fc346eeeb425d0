"""HTTP error responses: refused requests, and the responses of injected faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from spark_batch.models import Model
from spark_batch.sandbox import access, tasks
from spark_batch.sandbox.faults import CREATE, POLL, PRECHARGE, RESULT, Fault, Faults
from spark_batch.sandbox.task_request import BAD_REQUEST, NOT_FOUND, InvalidRequest, unknown_model
from spark_batch.sandbox.wire import Cut, Silent

_SERVER_ERROR = 500
_RATE_LIMIT = 1002  # the gateway's code beside a 429
_PAGE = "<!DOCTYPE html>\n<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>\n"

_Make = Callable[[str, Faults, Model], Response]


def invalid_request(refusal: InvalidRequest) -> Response:
    return _error(refusal.status, refusal.code, refusal.message)


def unauthorized() -> Response:
    answer = _error(401, 401, "Invalid or missing API key")
    answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def no_task() -> Response:
    return _error(NOT_FOUND, NOT_FOUND, "Task not found")


def foreign_host() -> Response:
    """The response to a Host that is not a loopback name; it does not repeat the name."""
    return _error(421, 421, "The sandbox answers only to 127.0.0.1, localhost and [::1]")


def store_error(code: str, *, status: int) -> Response:
    """An error response of the object store that serves results."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code></Error>\n'
    return Response(body, status_code=status, media_type="application/xml")


def expired() -> Response:
    """The response to a URL that has expired or has no valid signature."""
    return store_error("AccessDenied", status=403)


def redirect_loop() -> Response:
    return Response(status_code=302, headers={"Location": access.REDIRECT_LOOP})


def not_json() -> Response:
    return PlainTextResponse("OK")


def for_fault(place: str, fault: Fault | None, settings: Faults, model: Model) -> Response | None:
    """The response that a fault sends in place of the API's; None for later faults."""
    if fault is None:
        return None
    make = _INSTEAD[place].get(fault.name)
    return make(fault.argument, settings, model) if make else None


def _error(status: int, code: str | int, message: str) -> Response:
    return JSONResponse({"error": tasks.error(code, message)}, status_code=status)


def _code(code: str, _: Faults, model: Model) -> Response:
    known = model.errors.find(code)
    status = BAD_REQUEST if known and known.fault == "request" else _SERVER_ERROR
    return _error(status, code, tasks.title(code, model.errors))


def _rate_limit(_: str, settings: Faults, _model: Model) -> Response:
    answer = _error(429, _RATE_LIMIT, "Too many requests")
    if settings.retry_after is not None:
        answer.headers["Retry-After"] = str(settings.retry_after)
    return answer


def _status_object(status: int, code: str | int, message: str) -> Response:
    """The gateway's own error: `status` is an object whose `error_code` refines the HTTP status."""
    error = tasks.error(code, message)
    inner = {"code": status, "message": error["message"], "error_code": error["code"]}
    return JSONResponse({"status": inner}, status_code=status)


def _balance(status: int) -> _Make:
    return lambda code, _, model: _status_object(
        status, code or model.errors.balance.start, "Insufficient balance"
    )


def _html(status: int, title: str) -> _Make:
    return lambda *_: HTMLResponse(_PAGE.format(title), status_code=status)


def _stored(status: int, code: str) -> _Make:
    return lambda *_: store_error(code, status=status)


_GATEWAY: Mapping[str, _Make] = {
    "401": lambda *_: unauthorized(),
    "402": _balance(402),
    "403": _balance(403),
    "429": _rate_limit,
    "429-bare": lambda *_: _error(429, _RATE_LIMIT, "Quota exceeded"),
    "500": lambda *_: JSONResponse({"message": "Internal server error"}, status_code=500),
    "502": _html(502, "502 Bad Gateway"),
    "503": lambda *_: JSONResponse({"error": "Service unavailable"}, status_code=503),
    "503-html": _html(503, "503 Service Temporarily Unavailable"),
    "504": _html(504, "504 Gateway Time-out"),
}

_INSTEAD: Mapping[str, Mapping[str, _Make]] = {
    CREATE: {
        **_GATEWAY,
        "404": lambda _code, _settings, model: invalid_request(unknown_model(model.name)),
        "balance": _balance(402),
        "create-code": _code,
        "200-error": lambda code, _, model: _error(200, code, tasks.title(code, model.errors)),
        "200-text": lambda code, _, model: JSONResponse(
            {"error": f"{code}: {tasks.title(code, model.errors)}"}
        ),
        "200-status": lambda code, _, model: _status_object(
            200, code, tasks.title(code, model.errors)
        ),
        "no-id": lambda _code, _settings, model: JSONResponse(
            {"status": "in_progress", "model": model.name}
        ),
        "cut-before": lambda *_: Cut(),
    },
    POLL: {
        **_GATEWAY,
        "404": lambda *_: no_task(),
        "cut": lambda *_: Cut(),
        "hang": lambda *_: Silent(),
        "not-json": lambda *_: not_json(),
        "poll-code": _code,
    },
    RESULT: {
        "403": _stored(403, "SignatureDoesNotMatch"),
        "404": _stored(404, "NoSuchKey"),
        "410": _stored(410, "Gone"),
        "500": _stored(500, "InternalError"),
        "503": _stored(503, "SlowDown"),
        "504": _html(504, "504 Gateway Time-out"),
        "cut": lambda *_: Cut(),
        "hang": lambda *_: Silent(),
        "expired": lambda *_: expired(),
        "redirect-loop": lambda *_: redirect_loop(),
        "html": _html(200, "Please sign in"),
    },
    PRECHARGE: {
        **_GATEWAY,
        "404": lambda *_: _error(NOT_FOUND, NOT_FOUND, "Not found"),
        "cut": lambda *_: Cut(),
        "not-json": lambda *_: not_json(),
    },
}
