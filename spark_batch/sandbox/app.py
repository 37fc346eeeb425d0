"""The sandbox's HTTP routes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from spark_batch.errors import OutputError
from spark_batch.sandbox import access, answers, deliveries, ledger, pictures, shapes, tasks
from spark_batch.sandbox.faults import CREATE, POLL, PRECHARGE, RESULT, Dice, Fault
from spark_batch.sandbox.ledger import COMPLETED, Entry, Ledger, Note
from spark_batch.sandbox.server import Settings
from spark_batch.sandbox.store import Store, write
from spark_batch.sandbox.task_request import InvalidRequest, TaskRequest, parse_request
from spark_batch.sandbox.wire import Cut, Silent

MAX_BODY = 20 * 1024 * 1024

_WORKERS = 4
_API = "/model/v1/generation"
_SECOND = "-2"  # ends the name of a task's second picture
_INTEGER_BITS = 53  # of an integer id: every JSON reader keeps as many

T = TypeVar("T")
_AnswerRequest = Callable[[Request, TaskRequest, Fault | None], Awaitable[Response]]


class Sandbox:
    """The Starlette application `app` with its folder, its ledger and its worker threads.

    Worker threads validate requests and draw pictures. A poll of an unfinished task needs neither a
    worker nor the disk.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        store: Store,
        ledger: Ledger,
        dice: Dice,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._store = store
        self._ledger = ledger
        self._dice = dice
        self._clock = clock
        self._sizes: dict[str, int] = {}
        self._workers = ThreadPoolExecutor(
            max_workers=min(_WORKERS, os.cpu_count() or 1), thread_name_prefix="spark-sandbox"
        )
        self.app = Starlette(
            routes=[
                Route(_API, self._create, methods=["POST"]),
                Route(f"{_API}/precharge", self._precharge, methods=["POST"]),
                Route(f"{_API}/task/{{id}}", self._read),
                Route(f"{access.RESULTS}/{{name}}.{{form}}", self._result),
                Route(f"{access.RESULTS_TO_ESCAPE}/{{name}}.{{form}}", self._result),
                Route(access.REDIRECT_LOOP, _redirect_loop),
                Route("/sandbox/ledger", self._show_ledger),
            ],
            middleware=[Middleware(access.LoopbackOnly, refusal=answers.foreign_host())],
            exception_handlers=dict.fromkeys((HTTPException, OutputError, OSError), _failed),
        )

    def close(self) -> None:
        self._workers.shutdown(wait=True, cancel_futures=True)

    async def _create(self, request: Request) -> Response:
        return await self._posted(CREATE, request, self._created)

    async def _precharge(self, request: Request) -> Response:
        return await self._posted(PRECHARGE, request, self._quoted)

    async def _posted(self, place: str, request: Request, answer: _AnswerRequest) -> Response:
        """The response to a request for a task or for its price, subject to the drawn fault."""
        if not self._authorized(request):
            return answers.unauthorized()
        fault = self._draw(place)
        try:
            body = await _body(request)
            instead = self._instead(place, fault)
            if instead is not None:
                return instead
            task_request = await self._parsed(request, body)
        except InvalidRequest as refusal:
            if place == CREATE:
                self._note(ledger.REFUSED, refusal.code, refusal.message, request)
            return answers.invalid_request(refusal)
        return await answer(request, task_request, fault)

    async def _created(
        self, request: Request, task_request: TaskRequest, fault: Fault | None
    ) -> Response:
        task = await self._work(lambda: self._accept(task_request, fault, _user_agent(request)))
        name = fault.name if fault else ""
        if name == "cut-after":
            return Cut()
        if name == "hang-after":
            return Silent()
        if name == "not-json":
            return answers.not_json()
        if name == "slow-answer":
            await asyncio.sleep(self._dice.settings.slow_seconds)
        return JSONResponse(shapes.reshaped(tasks.created(task), fault))

    def _accept(self, task_request: TaskRequest, fault: Fault | None, user_agent: str) -> Entry:
        if task_request.data is not None:
            self._store.keep(task_request.data)
        task = tasks.entry(
            task_request,
            task_id=self._new_id(integer=fault is not None and fault.name == "integer-id"),
            time=self._clock(),
            price=self._settings.price,
            seconds=self._settings.task_seconds,
            user_agent=user_agent,
            fault=fault,
        )
        self._ledger.accept(task)
        return task

    def _new_id(self, *, integer: bool) -> str:
        while True:
            number = secrets.randbits(_INTEGER_BITS)
            task_id = str(number) if integer else f"sandbox-{secrets.token_hex(12)}"
            if self._ledger.find(task_id) is None:
                return task_id

    async def _quoted(self, _: Request, task_request: TaskRequest, fault: Fault | None) -> Response:
        if fault and fault.name == "cache-miss":
            return JSONResponse(tasks.quote_missing(task_request))
        quote = tasks.quote(task_request, price=self._settings.price, time=self._clock())
        return JSONResponse(shapes.reshaped(quote, fault))

    async def _read(self, request: Request) -> Response:
        if not self._authorized(request):
            return answers.unauthorized()
        task_id = request.path_params["id"]
        fault = self._draw(POLL, task_id)
        instead = self._instead(POLL, fault)
        if instead is not None:
            return instead
        task = self._ledger.find(task_id)
        if task is None:
            return answers.no_task()
        return JSONResponse(shapes.reshaped(await self._answer(task, request, fault), fault))

    async def _answer(self, task: Entry, request: Request, fault: Fault | None) -> tasks.Answer:
        now = self._clock()
        if not tasks.finished(task, now=now):
            return tasks.in_progress(task, now=now)
        if task.outcome != COMPLETED:
            model = self._settings.models.of(task.model)
            return tasks.failed(task, model.errors)
        name = fault.name if fault else ""
        form = name if name in deliveries.FORMATS else deliveries.JPEG
        files = {task.id: task}
        if name == "two-pictures":
            files[f"{task.id}{_SECOND}"] = tasks.further(task)
        content = []
        for stem, pictured in files.items():
            url = access.signed_url(
                base="http://{}:{}".format(*request.scope["server"]),
                secret=self._store.secret,
                name=f"{stem}.{form}",
                expires=now + self._settings.url_seconds,
                escaped=name == "url-percent",
            )
            content.append(tasks.picture(task, url=url, size=await self._size(pictured, form)))
        return tasks.completed(task, content=content)

    async def _size(self, task: Entry, form: str) -> int:
        """The size in bytes of a task's preview in a format."""
        name = f"{self._preview_name(task)}.{form}"
        if name not in self._sizes:
            self._sizes[name] = len(await self._work(lambda: self._file(task, form)))
        return self._sizes[name]

    def _file(self, task: Entry, form: str) -> bytes:
        return deliveries.converted(self._preview(task), form)

    async def _result(self, request: Request) -> Response:
        if "authorization" in request.headers:
            why = "a result URL was requested with an Authorization header: it discloses the key"
            self._note(ledger.MISUSE, "authorization", why, request)
            return answers.store_error("InvalidRequest", status=400)
        name, form = request.path_params["name"], request.path_params["form"]
        task_id = name.removesuffix(_SECOND)
        fault = self._draw(RESULT, task_id)
        instead = self._instead(RESULT, fault)
        if instead is not None:
            return instead
        if not self._signed(request):
            return answers.expired()
        task = self._ledger.find(task_id)
        if task is None or task.outcome != COMPLETED or form not in deliveries.FORMATS:
            return answers.store_error("NoSuchKey", status=404)
        pictured = task if name == task_id else tasks.further(task)
        return await self._work(
            lambda: deliveries.deliver(self._file(pictured, form), form, fault, self._dice.settings)
        )

    async def _show_ledger(self, request: Request) -> Response:
        if not self._authorized(request):
            return answers.unauthorized()
        book = self._ledger
        return JSONResponse(
            {
                "accepted": [{**asdict(task), "cost": str(task.cost)} for task in book.accepted()],
                "refused": [asdict(entry) for entry in book.refused()],
                "misuses": [asdict(entry) for entry in book.misuses()],
                "faults": [asdict(entry) for entry in book.faults()],
                "billed": str(book.billed()),
            }
        )

    async def _parsed(self, request: Request, body: bytes) -> TaskRequest:
        return await self._work(
            lambda: parse_request(
                body,
                self._settings.serving,
                header=request.headers.get("x-model"),
                known=lambda sha256: self._store.image(sha256).exists(),
            )
        )

    def _preview(self, task: Entry) -> bytes:
        """The preview, drawn at the first request and kept on disk if there is room."""
        path = self._store.layout.preview(self._preview_name(task))
        if path.exists():
            return path.read_bytes()
        drawn = pictures.render(
            source=None if task.image is None else self._store.image(task.image),
            url=task.url,
            prompt=task.prompt,
            scale=task.scale,
            seed=task.seed,
            size=(task.width, task.height),
            model=self._settings.shown_model(task.model),
        )
        with contextlib.suppress(OSError):
            write(path, drawn)
        return drawn

    def _preview_name(self, task: Entry) -> str:
        return tasks.preview_name(task, self._settings.shown_model(task.model))

    def _authorized(self, request: Request) -> bool:
        header = request.headers.get("authorization", "")
        return access.authorized(header, expected=self._settings.key)

    def _signed(self, request: Request) -> bool:
        raw: bytes = request.scope["raw_path"] + b"?" + request.scope["query_string"]
        return access.is_valid(raw.decode("latin-1"), secret=self._store.secret, now=self._clock())

    def _draw(self, place: str, task_id: str = "") -> Fault | None:
        fault = self._dice.draw(place, task_id)
        if fault is not None:
            self._ledger.note(
                Note(event=ledger.FAULT, time=self._clock(), code=place, message=str(fault))
            )
        return fault

    def _instead(self, place: str, fault: Fault | None) -> Response | None:
        """The response that a fault sends in place of the API's; None for later faults."""
        return answers.for_fault(place, fault, self._dice.settings, self._settings.models.first)

    def _note(self, event: str, code: str, message: str, request: Request) -> None:
        self._ledger.note(
            Note(
                event=event,
                time=self._clock(),
                code=code,
                message=message,
                user_agent=_user_agent(request),
            )
        )

    async def _work(self, task: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._workers, task)


async def _body(request: Request) -> bytes:
    """The request's body. Raises InvalidRequest if it is larger than MAX_BODY bytes."""
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > MAX_BODY:
            raise InvalidRequest("413", f"the body has more than {MAX_BODY} bytes", status=413)
    return b"".join(parts)


async def _redirect_loop(_: Request) -> Response:
    return answers.redirect_loop()


def _user_agent(request: Request) -> str:
    return request.headers.get("user-agent", "")


def _failed(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else str(error)
    return JSONResponse({"error": tasks.error(status, detail)}, status_code=status)
