"""A worker process: calls the functions that its parent names, until its input is closed.

It does nothing that costs money, has no key and opens no checkpoint: whatever happens to it, its
work can be repeated at no cost. It has an environment of its own.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import IO, Any

from spark_batch.children import Answer

_THREADS = 64  # most of them wait for the network


def main() -> None:
    """Answer the requests on standard input; see `children.Worker`."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # keep what a library prints out of answers
    writing = Lock()
    threads = ThreadPoolExecutor(_THREADS)
    while True:
        try:
            number, function, arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            os._exit(0)  # the parent has ended, and nobody waits for calls under way
        threads.submit(_answer, answers, writing, number, function, arguments)


def _answer(
    answers: IO[bytes], writing: Lock, number: int, function: Callable[..., Any], arguments: Any
) -> None:
    try:
        data = pickle.dumps(Answer(number, function(*arguments), failed=False))
    except Exception:  # noqa: BLE001 (the parent repeats the call, which raises the error there)
        data = pickle.dumps(Answer(number, None, failed=True))
    with writing:
        answers.write(data)
        answers.flush()
