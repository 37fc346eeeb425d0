"""Edit one photo with many seeds as a genblaze batch, with a provider of our own.

It follows genblaze's guide for providers that poll. genblaze's step cache is what a second start
resumes from: it has the steps whose pictures were saved. genblaze can also resume a task by its id
(`BaseProvider.resume`), but a pipeline does not keep ids: whoever wants that stores them himself.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests
from genblaze_core import Asset, Pipeline
from genblaze_core.exceptions import ProviderError
from genblaze_core.models.enums import ProviderErrorCode
from genblaze_core.models.step import Step
from genblaze_core.pipeline.cache import StepCache
from genblaze_core.providers.base import BaseProvider
from requests.adapters import HTTPAdapter


class Spark(BaseProvider):  # type: ignore[misc]
    """The API as genblaze's three phases: submit, poll, fetch. genblaze retries each."""

    name = "spark"
    poll_interval = 0.2

    def __init__(self, photo: Path, out: Path, concurrency: int) -> None:
        super().__init__()
        self._url = os.environ["SPARK_BASE_URL"] + "/model/v1/generation"
        self._image = base64.b64encode(photo.read_bytes()).decode()
        self._out = out
        self._session = requests.Session()
        self._session.mount("http://", HTTPAdapter(pool_maxsize=concurrency))
        self._key = {"Authorization": f"Bearer {os.environ['SPARK_API_KEY']}"}

    def submit(self, step: Step, config: Any = None) -> str:
        """Create a task and return its id."""
        size = {"width": 1328, "height": 1328}
        params = {"prompt": step.prompt, "binary_data_base64": [self._image], **size}
        params["seed"] = step.seed
        body = {"model": step.model, "input": [{"params": params}]}
        answer = self._session.post(self._url, json=body, headers=self._key, timeout=60)
        answer.raise_for_status()
        return str(answer.json()["id"])

    def poll(self, prediction_id: str, config: Any = None) -> bool:
        """Return whether the task has ended, and keep its answer for `fetch_output`."""
        task = self._read(prediction_id)
        if task["status"] == "in_progress":
            return False
        self._cache_poll_result(prediction_id, task)
        return True

    def fetch_output(self, prediction_id: str, step: Step) -> Step:
        """Download the picture to a file and make it the step's asset."""
        task = self._get_cached_poll_result(prediction_id) or self._read(prediction_id)
        if task["status"] != "completed":
            message = f"task {prediction_id}: {task['status']}"
            raise ProviderError(message, error_code=ProviderErrorCode.MODEL_ERROR)
        picture = task["output"][0]["content"][0]["url"]
        answer = self._session.get(picture, timeout=60)
        answer.raise_for_status()
        path = self._out / f"{step.seed}.jpg"
        part = path.with_suffix(".part")
        part.write_bytes(answer.content)
        part.replace(path)
        sha256 = hashlib.sha256(answer.content).hexdigest()
        step.assets.append(Asset(url=path.as_uri(), media_type="image/jpeg", sha256=sha256))
        return step

    def _read(self, prediction_id: str) -> dict[str, Any]:
        """The task as the API describes it now."""
        link = f"{self._url}/task/{prediction_id}"
        answer = self._session.get(link, headers=self._key, timeout=60)
        answer.raise_for_status()
        task: dict[str, Any] = answer.json()
        return task


async def edit(args: argparse.Namespace) -> bool:
    """Edit the photo with each seed that is not in the cache; return whether all succeeded."""
    out = Path(args.out).absolute()
    out.mkdir(parents=True, exist_ok=True)
    # genblaze's calls block in asyncio's default executor, which has few threads on few processors.
    threads = ThreadPoolExecutor(args.concurrency)
    asyncio.get_running_loop().set_default_executor(threads)
    provider = Spark(Path(args.photo), out, args.concurrency)
    pipeline = Pipeline("edit").step(provider, model="spark_i2i_3_0", prompt="Beach")
    results = await pipeline.cache(StepCache(out / "cache")).abatch_run(
        items=[{"seed": seed} for seed in range(1, args.jobs + 1)],
        max_concurrency=args.concurrency,
        raise_on_failure=False,
    )
    return all(step.assets for result in results for step in result.run.steps)


def main() -> None:
    """Edit the photo; exit 1 when a picture is missing."""
    parser = argparse.ArgumentParser()
    parser.add_argument("photo")
    parser.add_argument("out")
    parser.add_argument("--jobs", type=int, required=True)
    parser.add_argument("--concurrency", type=int, required=True)
    sys.exit(0 if asyncio.run(edit(parser.parse_args())) else 1)


if __name__ == "__main__":
    main()
