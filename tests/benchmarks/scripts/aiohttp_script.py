"""Edit one photo with many seeds over aiohttp.

It checks nothing; with --decode it decodes each picture once, in two processes. Its only state
is the files that are there already.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import functools
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import aiohttp
from PIL import Image


def decode(path: Path) -> None:
    """Decode the whole picture; raises OSError if it is cut."""
    with Image.open(path) as picture:
        picture.load()


async def edit(session: aiohttp.ClientSession, seed: int, image: str, out: Path) -> Path:
    """Create a task, poll it and download its picture."""
    size = {"width": 1328, "height": 1328}
    params = {"prompt": "Beach", "binary_data_base64": [image], "seed": seed, **size}
    body = {"model": "spark_i2i_3_0", "input": [{"params": params}]}
    async with session.post("/model/v1/generation", json=body) as answer:
        task = await answer.json()
    link = f"/model/v1/generation/task/{task['id']}"
    while True:
        async with session.get(link) as answer:
            task = await answer.json()
        if task["status"] != "in_progress":
            break
        await asyncio.sleep(0.2)
    if task["status"] != "completed":
        raise RuntimeError(f"task {task['id']}: {task['status']}")
    path = out / f"{seed}.jpg"
    url = task["output"][0]["content"][0]["url"]
    async with session.get(url, headers={"Authorization": ""}) as answer:
        path.write_bytes(await answer.read())
    return path


async def main() -> None:
    """Edit the photo with each seed that has no picture yet."""
    parser = argparse.ArgumentParser()
    parser.add_argument("photo", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--jobs", type=int, required=True)
    parser.add_argument("--concurrency", type=int, required=True)
    parser.add_argument("--decode", action="store_true")
    args = parser.parse_args()
    image = base64.b64encode(args.photo.read_bytes()).decode()
    args.out.mkdir(exist_ok=True)
    slots = asyncio.Semaphore(args.concurrency)
    loop = asyncio.get_running_loop()
    pool = ProcessPoolExecutor(2) if args.decode else None

    async def job(seed: int) -> None:
        async with slots:
            path = await edit(session, seed, image, args.out)
        if pool:
            await loop.run_in_executor(pool, functools.partial(decode, path))

    headers = {"Authorization": f"Bearer {os.environ['SPARK_API_KEY']}"}
    connector = aiohttp.TCPConnector(limit=args.concurrency)
    async with aiohttp.ClientSession(
        os.environ["SPARK_BASE_URL"], headers=headers, connector=connector
    ) as session:
        seeds = [n for n in range(1, args.jobs + 1) if not (args.out / f"{n}.jpg").exists()]
        await asyncio.gather(*(job(seed) for seed in seeds))
    if pool:
        pool.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
