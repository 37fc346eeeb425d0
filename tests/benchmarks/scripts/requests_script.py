"""Edit one photo with many seeds over requests, one thread for each task in flight.

It checks nothing. Its only state is the files that are there already.
"""

from __future__ import annotations

import argparse
import base64
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter


def edit(session: requests.Session, url: str, seed: int, image: str, out: Path) -> None:
    """Create a task, poll it and download its picture."""
    size = {"width": 1328, "height": 1328}
    params = {"prompt": "Beach", "binary_data_base64": [image], "seed": seed, **size}
    body = {"model": "spark_i2i_3_0", "input": [{"params": params}]}
    answer = session.post(f"{url}/model/v1/generation", json=body, timeout=60)
    answer.raise_for_status()
    task = answer.json()
    link = f"{url}/model/v1/generation/task/{task['id']}"
    while True:
        answer = session.get(link, timeout=60)
        answer.raise_for_status()
        task = answer.json()
        if task["status"] != "in_progress":
            break
        time.sleep(0.2)
    if task["status"] != "completed":
        raise RuntimeError(f"task {task['id']}: {task['status']}")
    picture = task["output"][0]["content"][0]["url"]
    answer = session.get(picture, headers={"Authorization": None}, timeout=60)
    answer.raise_for_status()
    (out / f"{seed}.jpg").write_bytes(answer.content)


def main() -> None:
    """Edit the photo with each seed that has no picture yet."""
    parser = argparse.ArgumentParser()
    parser.add_argument("photo", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--jobs", type=int, required=True)
    parser.add_argument("--concurrency", type=int, required=True)
    args = parser.parse_args()
    image = base64.b64encode(args.photo.read_bytes()).decode()
    url = os.environ["SPARK_BASE_URL"]
    args.out.mkdir(exist_ok=True)
    with requests.Session() as session, ThreadPoolExecutor(args.concurrency) as pool:
        session.mount("http://", HTTPAdapter(pool_maxsize=args.concurrency))
        session.headers["Authorization"] = f"Bearer {os.environ['SPARK_API_KEY']}"
        seeds = [n for n in range(1, args.jobs + 1) if not (args.out / f"{n}.jpg").exists()]
        for _ in pool.map(lambda seed: edit(session, url, seed, image, args.out), seeds):
            pass


if __name__ == "__main__":
    main()
