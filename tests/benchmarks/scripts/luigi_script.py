"""Edit one photo with many seeds as Luigi tasks, one worker process for each task in flight.

A task is complete when its picture is there; Luigi gives it its name after it is written.
"""

from __future__ import annotations

import argparse
import base64
import os
import sys
import time
from pathlib import Path

import luigi
import requests
from luigi.format import Nop


class Edit(luigi.Task):  # type: ignore[misc]
    """One picture."""

    photo = luigi.Parameter()
    out = luigi.Parameter()
    seed = luigi.IntParameter()

    def output(self) -> luigi.LocalTarget:
        """The picture's file."""
        return luigi.LocalTarget(str(Path(self.out) / f"{self.seed}.jpg"), format=Nop)

    def run(self) -> None:
        """Create a task, poll it and download its picture."""
        url = os.environ["SPARK_BASE_URL"]
        image = base64.b64encode(Path(self.photo).read_bytes()).decode()
        size = {"width": 1328, "height": 1328}
        params = {"prompt": "Beach", "binary_data_base64": [image], "seed": self.seed, **size}
        body = {"model": "spark_i2i_3_0", "input": [{"params": params}]}
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {os.environ['SPARK_API_KEY']}"
            answer = session.post(f"{url}/model/v1/generation", json=body, timeout=60)
            answer.raise_for_status()
            link = f"{url}/model/v1/generation/task/{answer.json()['id']}"
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
        with self.output().open("w") as file:
            file.write(answer.content)


def main() -> None:
    """Edit the photo with each seed that has no picture yet."""
    parser = argparse.ArgumentParser()
    parser.add_argument("photo")
    parser.add_argument("out")
    parser.add_argument("--jobs", type=int, required=True)
    parser.add_argument("--concurrency", type=int, required=True)
    args = parser.parse_args()
    edits = [Edit(args.photo, args.out, seed) for seed in range(1, args.jobs + 1)]
    done = luigi.build(edits, workers=args.concurrency, local_scheduler=True, log_level="WARNING")
    sys.exit(0 if done else 1)


if __name__ == "__main__":
    main()
