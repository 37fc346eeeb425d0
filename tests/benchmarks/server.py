"""A server that speaks the API, hands out a prepared picture and counts what it billed.

It draws and checks nothing, so that it is not the limit of what is measured. Each picture has the
number of its task in a JPEG comment, since the same bytes for two seeds would be suspect.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import struct
import time
from collections import Counter
from pathlib import Path

from aiohttp import web

_API = "/model/v1/generation"


class Ledger:
    """Count requests that were billed, and pictures that were handed out."""

    def __init__(self) -> None:
        self.delivered = 0
        self._requests: Counter[str] = Counter()

    def bill(self, body: bytes) -> None:
        """Bill a request. The order and the spacing of its JSON make no difference."""
        canonical = json.dumps(json.loads(body), sort_keys=True).encode()
        self._requests[hashlib.sha256(canonical).hexdigest()] += 1

    def counts(self) -> dict[str, int]:
        """Tasks billed, those of them for a request that was billed before, and pictures sent."""
        billed = self._requests.total()
        twice = billed - len(self._requests)
        return {"billed": billed, "twice": twice, "delivered": self.delivered}


class Server:
    """Serve the API and the ledger.

    A task takes `seconds`; each call takes `delay` seconds more.
    """

    def __init__(self, picture: bytes, *, seconds: float, delay: float) -> None:
        self.ledger = Ledger()
        self._picture = picture
        self._seconds = seconds
        self._delay = delay
        self._started: list[float] = []

    def app(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(client_max_size=20 * 1024 * 1024)
        app.router.add_post(_API, self._create)
        app.router.add_get(f"{_API}/task/{{id}}", self._read)
        app.router.add_get("/results/{id}.jpg", self._result)
        app.router.add_get("/ledger", self._show_ledger)
        return app

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.ledger.bill(body)
        self._started.append(time.monotonic())
        task = self._task(len(self._started) - 1, "in_progress")
        await asyncio.sleep(self._delay)
        return web.json_response(task)

    async def _read(self, request: web.Request) -> web.Response:
        number = int(request.match_info["id"].removeprefix("task-"))
        await asyncio.sleep(self._delay)
        if time.monotonic() - self._started[number] < self._seconds:
            return web.json_response(self._task(number, "in_progress"))
        url = f"http://{request.host}/results/{number}.jpg"
        content = {"type": "image", "url": url, "jobId": f"task-{number}"}
        task = self._task(number, "completed")
        task |= {"output": [{"content": [content]}], "usage": {"cost": "0.03"}}
        return web.json_response(task)

    async def _result(self, request: web.Request) -> web.Response:
        await asyncio.sleep(self._delay)
        number = request.match_info["id"].encode()
        comment = b"\xff\xfe" + struct.pack(">H", len(number) + 2) + number
        self.ledger.delivered += 1
        body = self._picture[:2] + comment + self._picture[2:]
        return web.Response(body=body, content_type="image/jpeg")

    async def _show_ledger(self, _: web.Request) -> web.Response:
        return web.json_response(self.ledger.counts())

    def _task(self, number: int, status: str) -> dict[str, object]:
        created = int(time.time())
        return {
            "id": f"task-{number}",
            "created_at": created,
            "status": status,
            "model": "spark_i2i_3_0",
        }


async def serve(server: Server) -> None:
    """Serve on a free port of loopback, print the address, and go on until SIGTERM."""
    runner = web.AppRunner(server.app(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=512)
    await site.start()
    host, port = runner.addresses[0][:2]
    print(f"http://{host}:{port}", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Serve the picture."""
    parser = argparse.ArgumentParser()
    parser.add_argument("picture", type=Path)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--delay", type=float, default=0.0)
    args = parser.parse_args()
    picture = args.picture.read_bytes()
    asyncio.run(serve(Server(picture, seconds=args.seconds, delay=args.delay)))


if __name__ == "__main__":
    main()
