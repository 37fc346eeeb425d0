"""A look into a manifest that cannot be read: may it tell of paid work that nobody knows?

Ids of jobs and tasks are ASCII, and survive a wrong encoding, other delimiters and lost columns, so
that they can be looked for in the bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from spark_batch.checkpoint import CheckpointReader
from spark_batch.jobs import Status
from spark_batch.jobs.request import KEY_DIGITS

_MAX_BYTES = 256 << 20
# A job's key, or what a spreadsheet makes of one that looks like a number, where a line begins.
_KEY = re.compile(
    rb"(?<![0-9A-Za-z])[0-9a-f]{%d}(?![0-9A-Za-z])" % KEY_DIGITS
    + rb"|^\W*[0-9]+([.,][0-9]+)?E\+[0-9]+",
    re.MULTILINE,
)
# The status stands behind the job, whatever separates the cells.
_PENDING = re.compile(rb"[0-9a-f]+\"?[,;\t]\"?%s\"?[,;\t]" % Status.PENDING.value.encode())


def may_know_more(checkpoint: CheckpointReader, path: Path, *, owns: Callable[[str], bool]) -> bool:
    """Whether a manifest that cannot be read may tell of an attempt that `checkpoint` has not seen.

    Only jobs whose key `owns` takes count. It is rather said once too often than too seldom: when
    it is not, jobs may be paid for.
    """
    if not path.is_file():
        return False  # a folder or a pipe tells of nothing
    try:
        if path.stat().st_size > _MAX_BYTES:
            return True
        data = path.read_bytes().replace(b"\0", b"")  # UTF-16
    except OSError:
        return True
    keys = [*_KEY.finditer(data), None]
    if len(keys) == 1:
        return not checkpoint.apis()
    return any(
        _is_unknown(checkpoint, key[0].decode(), data[key.start() : end.end() if end else None])
        for key, end in pairwise(keys)
        if key is not None and owns(key[0].decode())
    )


def _is_unknown(checkpoint: CheckpointReader, key: str, record: bytes) -> bool:
    """Whether a record tells of a job that was sent, and of which the checkpoint knows less.

    `record` goes from the job's key up to the next one.
    """
    last = checkpoint.last_attempt(key)
    if last is None:
        task = any(checkpoint.knows_task(api, key) for api in checkpoint.apis())
        return not task and not _PENDING.match(record)
    return last.task_id is not None and last.task_id.encode() not in record
