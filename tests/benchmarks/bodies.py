"""What it costs to make the body of a request: spliced, against serialised each time."""

from __future__ import annotations

import base64
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from PIL import Image

from spark_batch.client.bodies import Bodies
from spark_batch.jobs import Input, Job, Prompt, Size
from tests.makers import MODELS, probe

ROUNDS = 40


def seconds(call: Callable[[], object]) -> float:
    """The shortest of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def main() -> None:
    """Print both times and their ratio, for a picture of some four megabytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "noise.png"
        side = 1170
        Image.frombytes("RGB", (side, side), Random(1).randbytes(side * side * 3)).save(path)
        picture = probe(path)
        job = Job(
            key="0" * 16,
            recipe="b",
            model="spark_i2i_3_0",
            input=Input(id="noise", path=path, picture=picture),
            prompt=Prompt(id="p", text="Change background to beach"),
            size=Size(label="1x1", width=1024, height=1024),
            scale=0.5,
            seed=7,
            take=1,
            output="a",
        )
        bodies = Bodies(MODELS)
        reference = json.loads(bodies.body(job))

        def serialised() -> bytes:
            encoded = base64.b64encode(path.read_bytes()).decode()
            reference["input"][0]["params"]["binary_data_base64"] = [encoded]
            return json.dumps(reference).encode()

        spliced, dumped = seconds(lambda: bodies.body(job)), seconds(serialised)
    print(
        f"bodies: {picture.bytes} bytes, spliced {spliced * 1000:.2f} ms,"
        f" serialised {dumped * 1000:.2f} ms, ratio {dumped / spliced:.1f}"
    )


if __name__ == "__main__":
    main()
