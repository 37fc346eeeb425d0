"""HTTP answers other than success: refusals, and what a fault puts in the place of an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from spark_batch import contract
from spark_batch.sandbox import tasks
from spark_batch.sandbox.faults import Fault, Faults
from spark_batch.sandbox.orders import BAD_REQUEST, Wrong
from spark_batch.sandbox.wire import Cut

_SERVER_ERROR = 500
_PAGE = "<!DOCTYPE html>\n<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>\n"


def wrong(refusal: Wrong) -> Response:
    """A request that was refused."""
    body = {"error": tasks.error(refusal.code, refusal.message)}
    return JSONResponse(body, status_code=refusal.status)


def unauthorized(message: str = "Invalid or missing API key") -> Response:
    """The key is missing or is not the right one."""
    body = {"error": tasks.error("unauthorized", message)}
    return JSONResponse(body, status_code=401, headers={"WWW-Authenticate": "Bearer"})


def no_task() -> Response:
    """There is no task of that id."""
    return JSONResponse({"error": tasks.error("not_found", "Task not found")}, status_code=404)


def store_error(code: str, *, status: int) -> Response:
    """An error of the object store that results stand in."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code></Error>\n'
    return Response(body, status_code=status, media_type="application/xml")


def expired() -> Response:
    """The signed URL has ended, or was never signed here."""
    return store_error("AccessDenied", status=403)


def not_json() -> Response:
    """Success, it says, and no JSON."""
    return PlainTextResponse("OK")


def for_fault(fault: Fault | None, settings: Faults) -> Response | None:
    """What a fault answers in the place of everything else; None when it comes later."""
    if fault is None:
        return None
    if fault.name in {"create-code", "poll-code"}:
        return _error_object(fault.code)
    make = _INSTEAD.get(fault.name)
    return make(settings) if make else None


def _error_object(code: str) -> Response:
    known = contract.error_code(code)
    status = BAD_REQUEST if known and known.fault == "request" else _SERVER_ERROR
    return JSONResponse({"error": tasks.error(code)}, status_code=status)


def _rate_limit(settings: Faults) -> Response:
    after = settings.retry_after
    headers = {} if after is None else {"Retry-After": str(after)}
    body = {"error": tasks.error("rate_limited", "Too many requests")}
    return JSONResponse(body, status_code=429, headers=headers)


def _balance(_: Faults) -> Response:
    code = contract.schema(contract.ERRORS)["$defs"]["balanceCode"]["minimum"]
    status = {"code": 403, "message": "Insufficient balance", "error_code": code}
    return JSONResponse({"status": status}, status_code=403)


def _no_id(_: Faults) -> Response:
    return JSONResponse({"status": "in_progress", "model": contract.rules().model})


_INSTEAD: Mapping[str, Callable[[Faults], Response]] = {
    "401": lambda _: unauthorized(),
    "403": _balance,
    "404": lambda _: no_task(),
    "429": _rate_limit,
    "500": lambda _: JSONResponse({"message": "Internal server error"}, status_code=500),
    "502": lambda _: HTMLResponse(_PAGE.format("502 Bad Gateway"), status_code=502),
    "503": lambda _: JSONResponse({"error": "Service unavailable"}, status_code=503),
    "cut": lambda _: Cut(),
    "cut-before": lambda _: Cut(),
    "no-id": _no_id,
    "expired": lambda _: expired(),
    "html": lambda _: HTMLResponse(_PAGE.format("Please sign in")),
}
