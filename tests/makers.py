"""Makers of nouns with sensible values, so that a test names only what it is about."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import fields, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from spark_batch import models, pictures
from spark_batch.jobs import (
    Fit,
    Input,
    Job,
    JobRecord,
    Picture,
    Prompt,
    Request,
    Result,
    Size,
    Usage,
)
from spark_batch.reports import manifest

MODEL = models.default()
MODELS = models.of_recipe(MODEL)


def probe(path: Path, fit: Fit | None = None) -> Picture:
    """An input picture, judged by the rules of the default model."""
    return pictures.probe(path, fit, MODEL.picture)


def fitted(path: Path, picture: Picture) -> bytes:
    """The file that is sent for a picture with a treatment, to the default model."""
    return pictures.fitted(path, picture, MODEL.picture)


def suspicion(
    path: Path, *, asked: tuple[int, int], source: Path | None, sent: Picture | None = None
) -> str | None:
    """What is odd about a result of the default model; `asked` in pixels."""
    before = pictures.before_of(source, sent, MODEL.picture) if source else None
    return pictures.inspect(path, expected=MODEL.expected_size(*asked), before=before).suspect


def a_picture(text: str = "picture", *, width: int = 64, height: int = 48) -> Picture:
    """Facts of a JPEG file whose hash is that of `text`."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Picture(format="JPEG", width=width, height=height, bytes=1000, sha256=digest)


def a_job(
    output: str = "cat/beach", *, prompt: str = "Change background to beach", seed: int = 7
) -> Job:
    """A job with a key of its prompt and seed."""
    key = hashlib.sha256(f"{prompt}|{seed}".encode()).hexdigest()[:16]
    return Job(
        key=key,
        recipe="test",
        model=MODEL.name,
        input=Input(id="cat", picture=a_picture()),
        prompt=Prompt(id="beach", text=prompt),
        size=Size(label="1x1", width=1328, height=1328),
        scale=0.5,
        seed=seed,
        take=1,
        output=output,
    )


def write_manifest(path: Path, records: Iterable[JobRecord]) -> None:
    """Write a manifest of these jobs, with the text that every report of them has."""
    path.write_text("".join(manifest.text(records, MODELS)), encoding="utf-8", newline="")


def a_record(**changes: Any) -> JobRecord:
    """A job that was never sent; `changes` are fields of the record or of its request."""
    names = {field.name for field in fields(Request)}
    asked = {name: changes.pop(name) for name in names & set(changes)}
    request = replace(
        Request(
            model=MODEL.name,
            prompt="Beach",
            picture=None,
            seed=7,
            scale=0.5,
            width=1328,
            height=936,
            take=1,
        ),
        **asked,
    )
    record = JobRecord(
        key="0123456789abcdef",
        output="cat/beach",
        input="cat",
        prompt_id="beach",
        request=request,
        recipe="test",
    )
    return replace(record, **changes)


def some_jobs(count: int) -> list[Job]:
    """Jobs with different seeds and names."""
    return [a_job(f"cat/beach-{n}", seed=n) for n in range(1, count + 1)]


def a_result(cost: str | None = "0.03") -> Result:
    """A finished task."""
    usage = Usage(cost=None if cost is None else Decimal(cost), generated_images=1)
    return Result(url="http://127.0.0.1:9/a.jpg", bytes=1000, remote_job_id="r1", usage=usage)


def keys(jobs: Iterable[Job]) -> list[str]:
    """The keys of jobs."""
    return [job.key for job in jobs]


def a_journal(pages: bytes, *, size: int = 4096, nonce: int = 7) -> bytes:
    """A rollback journal that brings `pages` back, as in SQLite's file format."""
    numbers = (len(pages) // size, nonce, len(pages) // size, 512, size)
    head = bytes.fromhex("d9d505f920a163d7") + b"".join(n.to_bytes(4, "big") for n in numbers)
    records = []
    for start in range(0, len(pages), size):
        page = pages[start : start + size]
        checksum = (nonce + sum(page[at] for at in range(size - 200, 0, -200))) & 0xFFFFFFFF
        number = start // size + 1
        records.append(number.to_bytes(4, "big") + page + checksum.to_bytes(4, "big"))
    return head.ljust(512, b"\0") + b"".join(records)
